"""Where values come from: what an address, a query or a key can be, as far as that is written in the code."""

import ast
import re

from bmm.checks.reader.nodes import (
    DRESSING,
    NUMBERS,
    PASSING,
    QUOTING,
    callee,
    callee_of,
    default_of,
    holds_containers,
    is_plain,
    is_static,
    is_text,
    name_of,
    passes_on,
    replaced,
    returns,
)  # fmt: skip
from bmm.checks.reader.scopes import Function, Scope, Scopes, Site

_MOST = 24
_DEEPEST = 14
_MOST_STEPS = 3000
SAFE, ANY, QUOTED = 0, 1, 2
"""Parts of a text that is put together: a number; anything at all; what is quoted for an address."""
Part = str | int
Text = tuple[Part, ...]


class Values:
    """Follows names, arguments of local functions and attributes back to what is written."""

    def __init__(self, scopes: Scopes) -> None:
        self._scopes = scopes
        self._seen: list[ast.AST] = []
        self._steps = self._depth = 0
        self._fixed: set[ast.AST] = set()
        self._sharing: list[tuple[Scope, str]] = []

    def texts(self, node: ast.expr) -> list[str] | None:
        """Every text this can be; None where it can also be something that is not written in the code."""
        found: list[str] = []
        for each in self.pieces(node):
            if any(not isinstance(part, str) for part in each):
                return None
            found.append("".join(str(part) for part in each))
        return found or None

    def pieces(self, node: ast.expr) -> list[Text]:
        """The texts this can be, each as its parts."""
        if not self._seen:
            self._steps = 0
        self._steps += 1
        if node in self._seen or len(self._seen) > _DEEPEST or self._steps > _MOST_STEPS:
            return [] if node in self._seen else [(ANY,)]
        self._seen.append(node)
        try:
            return self._pieces(node)[:_MOST]
        finally:
            self._seen.pop()

    def _pieces(self, node: ast.expr) -> list[Text]:
        match node:
            case ast.Constant(value=str() as text):
                return [(text,)]
            case ast.Constant():
                return [(SAFE,)]
            case ast.JoinedStr(values=parts):
                return self._joined(parts)
            case ast.FormattedValue(value=value, format_spec=ast.JoinedStr(values=[ast.Constant(value=str() as spec)])) if (
                spec[-1:] in "dfxeXnF%,"
            ):
                return [(SAFE,)]
            case ast.FormattedValue(value=value):
                return self.pieces(value)
            case ast.BinOp(op=ast.Add(), left=left, right=right):
                return self._joined([left, right])
            case ast.BinOp(op=ast.Mod(), left=ast.Constant(value=str() as text)):
                return [(text.partition("%")[0], ANY)]
            case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div() | ast.FloorDiv() | ast.Mod()):
                return [(ANY,)]
            case ast.IfExp(body=one, orelse=other):
                return self.pieces(one) + self.pieces(other)
            case ast.BoolOp(values=values):
                return [text for each in values for text in self.pieces(each)]
            case ast.Await(value=value) | ast.NamedExpr(value=value):
                return self.pieces(value)
            case ast.Name(id=name):
                return self._named(name, self._scopes.around[node])
            case ast.Attribute(attr=attr) if attr in self._scopes.attributes:
                return [text for each in self._scopes.attributes[attr] for text in self.pieces(each)] or [(ANY,)]
            case ast.Subscript(value=ast.Call() as call, slice=ast.Constant(value=int() as number)) if parts := self._returned(
                call, number
            ):
                return [text for each in parts for text in self.pieces(each)]
            case ast.Subscript(value=value) if not isinstance(node.slice, ast.Slice) and (held := self._held(value)) is not None:
                return [text for each in held for text in self.pieces(each)]
            case ast.Call():
                return self._called(node)
        return [(ANY,)]

    def _joined(self, parts: list[ast.expr]) -> list[Text]:
        found: list[Text] = [()]
        for each in parts:
            more = self.pieces(each) or [(ANY,)]
            found = [(*before, *after) for before in found for after in more][:_MOST]
        return found

    def _named(self, name: str, scope: Scope) -> list[Text]:
        found: list[Text] = []
        for site in scope.sites(name):
            match site:
                case Site("value", ast.expr() as value):
                    found += self.pieces(value)
                case Site("more", ast.expr() as value):
                    # What is added leaves the beginning as it is.
                    found = [(*before, *after) for before in found for after in self.pieces(value)][:_MOST] or found
                case Site("item", ast.expr() as value):
                    held = self._held(value)
                    found += (
                        [text for each in held for text in self.pieces(each)]
                        if held is not None
                        else [(SAFE if callee_of(value) in ("range", "enumerate") else ANY,)]
                    )
                case Site("param", ast.FunctionDef() | ast.AsyncFunctionDef() as function):
                    given = self.given(function, name)
                    found += [(ANY,)] if given is None else [text for each in given for text in self.pieces(each)]
                case _:
                    found.append((ANY,))
        return found or [(ANY,)]

    def _called(self, node: ast.Call) -> list[Text]:
        name = callee(node)
        if name in self._scopes.functions:
            returned = [each for function in self._scopes.functions[name] for each in returns(function)]
            return [text for each in returned for text in self.pieces(each)] or [(ANY,)]
        if name in QUOTING and self._is_public(node.func):
            return [(QUOTED,)]
        if name in NUMBERS and self._is_public(node.func):
            # What adds or rounds asks the methods of what it is given, and a sum of lists is a list.
            own = {f"__{name}__", "__add__", "__radd__"} & self._scopes.functions.keys() if name in ("abs", "round", "sum") else None
            return [(ANY if own or (name == "sum" and len(node.args) + len(node.keywords) > 1) else SAFE,)]
        if name == "str" and len(node.args) == 1:
            return self.pieces(node.args[0])
        if name == "urljoin" and len(node.args) == 2:
            # An absolute second part would replace the first.
            second = self.pieces(node.args[1])
            return (
                self._joined(node.args) if all(each and isinstance(each[0], str) and "//" not in each[0] for each in second) else [(ANY,)]
            )
        if isinstance(node.func, ast.Attribute):
            if name == "format" and (templates := self.texts(node.func.value)):
                return [(each.partition("{")[0], ANY) if "{" in each else (each,) for each in templates]
            if name == "replace" and len(node.args) > 1:
                return self._replaced(node.func.value, node.args[0], node.args[1])
            if name in DRESSING:
                return self.pieces(node.func.value)
            if name == "get" and node.args and (held := self._held(node.func.value)) is not None:
                return [text for each in (*held, *node.args[1:]) for text in self.pieces(each)]
        return [(ANY,)]

    def _replaced(self, text: ast.expr, old: ast.expr, new: ast.expr) -> list[Text]:
        """What takes the place of something is a part of its own."""
        written = self.texts(old) or [""]
        if len(written) != 1 or not written[0]:
            return [(ANY,)]
        after = self.pieces(new) or [(ANY,)]
        return [replaced(before, written[0], each) or (ANY,) for before in self.pieces(text) for each in after][:_MOST]

    def _held(self, node: ast.expr) -> list[ast.expr] | None:
        """What a container written in the code holds; None for any other."""
        match node:
            case ast.Dict(values=values):
                return values
            case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
                return None if any(isinstance(each, ast.Starred) for each in parts) else parts
            case ast.Name(id=name):
                sites = self._scopes.around[node].sites(name)
                if self._is_shared(name, self._scopes.around[node]):
                    return None
                if len(sites) == 1 and sites[0].kind == "value" and isinstance(sites[0].node, ast.Dict | ast.List | ast.Tuple | ast.Set):
                    return self._held(sites[0].node)
        return None

    def _returned(self, call: ast.Call, number: int) -> list[ast.expr]:
        """One place of the tuples that a function of the code returns; nothing where it returns something else."""
        found: list[ast.expr] = []
        for function in self._scopes.functions.get(callee(call), []):
            for each in returns(function):
                if (
                    not isinstance(each, ast.Tuple)
                    or not 0 <= number < len(each.elts)
                    or any(isinstance(part, ast.Starred) for part in each.elts)
                ):
                    return []
                found.append(each.elts[number])
        return found

    def _is_spelled(self, node: ast.expr) -> bool:
        """Whether the parts of a value are letters."""
        if isinstance(node, ast.Name):
            return any(
                isinstance(site.node, ast.expr) and site.node is not node and is_text(site.node)
                for site in self._scopes.around[node].sites(node.id)
            )
        return is_text(node)

    def _is_shared(self, name: str, scope: Scope) -> bool:
        """Whether a container goes where something could be put into it unseen: another name, another container, a function that adds."""
        owner = scope.owner(name)
        if owner is None or all(is_plain(site) for site in owner.bound[name]):
            return False
        if (owner, name) in self._sharing:
            return False
        self._sharing.append((owner, name))
        try:
            reads = self._scopes.reads.get(name, [])
            return any(self._hands_on(each) for each in reads if self._scopes.around[each].owner(name) is owner)
        finally:
            self._sharing.pop()

    def _hands_on(self, node: ast.Name) -> bool:
        parent = self._scopes.parents[node]
        match parent:
            case ast.Attribute():
                call = self._scopes.parents[parent]
                return not (isinstance(call, ast.Call) and call.func is parent)
            case ast.Call(func=func) if func is not node:
                if self._is_public(func) or (
                    isinstance(func, ast.Attribute) and func.attr in (*DRESSING, "join", "format", "extend", "update", "sql")
                ):
                    return False
                functions = self._scopes.functions.get(callee(parent), [])
                at = parent.args.index(node) if node in parent.args else -1
                return at < 0 or not functions or any(self._adds(each, at) for each in functions)
            case ast.Return():
                return self._scopes.around[node].owner(node.id) is self._scopes.module
            case ast.Assign() | ast.AnnAssign() | ast.NamedExpr() | ast.Yield() | ast.Lambda():
                return True
            case ast.Dict() | ast.List() | ast.Tuple() | ast.Set():
                return True
        return False

    def _adds(self, function: Function, at: int) -> bool:
        names = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
        at += 1 if function in self._scopes.methods and not is_static(function) else 0
        if at >= len(names):
            return True
        inner = self._scopes.of[function]
        return len(inner.bound[names[at]]) > 1 or self._is_shared(names[at], inner)

    def _is_public(self, func: ast.expr) -> bool:
        """Whether a function is Python's or its library's, and not something of the code that has the same name."""
        match func:
            case ast.Name(id=name):
                scope = self._scopes.around[func]
                return scope.owner(name) is None or scope.export(name) is not None
            case ast.Attribute(value=ast.Name(id=name)):
                scope = self._scopes.around[func]
                return scope.module(name) is not None or func.attr == "timestamp"
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id=name))):
                return self._scopes.around[func].module(name) is not None
        return False

    def given(self, function: Function, name: str) -> list[ast.expr] | None:
        """The arguments that stand for a parameter in all calls; None where they are not all written."""
        names = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
        only = [each.arg for each in function.args.kwonlyargs]
        if name not in names + only or function.name == "run" or function.name in self._scopes.loose:
            return None
        classes = [each for each in self._scopes.of if isinstance(each, ast.ClassDef) and function in each.body]
        called = [each.name for each in classes] if function.name == "__init__" else [function.name]
        calls = [call for each in called for call in self._scopes.calls.get(each, [])]
        default = default_of(function, name)
        found: list[ast.expr] = []
        for call in calls:
            shift = 1 if function in self._scopes.methods and not is_static(function) else 0
            at = names.index(name) - shift if name in names else -1
            if any(isinstance(each, ast.Starred) for each in call.args) or any(each.arg is None for each in call.keywords):
                return None
            by_name = [each.value for each in call.keywords if each.arg == name]
            one = by_name[0] if by_name else call.args[at] if 0 <= at < len(call.args) else default
            if one is not None:
                found.append(one)
        return found or None

    def _is_wrapped(self, function: Function) -> bool:
        """Whether a decorator of the code may call a function with something else than what it is given."""
        names = [name_of(each.func if isinstance(each, ast.Call) else each) for each in function.decorator_list]
        if any(site.kind == "class" for name in names for site in self._scopes.module.sites(name)):
            return True
        makers = [maker for name in names for maker in self._scopes.functions.get(name, [])]
        for node in (each for maker in makers for each in ast.walk(maker)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                scope = self._scopes.around[node]
                sites = scope.sites(node.func.id)
                if sites and all(site.kind == "param" for site in sites) and not passes_on(node, scope):
                    return True
        return False

    def is_fixed(self, node: ast.expr) -> bool:
        """Whether a text is made of nothing but what is written in the code, and of numbers."""
        if not self._depth:
            self._fixed.clear()
        # All parts must be fixed, so each is looked at once: a second look could say nothing else.
        if node in self._fixed:
            return True
        self._fixed.add(node)
        self._depth += 1
        try:
            return self._is_fixed(node)
        finally:
            self._depth -= 1

    def _is_fixed(self, node: ast.expr) -> bool:
        match node:
            case ast.Constant():
                return True
            case ast.FormattedValue(value=value, format_spec=spec):
                # `c` makes a letter of a number.
                plain = spec is None or (isinstance(spec, ast.JoinedStr) and all(isinstance(each, ast.Constant) for each in spec.values))
                letter = isinstance(spec, ast.JoinedStr) and any(
                    isinstance(each, ast.Constant) and "c" in str(each.value) for each in spec.values
                )
                return plain and not letter and (self.pieces(node) == [(SAFE,)] or self.is_fixed(value))
            case (
                ast.JoinedStr(values=parts) | ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts) | ast.BoolOp(values=parts)
            ):
                return all(self.is_fixed(each) for each in parts)
            case ast.Dict(keys=keys, values=values):
                return all(each is not None and self.is_fixed(each) for each in (*keys, *values))
            case ast.BinOp(left=left, right=right, op=ast.Add() | ast.Mult()):
                return self.is_fixed(left) and self.is_fixed(right)
            case ast.IfExp(body=one, orelse=other):
                return self.is_fixed(one) and self.is_fixed(other)
            case ast.Starred(value=value) | ast.NamedExpr(value=value):
                return self.is_fixed(value)
            case ast.Subscript(value=ast.Call() as call, slice=ast.Constant(value=int() as number)) if parts := self._returned(
                call, number
            ):
                return all(self.is_fixed(each) for each in parts)
            case ast.Subscript(value=value, slice=index):
                # Out of letters anything can be spelled.
                return self.is_fixed(value) and (isinstance(index, ast.Constant | ast.Slice) or not self._is_spelled(value))
            case ast.GeneratorExp(elt=element) | ast.ListComp(elt=element) | ast.SetComp(elt=element):
                return self.is_fixed(element)
            case ast.Name(id=name):
                sites = self._scopes.around[node].sites(name)
                return (
                    bool(sites)
                    and all(self._is_fixed_site(site, name) for site in sites)
                    and not self._is_shared(name, self._scopes.around[node])
                )
            case ast.Attribute(attr=attr) if self._scopes.attributes.get(attr):
                return all(is_text(each) and self.is_fixed(each) for each in self._scopes.attributes[attr])
            case ast.Call():
                return self._is_fixed_call(node)
        return False

    def _is_fixed_site(self, site: Site, name: str) -> bool:
        match site:
            case Site("value", ast.expr() as value) if holds_containers(value):
                return False
            case Site("item", ast.expr() as value) if self._is_spelled(value):
                return False
            case Site("value" | "more" | "item", ast.expr() as value):
                return self.is_fixed(value) or (site.kind == "item" and callee_of(value) == "range")
            case Site("param", ast.FunctionDef() | ast.AsyncFunctionDef() as function):
                given = self.given(function, name)
                return given is not None and all(self.is_fixed(each) for each in given) and not self._is_wrapped(function)
        return False

    def _is_fixed_call(self, node: ast.Call) -> bool:
        name = callee(node)
        given = [*node.args, *(each.value for each in node.keywords)]
        if name in self._scopes.functions:
            return all(self.is_fixed(each) for function in self._scopes.functions[name] for each in returns(function))
        if name in ("int", "float", "len", "range") and self._is_public(node.func):
            return isinstance(node.func, ast.Name)
        if isinstance(node.func, ast.Name):
            return self._is_public(node.func) and name in (*PASSING, *DRESSING) and all(self.is_fixed(each) for each in given)
        of = node.func.value if isinstance(node.func, ast.Attribute) else None
        if of is None:
            return False
        if name == "format" and any(re.search(r"\{[^{}]*:[^{}]*(?:c|\{)", each) for each in self.texts(of) or [""]):
            return False
        if name in ("join", "format", *DRESSING):
            return (self.is_fixed(of) or name == "dedent") and all(self.is_fixed(each) for each in given)
        if name in ("get", "keys", "values", "items", "copy"):
            return self.is_fixed(of) and all(self.is_fixed(each) for each in given[1:])
        return False
