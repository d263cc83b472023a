"""What takes too long or too much: regular expressions that repeat a repetition, and numbers that fill the memory."""

import ast
import re
import warnings
from typing import Any

_FEW = 8
_MOST_BITS = 1_000_000
_MOST_ITEMS = 100_000_000


def slow(node: ast.expr) -> str | None:
    """What in a literal regular expression makes some searches take exponential time; None where nothing is seen."""
    if not (isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 10_000):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # The parser of `re` has no public name.
            parsed: Any = re._parser.parse(node.value)  # type: ignore[attr-defined]
    except (re.error, RecursionError, OverflowError):
        return None
    return _repeated(parsed)


def _repeated(items: Any) -> str | None:
    for name, value in items:
        if str(name) in ("MAX_REPEAT", "MIN_REPEAT") and int(value[1]) > _FEW:
            inner = _inside(list(value[2]))
            loose = [each for each in inner if str(each[0]) in ("MAX_REPEAT", "MIN_REPEAT") and int(each[1][1]) > _FEW]
            fixed = [
                each for each in inner if not (str(each[0]) in ("MAX_REPEAT", "MIN_REPEAT") and (each in loose or int(each[1][0]) == 0))
            ]
            if loose and not fixed:
                return "a repetition is repeated"
        for part in _parts(value):
            if (found := _repeated(part)) is not None:
                return found
    return None


def _inside(items: list[Any]) -> list[Any]:
    while len(items) == 1 and str(items[0][0]) == "SUBPATTERN":
        items = list(items[0][1][3])
    return items


def _parts(value: Any) -> list[Any]:
    if isinstance(value, re._parser.SubPattern):  # type: ignore[attr-defined]
        return [value]
    if isinstance(value, tuple | list):
        return [part for each in value for part in _parts(each)]
    return []


def huge(node: ast.BinOp) -> bool:
    """Whether written numbers alone make something huge: `9**9**9`, `"a" * 10**10`."""
    value = _size(node)
    return (
        value is not None
        and value > _MOST_ITEMS
        and not (isinstance(node.op, ast.Pow) and value.bit_length() <= _MOST_BITS and _is_plain(node))
    )


def _is_plain(node: ast.BinOp) -> bool:
    return isinstance(node.left, ast.Constant) and isinstance(node.right, ast.Constant) and isinstance(node.left.value, int)


def _size(node: ast.expr) -> int | None:
    """A number's value, a text's length; capped where it would be too large to compute."""
    match node:
        case ast.Constant(value=bool()):
            return None
        case ast.Constant(value=int() as number):
            return number
        case ast.Constant(value=str() | bytes() as text):
            return len(text)
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return len(parts)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            base, power = _size(left), _size(right)
            if base is None or power is None or not isinstance(base, int) or power < 0:
                return None
            return 1 << (_MOST_BITS + 1) if abs(base) > 1 and power * abs(base).bit_length() > _MOST_BITS else base**power
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            one, two = _size(left), _size(right)
            texts = [each for each in (left, right) if not (isinstance(each, ast.Constant | ast.BinOp))]
            texts += [each for each in (left, right) if isinstance(each, ast.Constant) and isinstance(each.value, str | bytes)]
            return None if one is None or two is None or (not texts and max(one, two).bit_length() < _MOST_BITS) else one * two
    return None
