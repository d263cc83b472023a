"""The closed lists of the grammar: built-in names, methods, base classes, kinds of statements; and what a finding is made of."""

import ast
import builtins
from typing import Literal, NamedTuple

from bmm.checks.reader.exports import EXPORTS, ONLY_BASES

_BUILTINS_TEXT = """
    abs aiter all anext any ascii bin bool bytearray bytes callable chr classmethod complex dict divmod enumerate filter float format frozenset
    hash hex id int isinstance issubclass iter len list map max memoryview min next object oct ord pow property range repr reversed round
    set slice sorted staticmethod str sum tuple zip NotImplemented Ellipsis
    ArithmeticError AssertionError AttributeError BaseException ConnectionError EOFError Exception ExceptionGroup FloatingPointError IndexError
    KeyError LookupError NameError NotImplementedError OSError OverflowError PermissionError RecursionError RuntimeError StopAsyncIteration
    StopIteration TimeoutError TypeError UnicodeDecodeError UnicodeEncodeError UnicodeError ValueError ZeroDivisionError
    """
BUILTINS = frozenset(_BUILTINS_TEXT.split())
ONLY_CALLED = frozenset({"getattr", "hasattr", "print", "super", "type"})
_METHODS_TEXT = """
    init post_init str repr eq ne lt le gt ge hash len iter next contains bool enter exit aenter aexit aiter anext call getitem add radd sub
    rsub mul rmul truediv neg abs int float index round
    """
METHODS = frozenset(_METHODS_TEXT.split())
BASES = frozenset({
    ("abc", "ABC"), ("html.parser", "HTMLParser"), ("json", "JSONEncoder"), ("json", "JSONDecoder"), ("runner.worker", "ToolError"),
    ("runner.worker", "HttpError"), ("collections", "UserDict"), ("collections", "UserList"), ("collections", "OrderedDict"),
    *(("collections.abc", each) for each in EXPORTS["collections.abc"]), *((module, name) for module, names in ONLY_BASES.items() for name in names),
})  # fmt: skip
PLAIN_BASES = frozenset({"str", "int", "float", "dict", "list", "tuple", "set", "object"})
MODULE_NAMES = frozenset({"__all__", "__version__", "__author__"})
FROM_OUTSIDE = frozenset({"http", "secret", "sql"})
HTTP = frozenset({"get", "post", "put", "patch", "delete", "request"})
SETTABLE = frozenset({"text", "tail", "prec", "rounding", "quotechar", "delimiter"})
AT_IMPORT = frozenset({("asyncio", name) for name in ("Lock", "Semaphore", "Event", "Queue", "BoundedSemaphore")})
# Nodes that need no look of their own: their children get one.
_PLAIN_TEXT = """
    Return AugAssign For AsyncFor With AsyncWith Match Raise Try TryStar Assert Pass Break Continue BoolOp NamedExpr UnaryOp IfExp Dict Set
    Await Yield YieldFrom Compare FormattedValue JoinedStr Constant Subscript Starred List Tuple Slice Assign Global Nonlocal withitem
    match_case MatchValue MatchSingleton MatchSequence MatchMapping MatchStar MatchAs MatchOr arguments comprehension If Lambda ListComp
    SetComp DictComp GeneratorExp Load Store Del And Or Add BitAnd BitOr BitXor Div FloorDiv LShift Mod Mult MatMult Pow RShift Sub Invert Not
    UAdd USub Eq Gt GtE In Is IsNot Lt LtE NotEq NotIn
    """
PLAIN = frozenset(_PLAIN_TEXT.split())
OTHER_BUILTINS = frozenset(dir(builtins)) - BUILTINS
ANNOTATIONS = (
    ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.BinOp, ast.BitOr, ast.Tuple, ast.List, ast.Load, ast.UnaryOp, ast.USub,
    ast.Starred,
)  # fmt: skip
DO_WITHOUT = "use the standard library's modules that docs/checks.md lists, or ctx"
SHOWN = {"http": "http.get(…)", "secret": 'secret("KEY")', "sql": 'sql("database", "query")'}


class Said(NamedTuple):
    """A finding without its place in a spec."""

    level: Literal["block", "ask", "note"]
    id: str
    line: int
    message: str
    fix: str


def instead_of(name: str) -> str:
    if name == "open":
        return "There are no files: keep data in variables, or ask a service."
    if name in ("eval", "exec", "compile"):
        return "Write the code itself; `json.loads` and `ast.literal_eval` read data."
    if name in ("globals", "locals", "vars", "dir"):
        return "Use a dict of your own."
    return "Define it, or write it in another way."
