"""Which name means what: scopes, what is bound in them, and where a bound value comes from."""

import ast
from collections.abc import Iterator
from typing import Literal, NamedTuple

Function = ast.FunctionDef | ast.AsyncFunctionDef
_ADDING_TEXT = (
    "append add insert extend update setdefault appendleft extendleft write writelines writerow writerows put put_nowait feed push"
)
_ADDING = frozenset(_ADDING_TEXT.split())
FILLING = frozenset({"heappush", "heappushpop", "heapreplace", "insort", "insort_left", "insort_right"})
"""Functions that put their second argument into their first."""
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Site(NamedTuple):
    """One place where a name gets a value. `value`: this; `item`: one of its elements; `more`: added to it; `param`, `other`: see `node`."""

    kind: Literal["value", "item", "more", "param", "import", "def", "class", "other"]
    node: ast.AST


class Scope:
    """A module, a class, or a function (also a lambda or a comprehension)."""

    def __init__(self, kind: Literal["module", "class", "function"], parent: "Scope | None", node: ast.AST) -> None:
        self.kind, self.parent, self.node = kind, parent, node
        self.bound: dict[str, list[Site]] = {}
        self.modules: dict[str, str] = {}
        """Name -> the module or package it stands for."""
        self.taken: dict[str, tuple[str, str]] = {}
        """Name -> module and export, of `from module import export`."""
        self.elsewhere: dict[str, Scope] = {}
        self.imported: dict[str, set[str]] = {}
        self.fields: set[str] = set()
        self.read: set[str] = set()
        self.added: list[tuple[str, Site]] = []

    @property
    def top(self) -> "Scope":
        return self if self.parent is None else self.parent.top

    def bind(self, name: str, kind: Literal["value", "item", "more", "param", "import", "def", "class", "other"], node: ast.AST) -> None:
        self.elsewhere.get(name, self).bound.setdefault(name, []).append(Site(kind, node))

    def bind_more(self, name: str, node: ast.AST) -> None:
        """Something goes into what the name stands for, which may be an outer scope's."""
        self.added.append((name, Site("more", node)))

    def owner(self, name: str) -> "Scope | None":
        """The scope whose name this is; None: a built-in."""
        if name in self.elsewhere:
            return self.elsewhere[name]
        if name in self.bound:
            return self
        outer = self.parent
        while outer is not None:
            if outer.kind != "class" and name in outer.bound:
                return outer
            outer = outer.parent
        return None

    def sites(self, name: str) -> list[Site]:
        owner = self.owner(name)
        return [] if owner is None else owner.bound[name]

    def module(self, name: str) -> str | None:
        owner = self.owner(name)
        return None if owner is None else owner.modules.get(name)

    def export(self, name: str) -> tuple[str, str] | None:
        owner = self.owner(name)
        return None if owner is None else owner.taken.get(name)


class Scopes:
    """Of a whole module; `of[node]` is the scope that a function, class, lambda or comprehension opens, `around[node]` that of any node."""

    def __init__(self, tree: ast.Module) -> None:
        self.of: dict[ast.AST, Scope] = {}
        self.around: dict[ast.AST, Scope] = {}
        self.functions: dict[str, list[Function]] = {}
        self.calls: dict[str, list[ast.Call]] = {}
        self.reads: dict[str, list[ast.Name]] = {}
        self.methods: set[Function] = set()
        self.attributes: dict[str, list[ast.expr]] = {}
        """What is stored in an attribute of this name, or stands in the body of a class under it."""
        self.parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        self.loose = {name for node in self.parents if (name := self._passed_on(node)) is not None}
        """Names and attributes that are read without being called there: functions of these names may be called from anywhere."""
        self.module = self.of[tree] = Scope("module", None, tree)
        self._body(tree.body, self.module)
        # Only now is every name known.
        for scope in list(self.of.values()):
            for name, site in scope.added:
                if (owner := scope.owner(name)) is not None:
                    owner.bound[name].append(site)
            if isinstance(scope.node, ast.ClassDef):
                self._fields(scope.node, scope)

    def _fields(self, node: ast.ClassDef, scope: Scope) -> None:
        """The fields of a data class or a named tuple also hold what calls give them."""
        fields = self._field_names(node, [])
        if not fields or "__init__" in scope.bound:
            return
        known = set(fields)
        if any(self._is_handed_on(each) for each in self.reads.get(node.name, ())):
            for name in fields:
                self.attributes.setdefault(name, []).append(ast.Yield())
        for call in (*self.calls.get(node.name, ()), *self.calls.get("cls", ())):
            for number, given in enumerate(call.args):
                # After `*values` nobody knows which field is meant.
                for name in fields[number:] if isinstance(given, ast.Starred) else fields[number : number + 1]:
                    self.attributes.setdefault(name, []).append(given)
        for call in (
            *self.calls.get(node.name, ()),
            *(call for name in ("cls", "replace", "_replace") for call in self.calls.get(name, ())),
        ):
            for keyword in call.keywords:
                for name in fields if keyword.arg is None else [keyword.arg] if keyword.arg in known else []:
                    self.attributes.setdefault(name, []).append(keyword.value)

    def _field_names(self, node: ast.ClassDef, seen: list[ast.AST]) -> list[str]:
        """In their order, those of its own base classes first."""
        if node in seen:
            return []
        seen.append(node)
        bases = [each.id for each in node.bases if isinstance(each, ast.Name)]
        above = [site.node for name in bases for site in self.module.bound.get(name, ()) if isinstance(site.node, ast.ClassDef)]
        found = [name for each in above for name in self._field_names(each, seen)]
        found += [each.target.id for each in node.body if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)]
        return list(dict.fromkeys(found))

    def _is_handed_on(self, node: ast.Name) -> bool:
        """Whether a class gets another name or goes to a function, which may then make objects of it unseen."""
        parent = self.parents[node]
        if isinstance(parent, ast.Tuple):
            return not isinstance(self.parents[parent], ast.Subscript | ast.Call)
        if isinstance(parent, ast.Call):
            return parent.func is not node and not (isinstance(parent.func, ast.Name) and parent.func.id in ("isinstance", "issubclass"))
        return isinstance(parent, ast.Assign | ast.NamedExpr | ast.List | ast.Dict | ast.Return | ast.IfExp)

    def _passed_on(self, node: ast.AST) -> str | None:
        parent = self.parents[node]
        if isinstance(parent, ast.Call) and parent.func is node:
            return None
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
            return node.id if isinstance(node, ast.Name) else node.attr
        return None

    def _body(self, body: list[ast.stmt], scope: Scope) -> None:
        for name, where in _declared(body):
            scope.elsewhere[name] = scope.top if where == "global" else _enclosing(scope, name)
        for each in body:
            self._node(each, scope)

    def _node(self, node: ast.AST, scope: Scope) -> None:
        self.around[node] = scope
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                scope.bind(node.name, "def", node)
                self.functions.setdefault(node.name, []).append(node)
                if scope.kind == "class":
                    self.methods.add(node)
                self._outside(node, scope)
                inner = self._open(node, scope, "function")
                self._arguments(node.args, inner, node)
                self._body(node.body, inner)
            case ast.Lambda():
                self._defaults(node.args, scope)
                inner = self._open(node, scope, "function")
                self._arguments(node.args, inner, node)
                self._node(node.body, inner)
            case ast.ClassDef():
                scope.bind(node.name, "class", node)
                for outer in (*node.decorator_list, *node.bases, *node.keywords):
                    self._node(outer, scope)
                inner = self._open(node, scope, "class")
                self._body(node.body, inner)
                for name, sites in inner.bound.items():
                    self.attributes.setdefault(name, []).extend(site.node for site in sites if isinstance(site.node, ast.expr))
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                self._comprehension(node, scope)
            case _:
                self._binding(node, scope)
                for child in ast.iter_child_nodes(node):
                    self._node(child, scope)

    def _open(self, node: ast.AST, scope: Scope, kind: Literal["class", "function"]) -> Scope:
        inner = self.of[node] = Scope(kind, scope, node)
        return inner

    def _outside(self, node: Function, scope: Scope) -> None:
        for each in node.decorator_list:
            self._node(each, scope)
        self._defaults(node.args, scope)
        for annotation in (node.returns, *(each.annotation for each in _all(node.args))):
            if annotation is not None:
                self._node(annotation, scope)

    def _defaults(self, arguments: ast.arguments, scope: Scope) -> None:
        for each in (*arguments.defaults, *arguments.kw_defaults):
            if each is not None:
                self._node(each, scope)

    def _arguments(self, arguments: ast.arguments, inner: Scope, function: ast.AST) -> None:
        for each in _all(arguments):
            inner.bind(each.arg, "param", function)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp, scope: Scope) -> None:
        # The first iterable is evaluated outside, as the language has it.
        self._node(node.generators[0].iter, scope)
        inner = self._open(node, scope, "function")
        for number, each in enumerate(node.generators):
            self._bind_target(each.target, "item", each.iter, inner)
            self._node(each.target, inner)
            if number:
                self._node(each.iter, inner)
            for condition in each.ifs:
                self._node(condition, inner)
        for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            self._node(part, inner)

    def _binding(self, node: ast.AST, scope: Scope) -> None:
        match node:
            case ast.Assign():
                for target in node.targets:
                    self._bind_target(target, "value", node.value, scope)
            case ast.AnnAssign(value=None, target=ast.Name(id=name)) if scope.kind != "function":
                # It names a field and gives nothing a value.
                scope.fields.add(name)
            case ast.Name(id=name, ctx=ast.Load()):
                scope.read.add(name)
                self.reads.setdefault(name, []).append(node)
            case ast.AnnAssign(value=None):
                self._bind_target(node.target, "other", node, scope)
            case ast.AnnAssign(value=ast.expr() as value):
                self._bind_target(node.target, "value", value, scope)
            case ast.AugAssign():
                self._bind_target(node.target, "more", node.value, scope)
            case ast.NamedExpr():
                holder = scope
                while isinstance(holder.node, _COMPREHENSIONS) and holder.parent is not None:
                    holder = holder.parent
                holder.bind(node.target.id, "value", node.value)
            case ast.For() | ast.AsyncFor():
                self._bind_target(node.target, "item", node.iter, scope)
            case ast.withitem(optional_vars=ast.expr() as target):
                self._bind_target(target, "other", node, scope)
            case ast.ExceptHandler(name=str() as name) | ast.MatchAs(name=str() as name) | ast.MatchStar(name=str() as name):
                scope.bind(name, "other", node)
            case ast.MatchMapping(rest=str() as name):
                scope.bind(name, "other", node)
            case ast.Delete():
                for target in node.targets:
                    self._bind_target(target, "other", node, scope)
            case ast.Import():
                for each in node.names:
                    scope.bind(each.asname or each.name.split(".")[0], "import", node)
                    scope.imported.setdefault(each.asname or each.name.split(".")[0], set()).add(
                        each.name if each.asname else each.name.split(".")[0]
                    )
                    scope.modules[each.asname or each.name.split(".")[0]] = each.name if each.asname else each.name.split(".")[0]
            case ast.ImportFrom(module=str() as module):
                for each in node.names:
                    scope.bind(each.asname or each.name, "import", node)
                    scope.imported.setdefault(each.asname or each.name, set()).add(f"{module} {each.name}")
                    scope.taken[each.asname or each.name] = (module, each.name)
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[holder, given, *_]) if name in FILLING:
                self._more(holder, given, scope)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="dict" | "list" | "set"), attr=name), args=[holder, *others]) if (
                name in _ADDING
            ):
                for given in (*others, *(each.value for each in node.keywords)):
                    self._more(holder, given, scope)
            case ast.Call(func=ast.Call(func=ast.Name(id="type"))):
                self.calls.setdefault("cls", []).append(node)
            case ast.Call(func=ast.Name(id=name)):
                self.calls.setdefault(name, []).append(node)
            case ast.Call(func=ast.Attribute(value=of, attr=name)):
                self.calls.setdefault(name, []).append(node)
                if name in _ADDING:
                    for given in (*node.args, *(each.value for each in node.keywords)):
                        self._more(of, given, scope)

    def _bind_target(self, target: ast.expr, kind: Literal["value", "item", "more", "other"], node: ast.AST, scope: Scope) -> None:
        match target:
            case ast.Name(id=name):
                scope.bind(name, kind, node)
            case ast.Starred(value=inner):
                self._bind_target(inner, "other", node, scope)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                values = node.elts if isinstance(node, ast.Tuple | ast.List) and len(node.elts) == len(parts) and kind == "value" else None
                for number, part in enumerate(parts):
                    if values is not None and not any(isinstance(each, ast.Starred) for each in (*values, *parts)):
                        self._bind_target(part, "value", values[number], scope)
                    elif kind == "value" and isinstance(node, ast.expr) and not any(isinstance(each, ast.Starred) for each in parts):
                        one = ast.copy_location(ast.Subscript(value=node, slice=ast.Constant(value=number), ctx=ast.Load()), node)
                        self.around[one] = scope
                        self._bind_target(part, "value", one, scope)
                    else:
                        # `for key, value in pairs`: whatever is in there.
                        self._bind_target(part, "item" if kind in ("item", "value") else "other", node, scope)
            case ast.Attribute(attr=name) if isinstance(node, ast.expr | ast.withitem):
                self.attributes.setdefault(name, []).append(node.context_expr if isinstance(node, ast.withitem) else node)
            case ast.Subscript(value=holder) if isinstance(node, ast.expr | ast.withitem):
                self._more(holder, node.context_expr if isinstance(node, ast.withitem) else node, scope)

    def _more(self, holder: ast.expr, node: ast.expr, scope: Scope) -> None:
        """Something goes into what `holder` begins with: `name`, `name["a"]["b"]`, `self.name`."""
        while isinstance(holder, ast.Subscript | ast.Call):
            holder = holder.value if isinstance(holder, ast.Subscript) else holder.func
        if isinstance(holder, ast.Name):
            scope.bind_more(holder.id, node)
        elif isinstance(holder, ast.Attribute):
            self.attributes.setdefault(holder.attr, []).append(node)
            self._more(holder.value, node, scope)


def _declared(body: list[ast.stmt]) -> Iterator[tuple[str, Literal["global", "nonlocal"]]]:
    """`global` and `nonlocal` of one scope, wherever in it they stand."""
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Global):
            yield from ((name, "global") for name in node.names)
        elif isinstance(node, ast.Nonlocal):
            yield from ((name, "nonlocal") for name in node.names)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)


def _enclosing(scope: Scope, name: str) -> Scope:
    outer = scope.parent
    while outer is not None and (outer.kind != "function" or name not in outer.bound):
        outer = outer.parent
    return outer or scope


def _all(arguments: ast.arguments) -> list[ast.arg]:
    extra = [each for each in (arguments.vararg, arguments.kwarg) if each is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *extra]
