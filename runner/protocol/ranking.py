"""Which tools do what a few words ask for: BM25 over the words of names, titles, descriptions, paths and arguments."""

import bisect
import difflib
import heapq
import math
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from runner.contract import HttpTool, Tool

K1, B = 1.2, 0.6
PREFIX, ALIKE = 0.6, 0.5
"""What a match of a beginning, or of a word with the same meaning, is worth beside the word itself."""
MOST_WORDS = 32
"""Of a query; more say nothing that these do not."""

COMPARED = 30
"""How many names are held against a name that does not exist."""
LOOKED_AT, CLOSE = 100, 1.5
"""The best so far are looked at again: a name or title that says what was asked, and nothing else, counts for more."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_a-zA-Z]+")
_SILENT = frozenset(
    word
    for line in (
        ("a", "an", "and", "are", "as", "at", "be", "by", "can", "do", "for", "from", "has", "have", "i", "in", "into", "is", "it"),
        ("its", "me", "my", "of", "on", "one", "or", "that", "the", "this", "to", "use", "with", "you"),
    )
    for word in line
)
_MEANINGS = (
    ("create", "add", "new", "make", "post", "insert", "open"),
    ("delete", "remove", "destroy", "drop", "erase"),
    ("get", "show", "read", "fetch", "retrieve", "view"),
    ("list", "all", "browse", "every"),
    ("search", "find", "query", "lookup"),
    ("update", "edit", "change", "modify", "set", "patch", "replace"),
    ("start", "run", "launch", "trigger"),
    ("stop", "cancel", "halt", "abort"),
    ("repo", "repository"),
    ("org", "organization", "organisation"),
    ("pr", "pull"),
)


def words(text: str) -> Iterator[str]:
    """The words of a text or a name (snake, camel or kebab case), in lower case and without their plural."""
    for found in _WORD.findall(text):
        yield _singular(found.lower())


def _singular(word: str) -> str:
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    return word[:-2] if word.endswith(("sses", "shes", "ches", "xes")) else word[:-1]


_ALIKE = {_singular(word): tuple(_singular(each) for each in group if each != word) for group in _MEANINGS for word in group}


class Index:
    """The words of a list of tools and where they stand."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools = tools
        self._names = {tool.name.lower(): number for number, tool in enumerate(tools)}
        self._where: dict[str, list[tuple[int, float]]] = {}
        found: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
        lengths = []
        for number, tool in enumerate(tools):
            weights: defaultdict[str, float] = defaultdict(float)
            for weight, text in _fields(tool):
                for word in words(text):
                    weights[word] += weight
            for word, value in weights.items():
                found[word].append((number, value))
            lengths.append(sum(weights.values()))
        mean = sum(lengths) / max(1, len(lengths)) or 1.0
        size = [K1 * (1 - B + B * length / mean) for length in lengths]
        for word, places in found.items():
            rarity = math.log(1 + (len(tools) - len(places) + 0.5) / (len(places) + 0.5))
            self._where[word] = [(number, rarity * value * (K1 + 1) / (value + size[number])) for number, value in places]
        self._words = sorted(self._where)

    def ranked(self, query: str) -> list[Tool]:
        """The tools that have something of the query, best first; equal ones in the order of the list."""
        totals: defaultdict[int, float] = defaultdict(float)
        asked = self._asked(query)
        for word in asked:
            best: dict[int, float] = {}
            for alike, worth in self._matches(word):
                for number, score in self._where[alike]:
                    best[number] = max(best.get(number, 0.0), worth * score)
            for number, score in best.items():
                totals[number] += score
        for number in heapq.nlargest(LOOKED_AT, totals, key=totals.__getitem__):
            totals[number] *= 1 + CLOSE * _closeness(asked, self._tools[number])
        if (exact := self._names.get(query.strip().lower())) is not None:
            totals[exact] = math.inf
        return [self._tools[number] for _, number in sorted((-score, number) for number, score in totals.items())]

    def near(self, name: str, most: int) -> list[Tool]:
        """Tools that a name might mean: those that look like it, then those that share its words."""
        ranked = {tool.name: tool for tool in self.ranked(name)[:COMPARED]}
        alike = difflib.get_close_matches(name[:100], ranked, n=most, cutoff=0.6)
        return [ranked[each] for each in dict.fromkeys((*alike, *ranked))][:most]

    def near_words(self, query: str) -> list[str]:
        """Words that do occur, begin with the same letter as one of the query and look like it; at most five."""
        scored: dict[str, float] = {}
        for word in self._asked(query):
            # Comparing takes its time, and others wait for it.
            begin, end = bisect.bisect_left(self._words, word[0]), bisect.bisect_left(self._words, chr(ord(word[0]) + 1))
            alike = self._words[begin:end]
            for near in difflib.get_close_matches(word, alike, n=3, cutoff=0.6):
                scored[near] = max(scored.get(near, 0.0), difflib.SequenceMatcher(None, word, near).ratio())
        return heapq.nlargest(5, scored, key=lambda near: scored[near])

    def _asked(self, query: str) -> list[str]:
        asked = list(dict.fromkeys(words(query[:1000])))
        return ([word for word in asked if word not in _SILENT] or asked)[:MOST_WORDS]

    def _matches(self, word: str) -> Iterator[tuple[str, float]]:
        if word in self._where:
            yield word, 1.0
        for alike in _ALIKE.get(word, ()):
            if alike in self._where:
                yield alike, ALIKE
        if len(word) >= 3:
            at = bisect.bisect_right(self._words, word)
            while at < len(self._words) and self._words[at].startswith(word):
                yield self._words[at], PREFIX
                at += 1


def _closeness(asked: Sequence[str], tool: Tool) -> float:
    """From 0 to 1: how much of the query a name or title says, times how much of the name or title the query says."""
    return max(_overlap(asked, text) for text in (tool.name, tool.title or tool.description.partition("\n")[0]))


def _overlap(asked: Sequence[str], text: str) -> float:
    said = set(words(text)) - _SILENT
    shared = sum(1.0 if word in said else ALIKE if not said.isdisjoint(_ALIKE.get(word, ())) else 0.0 for word in asked)
    return shared * shared / (len(asked) * len(said)) if said else 0.0


def _fields(tool: Tool) -> Iterator[tuple[float, str]]:
    yield 5.0, tool.name
    yield 4.0, tool.title or ""
    first, _, rest = tool.description.partition("\n")
    yield 3.0, first
    yield 1.0, rest
    if isinstance(tool, HttpTool):
        yield 1.0, tool.path
    properties = tool.input_schema.get("properties")
    if isinstance(properties, dict):
        yield 0.5, " ".join(properties)
