"""Small questions about pieces of code, answered without looking around them."""

import ast

from bmm.checks.reader.scopes import Function, Scope, Site

_MOST_LETTERS = 10_000
QUOTING = frozenset({"quote", "quote_plus", "urlencode"})
NUMBERS = frozenset({"int", "float", "len", "round", "UUID", "uuid4", "ord", "abs", "sum", "time", "timestamp"})
DRESSING = frozenset({"strip", "lstrip", "rstrip", "lower", "upper", "removesuffix", "removeprefix", "title", "replace", "dedent", "str"})
PASSING = frozenset(
    {"list", "tuple", "set", "frozenset", "sorted", "reversed", "enumerate", "range", "zip", "dict", "min", "max", "iter", "next"}
)
"""Functions by what they do to a text or a container: quote it for an address, make a number of it, change its looks, pass on what is in it."""


def returns(function: Function) -> list[ast.expr]:
    """What a function gives back, without those inside it."""
    found: list[ast.expr] = []
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Return | ast.Yield | ast.YieldFrom) and node.value is not None:
            found.append(node.value)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)
    return found


def is_generator(function: Function) -> bool:
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)
    return False


def name_of(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def callee(node: ast.Call) -> str:
    return name_of(node.func)


def callee_of(node: ast.expr) -> str:
    return callee(node) if isinstance(node, ast.Call) else ""


def is_static(function: Function) -> bool:
    return any(isinstance(each, ast.Name) and each.id == "staticmethod" for each in function.decorator_list)


def default_of(function: Function, name: str) -> ast.expr | None:
    names = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
    defaults: dict[str, ast.expr | None] = dict(zip(names[len(names) - len(function.args.defaults) :], function.args.defaults, strict=True))
    defaults |= {each.arg: default for each, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)}
    return defaults.get(name)


def is_text(node: ast.AST) -> bool:
    """Whether nothing can be put into a value afterwards."""
    match node:
        case ast.Constant() | ast.JoinedStr():
            return True
        case ast.BinOp(left=left, right=right):
            return is_text(left) or is_text(right)
        case ast.IfExp(body=one, orelse=other):
            return is_text(one) and is_text(other)
        case ast.Call(func=ast.Attribute(attr=name)):
            return name in ("join", "format", "strip", "lower", "upper")
    return False


def holds_containers(node: ast.expr) -> bool:
    parts = node.values if isinstance(node, ast.Dict) else node.elts if isinstance(node, ast.List | ast.Tuple | ast.Set) else []
    return any(isinstance(each, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp) for each in parts)


def is_plain(site: Site) -> bool:
    """Whether a name stands for a text here, or for one of those that are written side by side."""
    if site.kind == "item" and isinstance(site.node, ast.Tuple | ast.List | ast.Set):
        return all(isinstance(each, ast.Constant) for each in site.node.elts)
    return site.kind == "value" and is_text(site.node)


def passes_on(call: ast.Call, scope: Scope) -> bool:
    """Whether a wrapper calls with exactly what it was called with: `inner(ctx, *args, **kwargs)`."""
    if not isinstance(scope.node, ast.FunctionDef | ast.AsyncFunctionDef) or any(keyword.arg is not None for keyword in call.keywords):
        return False
    own = scope.node.args
    taken = [each.arg for each in (*own.posonlyargs, *own.args)] + ([f"*{own.vararg.arg}"] if own.vararg else [])
    given = [f"*{name_of(each.value)}" if isinstance(each, ast.Starred) else name_of(each) for each in call.args]
    named = [own.kwarg.arg] if own.kwarg else []
    return (
        given == taken
        and not own.kwonlyargs
        and [name_of(each.value) for each in call.keywords] == named
        and all(len(scope.bound[name.lstrip("*")]) == 1 for name in (*taken, *named))
    )


def replaced(text: tuple[str | int, ...], old: str, new: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """A text in parts, with something in its written parts replaced; nothing where it grows too long."""
    found: list[str | int] = []
    for part in text:
        first, *others = part.split(old) if isinstance(part, str) else [part]
        found.append(first)
        for each in others:
            found += [*new, each]
    return tuple(found) if sum(len(each) if isinstance(each, str) else 1 for each in found) + len(found) < _MOST_LETTERS else ()
