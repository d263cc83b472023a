"""The fields of an answer that its owner has chosen, in their places.

A pointer is RFC 6901 with one addition: the segment `*` stands for every item of a list and for every member of an object that has no
member of that name. What a pointer does not find is left out; objects and lists on the way stay, so the answer keeps its shape.
"""

from typing import Any

Tree = dict[str, "Tree | None"]
"""Segments to what is wanted below them; None is everything."""

NOTHING = object()


def compiled(pointers: tuple[str, ...]) -> Tree | None:
    """The pointers as one tree; None wants everything."""
    tree: Tree = {}
    for pointer in pointers:
        if not _grow(tree, segments(pointer)):
            return None
    return tree or None


def segments(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def at(value: Any, pointer: str) -> Any:
    """The value at a plain pointer; `NOTHING` where there is none."""
    for part in segments(pointer):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return NOTHING
    return value


def picked(value: Any, tree: Tree | None) -> Any:
    """What of a value is wanted; `NOTHING` where it has none of it."""
    if tree is None:
        return value
    if isinstance(value, dict):
        wanted = ((name, tree[name] if name in tree else tree["*"]) for name in value if name in tree or "*" in tree)
        found = {name: part for name, below in wanted if (part := picked(value[name], below)) is not NOTHING}
        return found if found or not value else NOTHING
    if isinstance(value, list):
        numbered = ((item, str(number)) for number, item in enumerate(value))
        chosen = [(item, tree[key] if key in tree else tree["*"]) for item, key in numbered if key in tree or "*" in tree]
        parts = [part for item, below in chosen if (part := picked(item, below)) is not NOTHING]
        return parts if parts or not value else NOTHING
    return NOTHING


def _grow(tree: Tree, parts: list[str]) -> bool:
    if not parts:
        return False
    first, *rest = parts
    below = tree.setdefault(first, {})
    # A pointer to the whole contains every pointer below it.
    if below is not None and not _grow(below, rest):
        tree[first] = None
    return True
