"""The grammar that code of tools may be written in: calls, statements, functions and classes of a closed list, and nothing when it is loaded."""

# ruff: noqa: N802  the names of these methods are given by ast.NodeVisitor

import ast
import re

from bmm.checks.reader import patterns
from bmm.checks.reader.attributes import NEVER
from bmm.checks.reader.names import Names
from bmm.checks.reader.nodes import name_of, returns
from bmm.checks.reader.rules import (
    ANNOTATIONS,
    AT_IMPORT,
    BASES,
    BUILTINS,
    FROM_OUTSIDE,
    HTTP,
    METHODS,
    ONLY_CALLED,
    PLAIN,
    PLAIN_BASES,
    SHOWN,
    Said,
)  # fmt: skip
from bmm.checks.reader.scopes import Function, Scopes
from bmm.checks.reader.values import Values


class Grammar(Names):
    """Collects what is wrong with one module."""

    def __init__(self, tree: ast.Module, scopes: Scopes, values: Values) -> None:
        super().__init__(scopes, values)
        for statement in tree.body:
            self._top(statement)

    def _top(self, node: ast.stmt) -> None:
        match node:
            case ast.Import() | ast.ImportFrom() | ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.Pass():
                self.visit(node)
            case ast.Assign() | ast.AnnAssign():
                self._loads = True
                self.visit(node)
                self._loads = False
            case ast.Expr(value=ast.Constant()):
                pass
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), body=body, orelse=[]) if all(
                isinstance(each, ast.Import | ast.ImportFrom) for each in body
            ):
                for each in body:
                    self.visit(each)
            case _:
                self.block(
                    "import_time",
                    node,
                    "This runs when the code is loaded, outside any call.",
                    "Move it into `run` or into a function that it calls.",
                )

    def generic_visit(self, node: ast.AST) -> None:
        if type(node).__name__ not in PLAIN:
            self.block("grammar", node, f"{type(node).__name__} is not part of the grammar of tools.", "Write it in a plainer way.")
            return
        if not isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            super().generic_visit(node)
            return
        first = node.generators[0].iter
        self.visit(first)
        around, self._scope = self._scope, self._scopes.of[node]
        inner = [part for each in node.generators for part in (each.target, each.iter, *each.ifs) if part is not first]
        for each in (*inner, *((node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,))):
            self.visit(each)
        self._scope = around

    def visit_Call(self, node: ast.Call) -> None:
        match node.func:
            case ast.Name(id=name) if name in ONLY_CALLED and self._scope.owner(name) is None:
                self._special(name, node)
            case ast.Attribute(attr="format", value=text) as func if self._module(func.value) is None:
                self._formatted(text, node)
                self.visit(text)
            case ast.Attribute(value=ast.Attribute(attr="http", value=holder), attr=method) if self._module(node.func.value) is None:
                if method not in HTTP:
                    self.block("attribute", node, f"`http.{method}` does not exist.", f"Use one of {', '.join(sorted(HTTP))}.")
                self.visit(holder)
            case ast.Attribute() as func:
                self._attribute(func, called=func.attr != "http")
            case ast.Name() | ast.Call() | ast.Subscript() | ast.Lambda():
                self.visit(node.func)
            case _:
                self.block("grammar", node, "What is called here cannot be seen.", "Call a function by its name.")
        for keyword in node.keywords:
            if (
                keyword.arg in ("verify", "check_hostname", "verify_ssl")
                and isinstance(keyword.value, ast.Constant)
                and not keyword.value.value
            ):
                self.block("tls_off", keyword.value, "Certificates would not be checked.", f"Leave `{keyword.arg}` out.")
        export = self._export(node.func)
        if self._loads:
            self._called_at_import(node, export)
        if export is not None and export[0] == "re" and node.args and (fault := patterns.slow(node.args[0])):
            self.ask("regex", node, f"This expression may take very long on some texts: {fault}.", "Let only one of the two repeat.")
        for each in (*node.args, *(keyword.value for keyword in node.keywords)):
            self.visit(each)

    def _special(self, name: str, node: ast.Call) -> None:
        plain = not node.keywords and not any(isinstance(each, ast.Starred) for each in node.args)
        if name in ("getattr", "hasattr"):
            match node.args:
                case [holder, ast.Constant(value=str() as attr), *_] if (
                    plain and self._module(holder) is None and attr not in (*FROM_OUTSIDE, "format")
                ):
                    self._may_read(attr, node)
                case _:
                    self.block("attribute", node, f"`{name}` is used with a name that is not written here.", "Use `value.name`, or a dict.")
        elif name == "type" and not (plain and len(node.args) == 1):
            self.block("class", node, "`type` makes a class here.", "Write `class Name:`.")
        elif name == "print" and self._loads:
            self.block("import_time", node, "This call is made when the code is loaded, outside any call.", "Make it in `run`.")
        elif name == "super" and not (plain and not node.args):
            self.block("class", node, "`super` is used with arguments.", "Write `super()`.")

    def _formatted(self, text: ast.expr, node: ast.Call) -> None:
        texts = self._values.texts(text)
        if texts is None or any(isinstance(each, ast.Starred) for each in node.args):
            self.block(
                "format", node, "The template of `format` is computed.", "Use an f-string, or `string.Template` for templates of others."
            )
        elif any(re.search(r"\{[^{}:!]*[.\[]", each) for each in texts):
            self.block("format", node, "The template of `format` reaches into its values.", "Use an f-string.")

    def _called_at_import(self, node: ast.Call, export: tuple[str, str] | None) -> None:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        # A function that is handed over may be called there and then.
        given = [each.id for each in (*node.args, *(keyword.value for keyword in node.keywords)) if isinstance(each, ast.Name)]
        names = given if self._decorates else [name, *given]
        if self._is_loud(node.func, export) or any(self._does_something(each, []) for each in names):
            self.block("import_time", node, "This call is made when the code is loaded, outside any call.", "Make it in `run`.")

    def _is_loud(self, func: ast.expr, export: tuple[str, str] | None) -> bool:
        if export is not None:
            return export[0] in ("asyncio", "sys") and export not in AT_IMPORT
        return any(
            isinstance(each, ast.Name) and (self._scope.module(each.id) == "sys" or (self._scope.export(each.id) or "")[:1] == ("sys",))
            for each in ast.walk(func)
        )

    def _does_something(self, name: str, seen: list[str]) -> bool:
        """Whether a function or class of the code prints or starts tasks when it is called; also by others that it names."""
        if name in seen:
            return False
        seen.append(name)
        for site in self._scopes.module.sites(name):
            if site.kind not in ("def", "class"):
                continue
            for each in ast.walk(site.node):
                if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load):
                    module = self._scopes.around[each].module(each.id) or (self._scopes.around[each].export(each.id) or ("",))[0]
                    if each.id == "print" or module in ("asyncio", "sys") or self._does_something(each.id, seen):
                        return True
        return False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._function(node)

    def _function(self, node: Function) -> None:
        name = node.name
        if name.startswith("__"):
            if self._scope.kind != "class" or not (name.endswith("__") and name.strip("_") in METHODS):
                self.block("name", node, f"`{name}` is not a method that tools may define.", "Give it a plain name.")
        else:
            if self._scope.kind != "class":
                self._bound(name, node)
            elif name in NEVER or name in FROM_OUTSIDE:
                self.block("name", node, f"`{name}` is not a name for a method.", "Choose another name.")
        loads, self._loads = self._loads, True
        for decorator in node.decorator_list:
            self._decorator(decorator)
        for default in (*node.args.defaults, *(each for each in node.args.kw_defaults if each is not None)):
            self.visit(default)
        self._loads = False
        for arg in ast.walk(node.args):
            if isinstance(arg, ast.arg):
                self._annotation(arg.annotation)
        self._annotation(node.returns)
        around, self._scope = self._scope, self._scopes.of[node]
        for arg in ast.walk(node.args):
            if isinstance(arg, ast.arg) and arg.arg.startswith("__"):
                self.block("name", arg, f"`{arg.arg}` belongs to Python itself.", "Choose another name.")
        for statement in node.body:
            self.visit(statement)
        self._scope, self._loads = around, loads

    def _decorator(self, node: ast.expr) -> None:
        named = node.func if isinstance(node, ast.Call) else node
        if isinstance(named, ast.Name):
            known = self._scope.owner(named.id) is not None or named.id in ("staticmethod", "classmethod", "property")
        else:
            known = isinstance(named, ast.Attribute) and (
                self._module(named.value) is not None or named.attr in ("setter", "deleter", "getter")
            )
        if not known:
            self.block("decorator", node, "This decorator is not one that tools may use.", "Call the function in a plain way.")
        if isinstance(named, ast.Name) and self._prints(named.id, deep=isinstance(node, ast.Call)):
            self.block("import_time", node, "This decorator prints when the code is loaded.", "Print in the function that it returns.")
        self._decorates = True
        self.visit(node)
        self._decorates = False

    def _prints(self, name: str, *, deep: bool) -> bool:
        """Whether a decorator of the code prints before it returns a function; `deep`: it is called first, and makes the decorator."""
        waiting: list[tuple[ast.AST, int]] = [
            (each, 0) for site in self._scopes.module.sites(name) if isinstance(site.node, Function) for each in site.node.body
        ]
        while waiting:
            node, depth = waiting.pop()
            if isinstance(node, ast.Call) and name_of(node.func) == "print":
                return True
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                depth += 1
            if depth <= deep:
                waiting += [(each, depth) for each in ast.iter_child_nodes(node) if isinstance(each, ast.stmt | ast.expr)]
        return False

    def visit_Lambda(self, node: ast.Lambda) -> None:
        for default in (*node.args.defaults, *(each for each in node.args.kw_defaults if each is not None)):
            self.visit(default)
        around, self._scope = self._scope, self._scopes.of[node]
        self.visit(node.body)
        self._scope = around

    def _annotation(self, node: ast.expr | None) -> None:
        for each in () if node is None else ast.walk(node):
            if not isinstance(each, ANNOTATIONS):
                self.block("annotation", each, "An annotation is evaluated like any code.", "Use plain types.")
                return
        if node is not None:
            for each in ast.walk(node):
                if isinstance(each, ast.Name) and self._scope.module(each.id) is None:
                    self.visit_Name(each)
                elif isinstance(each, ast.Attribute) and self._module(each.value) is None and self._module(each) is None:
                    self._may_read(each.attr, each)
                elif isinstance(each, ast.Attribute) and (module := self._module(each.value)) is not None:
                    self._of_module(module, each)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._annotation(node.annotation)
        if node.value is not None or self._scope.kind == "function" or not isinstance(node.target, ast.Name):
            self.visit(node.target)
        elif node.target.id.startswith("__") or node.target.id in NEVER or node.target.id in FROM_OUTSIDE:
            self.block("name", node, f"`{node.target.id}` is not a name for a field.", "Choose another name.")
        if node.value is not None:
            self.visit(node.value)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._bound(node.name, node)
        loads, self._loads = self._loads, True
        for decorator in node.decorator_list:
            self._decorator(decorator)
        for base in node.bases:
            self._base(base)
        for keyword in node.keywords:
            if keyword.arg not in ("total", "boundary") or not isinstance(keyword.value, ast.Constant | ast.Attribute):
                self.block("class", node, "A class is made by another class here.", "Leave out `metaclass` and other arguments.")
        around, self._scope = self._scope, self._scopes.of[node]
        for statement in node.body:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                continue
            if not isinstance(statement, ast.Assign | ast.AnnAssign | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Pass):
                self.block("import_time", statement, "This runs when the class is made.", "Move it into a method.")
            else:
                self.visit(statement)
        self._scope, self._loads = around, loads

    def _base(self, node: ast.expr) -> None:
        named = node.value if isinstance(node, ast.Subscript) else node
        if isinstance(node, ast.Subscript):
            self._annotation(node.slice)
        export = self._export(named)
        own = isinstance(named, ast.Name) and any(site.kind == "class" for site in self._scope.sites(named.id))
        plain = isinstance(named, ast.Name) and self._scope.owner(named.id) is None
        builtin = plain and (named.id in PLAIN_BASES or (named.id in BUILTINS and named.id[0].isupper()))  # type: ignore[attr-defined]
        if not (own or builtin or export in BASES):
            self.block("class", node, "This is not a class that tools may inherit from.", "Write a class without it.")

    def visit_MatchClass(self, node: ast.MatchClass) -> None:
        for attr in node.kwd_attrs:
            if attr in FROM_OUTSIDE:
                self.block("indirect", node, f"`{attr}` is taken out by a pattern.", f"Write `await ctx.{SHOWN[attr]}`.")
            else:
                self._may_read(attr, node)
        if isinstance(node.cls, ast.Attribute) and (module := self._module(node.cls.value)) is not None:
            self._of_module(module, node.cls)
        else:
            self.visit(node.cls)
        for each in (*node.patterns, *node.kwd_patterns):
            self.visit(each)

    def visit_Expr(self, node: ast.Expr) -> None:
        self.visit(node.value)

    def visit_Delete(self, node: ast.Delete) -> None:
        for each in node.targets:
            self.visit(each)

    def visit_While(self, node: ast.While) -> None:
        endless = isinstance(node.test, ast.Constant) and bool(node.test.value)
        if endless and not any(isinstance(each, ast.Break | ast.Return | ast.Raise | ast.Yield) for each in ast.walk(node)):
            # A call that is cancelled leaves by its `await`, unless that is caught.
            if not any(isinstance(each, ast.Await | ast.AsyncFor | ast.AsyncWith) for each in ast.walk(node)):
                self.ask("endless", node, "This loop has no way out.", "End it by `break` or `return`.")
            elif any(self._holds_on(each) for each in ast.walk(node)):
                self.ask("endless", node, "This loop goes on when the call is cancelled.", "Catch `Exception`, or end the loop.")
        super().generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if patterns.huge(node):
            self.ask("huge", node, "This makes a value that may not fit into the memory of a worker.", "Make it smaller.")
        super().generic_visit(node)

    def _is_wide(self, node: ast.expr | None, depth: int = 0) -> bool:
        """Whether what is caught includes that the call was cancelled."""
        match node:
            case None:
                return True
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                return any(self._is_wide(each, depth) for each in parts)
            case ast.Starred(value=value):
                return self._is_wide(value, depth)
            case ast.Name(id=name) if self._scope.owner(name) is not None and self._export(node) is None:
                values = [site.node for site in self._scope.sites(name) if site.kind == "value" and isinstance(site.node, ast.expr)]
                return depth < 3 and any(self._is_wide(each, depth + 1) for each in values)
        export = self._export(node)
        return (export[1] if export else name_of(node)) in ("BaseException", "CancelledError")

    def _holds_on(self, node: ast.AST) -> bool:
        """Whether this catches that the call was cancelled, and goes on."""
        match node:
            case ast.ExceptHandler(type=caught):
                return self._is_wide(caught)
            case ast.Try(finalbody=last) | ast.TryStar(finalbody=last):
                return any(isinstance(each, ast.Continue) for part in last for each in ast.walk(part))
            case ast.withitem(context_expr=ast.Call(func=func, args=args)):
                export = self._export(func)
                if export is None and isinstance(func, ast.Name):
                    bodies = [site.node.body for site in self._scope.sites(func.id) if isinstance(site.node, ast.ClassDef)]
                    exits = [each for body in bodies for each in body if isinstance(each, Function) and "exit__" in each.name]
                    export = next((self._export(v.node) for v in self._scope.sites(func.id) if isinstance(v.node, ast.expr)), None)
                    if any(not isinstance(said, ast.Constant) or said.value for each in exits for said in returns(each)):
                        return True
                return export == ("contextlib", "suppress") and any(self._is_wide(each) for each in args)
        return False

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if self._is_wide(node.type) and not any(isinstance(each, ast.Raise) for each in ast.walk(node)):
            note = Said("note", "code.except", node.lineno, "This also catches that the call was cancelled.", "Catch `Exception`.")
            self.said.append(note)
        if node.name is not None:
            self._bound(node.name, node)
        super().generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> None:
        self.visit(node.value)
