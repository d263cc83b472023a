"""Several sources for one spec: what cannot be used is left out where something else can."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from msgspec import Struct

from bmm.errors import BadInput
from bmm.sources.finding import Compiled

K = TypeVar("K", bound=str)
G = TypeVar("G")


class Group(Struct, Generic[K, G], frozen=True):
    """What is compiled together. `asked`: somebody has named it as a source, so that it is not left out."""

    kind: K
    given: tuple[G, ...]
    asked: bool = False


def usable(
    groups: Sequence[Group[K, G]], read: Callable[[Group[K, G]], Compiled]
) -> tuple[list[tuple[K, Compiled]], list[tuple[Group[K, G], BadInput]]]:
    """What the groups become, in their order, and those of which nothing does, with the reason. Documents that fail together are tried one by one.

    Raises:
        BadInput: one that was asked for cannot be used.
    """
    parts: list[tuple[K, Compiled]] = []
    unused: list[tuple[Group[K, G], BadInput]] = []
    waiting = deque(groups)
    while waiting:
        group = waiting.popleft()
        try:
            parts.append((group.kind, read(group)))
        except BadInput as error:
            if group.kind == "openapi" and len(group.given) > 1 and not group.asked:
                waiting.extendleft(Group(group.kind, (each,)) for each in reversed(group.given))
            elif group.asked:
                raise
            else:
                unused.append((group, error))
    return parts, unused
