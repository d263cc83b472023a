"""Answers that are too long for a model, made shorter so that they stay what they are: JSON stays JSON, text stays whole characters."""

from typing import Any

import msgspec
from msgspec import Struct, field

_MAX_DEPTH = 12
_CUT = "…"
# Below this a value says nothing any more; what is left out is then a member of its object.
_WORTH_SHOWING = 24

_encode = msgspec.json.Encoder().encode


class Cuts(Struct):
    """What was left out. `lists` and `objects`: by pointer, how many of how many stayed."""

    lists: dict[str, tuple[int, int]] = field(default_factory=dict)
    objects: dict[str, tuple[int, int]] = field(default_factory=dict)
    texts: int = 0

    def sentence(self) -> str:
        """What is missing, as the end of a sentence."""
        parts = [f"{total - kept} of {total} items {_where(pointer)}" for pointer, (kept, total) in self.lists.items()]
        parts += [f"{total - kept} of {total} members {_where(pointer)}" for pointer, (kept, total) in self.objects.items()]
        if self.texts:
            parts.append(f"the rest of {self.texts} long text{'s' if self.texts > 1 else ''}")
        return ", ".join(parts[:10])


def fitted(value: Any, limit: int) -> tuple[Any, Cuts]:
    """The value in at most about `limit` bytes of JSON: lists lose items from their end, then texts are cut, then objects lose members.

    Members of an object that are too large together share the room there is.
    """
    cuts = Cuts()
    return _fit(value, limit, "", 0, cuts), cuts


def cut_text(text: str, limit: int, *, lines: bool) -> str:
    """The beginning of a text in at most `limit` bytes of UTF-8; with `lines` it ends with a whole one where that costs little."""
    start = text.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")
    end = start.rfind("\n")
    return start[: end + 1] if lines and end > len(start) // 2 else start


def _fit(value: Any, limit: int, pointer: str, depth: int, cuts: Cuts) -> Any:
    size = len(_encode(value))
    if size <= limit:
        return value
    if isinstance(value, str):
        cuts.texts += 1
        return _shortened(value, limit)
    if depth >= _MAX_DEPTH:
        cuts.texts += 1
        return _CUT
    if isinstance(value, list):
        return _fit_list(value, limit, pointer, depth, cuts)
    return _fit_object(value, limit, pointer, depth, cuts) if isinstance(value, dict) else value


def _fit_list(value: list[Any], limit: int, pointer: str, depth: int, cuts: Cuts) -> list[Any]:
    room, kept = limit - 2, 0
    for item in value:
        room -= len(_encode(item)) + 1
        if room < -1:
            break
        kept += 1
    if kept < len(value):
        cuts.lists[pointer] = (max(kept, 1), len(value))
    return value[:kept] if kept else [_fit(value[0], limit - 2, f"{pointer}/0", depth + 1, cuts)]


def _fit_object(value: dict[str, Any], limit: int, pointer: str, depth: int, cuts: Cuts) -> dict[str, Any]:
    sizes = {name: len(_encode(member)) for name, member in value.items()}
    kept, room = list(value), limit - 2
    frames = {name: len(_encode(name)) + 2 for name in value}
    needed = sum(frames[name] + min(sizes[name], _WORTH_SHOWING) for name in kept)
    while kept and needed > room:
        name = kept.pop()
        needed -= frames[name] + min(sizes[name], _WORTH_SHOWING)
    if len(kept) < len(value):
        cuts.objects[pointer] = (len(kept), len(value))
    room -= sum(frames[name] for name in kept)
    shares: dict[str, int] = {}
    for left, name in zip(range(len(kept), 0, -1), sorted(kept, key=sizes.__getitem__), strict=True):
        shares[name] = min(sizes[name], room // left)
        room -= shares[name]
    return {name: _fit(value[name], shares[name], f"{pointer}/{_escaped(name)}", depth + 1, cuts) for name in kept}


def _shortened(text: str, limit: int) -> str:
    room, left = max(limit - 2 - len(_CUT.encode()), 0), text
    # A character takes one to six bytes as JSON.
    left = left[:room]
    while left and (size := len(_encode(left)) - 2) > room:
        left = left[: min(len(left) - 1, len(left) * room // size)]
    return left + _CUT


def _escaped(name: str) -> str:
    return name[:60].replace("~", "~0").replace("/", "~1")


def _where(pointer: str) -> str:
    return f"of {pointer}" if pointer else "of the whole"
