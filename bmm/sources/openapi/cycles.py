"""Which schemas contain themselves: strongly connected components of the graph of `$ref`s."""

from collections.abc import Iterator

from bmm.sources.openapi.refs import Document, RefError


class Cycles:
    """Answers are worked out on first demand and kept; Tarjan's algorithm, without recursion."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._answers: dict[str, bool] = {}

    def contains_itself(self, place: str) -> bool:
        """Whether following `$ref`s from the schema at `place` (a pointer) leads back to it."""
        if place not in self._answers:
            self._explore(place)
        return self._answers[place]

    def _explore(self, start: str) -> None:
        index: dict[str, int] = {start: 0}
        low: dict[str, int] = {start: 0}
        stack, on_stack = [start], {start}
        links: dict[str, list[str]] = {start: self._links(start)}
        work = [(start, iter(links[start]))]
        while work:
            place, following = work[-1]
            for other in following:
                if other in self._answers:
                    continue
                if other not in index:
                    index[other] = low[other] = len(index)
                    stack.append(other)
                    on_stack.add(other)
                    links[other] = self._links(other)
                    work.append((other, iter(links[other])))
                    break
                if other in on_stack:
                    low[place] = min(low[place], index[other])
            else:
                work.pop()
                if work:
                    above = work[-1][0]
                    low[above] = min(low[above], low[place])
                if low[place] == index[place]:
                    self._close(place, stack, on_stack, links)

    def _close(self, root: str, stack: list[str], on_stack: set[str], links: dict[str, list[str]]) -> None:
        members = stack[stack.index(root) :]
        del stack[-len(members) :]
        on_stack.difference_update(members)
        for member in members:
            self._answers[member] = len(members) > 1 or member in links[member]

    def _links(self, place: str) -> list[str]:
        node, _ = self._document.target(f"#{place}", place)
        found: dict[str, None] = {}
        for ref in _refs(node):
            try:
                found[self._document.target(ref, place)[1]] = None
            except RefError:
                continue  # reported where the schema is converted
        return list(found)


def _refs(node: object) -> Iterator[str]:
    waiting = [node]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            if isinstance(each.get("$ref"), str):
                yield each["$ref"]
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)
