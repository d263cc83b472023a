"""Which operations of a document become tools: what a person asked for, and otherwise the most useful ones."""

import re
from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase
from math import log, log2

from bmm.sources.finding import Remarks, UnusableDocument
from bmm.sources.openapi.operations import Operation
from bmm.sources.openapi.options import Options

Named = tuple[Operation, str]

_RARE = re.compile(
    r"(?i)admin|internal|legacy|debug|experimental|preview|\bbeta\b|migrat|webhook|audit|healthz?\b|ping\b|metrics|telemetry|test|sandbox"
    r"|scim|saml|ldap|billing|enterprise|bulk|batch|export|import|diagnos|license|quota|schema|oauth|token|login|logout|password"
)
_METHODS = {"GET": 12, "QUERY": 12, "POST": 10, "PATCH": 9, "PUT": 7, "DELETE": -2, "HEAD": -40, "OPTIONS": -60, "TRACE": -80}
_FINDING = re.compile(r"(?i)\b(search|find|query|lookup)")


class NothingPasses(UnusableDocument):
    """The filters leave no operation of a document."""


def chosen(operations: Sequence[Named], options: Options, remarks: Remarks) -> list[Named]:
    """The operations that pass every filter, without deprecated ones unless asked for; in the document's order.

    Raises:
        NothingPasses: the sentence says what there is.
    """
    kept = [each for each in operations if _asked_for(*each, options)]
    if not kept:
        raise NothingPasses(_nothing_passes(operations, options), pointer="/paths")
    if options.deprecated:
        return kept
    current = [each for each in kept if each[0].node.get("deprecated") is not True]
    if not current:
        remarks.note("/paths", "every operation is deprecated; they are used nevertheless")
        return kept
    if gone := len(kept) - len(current):
        message = f"{gone} deprecated operation{'s are' if gone > 1 else ' is'} left out"
        remarks.note("/paths", message, "pass --deprecated to have them")
    return current


def ranked(operations: Sequence[Named]) -> list[int]:
    """The places of the operations, most useful first; the same document gives the same order.

    What much else hangs below (`/repos/{owner}/{repo}/issues`), and what there is most about, is what an API is for; of such a resource
    lists, details, creating and changing come before the rest.
    """
    below: Counter[str] = Counter()
    for operation, _ in operations:
        steps = operation.path.rstrip("/").split("/")
        below.update({_collection("/".join(steps[: length + 1])) for length in range(1, len(steps))})
    groups = Counter(_group(operation) for operation, _ in operations)
    largest = log(max(2, *groups.values()))
    scores = [
        _score(operation) + 4 * log2(below[_collection(operation.path)] or 1) + 6 * log(groups[_group(operation)]) / largest
        for operation, _ in operations
    ]
    return sorted(range(len(operations)), key=lambda number: (-scores[number], number))


def explained(operations: Sequence[Named], count: int) -> tuple[str, str]:
    """The sentence about a choice of `count` that was made, and how to make another."""
    tags: Counter[str] = Counter(tag for operation, _ in operations for tag in _tags(operation))
    named = ", ".join(f"{tag} ({number})" for tag, number in tags.most_common(8))
    message = (
        f"the document has {len(operations):,} operations; {count:,} are made into tools: lists, details, creating and changing of its main "
        "resources before rare and administrative ones"
    )
    by_tag = f"--tag TAG ({named})" if named else "--tag TAG"
    return message, f"choose with {by_tag}, --path GLOB, --method METHOD, --operation NAME, or --max-tools N"


def _asked_for(operation: Operation, name: str, options: Options) -> bool:
    if options.methods and operation.method.lower() not in {each.lower() for each in options.methods}:
        return False
    if options.tags and not {tag.lower() for tag in _tags(operation)} & {tag.lower() for tag in options.tags}:
        return False
    if options.paths and not any(fnmatchcase(operation.path, glob) for glob in options.paths):
        return False
    names = (name.lower(), (operation.operation_id or name).lower())
    return not options.operations or any(fnmatchcase(each, glob.lower()) for glob in options.operations for each in names)


def _nothing_passes(operations: Sequence[Named], options: Options) -> str:
    if options.tags:
        tags = sorted({tag for operation, _ in operations for tag in _tags(operation)})
        return f"No operation passes the filters; the document's tags are {', '.join(tags[:30]) or 'none'}"
    if options.operations:
        return f"No operation passes the filters; there are {', '.join(name for _, name in operations[:10])} …"
    return f"No operation passes the filters; there are paths such as {', '.join(each.path for each, _ in operations[:5])}"


def _tags(operation: Operation) -> list[str]:
    tags = operation.node.get("tags")
    return [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []


def _group(operation: Operation) -> str:
    tags = _tags(operation)
    return (
        tags[0]
        if tags
        else next((step for step in operation.path.split("/") if step and not re.fullmatch(r"v?\d+[\w.]*|api|\{.*", step)), "")
    )


def _collection(path: str) -> str:
    """The resource a path belongs to: `/pets/{id}` and `/pets` are one."""
    return re.sub(r"(/\{[^{}]*\})+/?$", "", path.rstrip("/"))


def _score(operation: Operation) -> float:
    steps = [step for step in operation.path.split("/") if step]
    fixed = sum(not step.startswith("{") for step in steps)
    score = _METHODS.get(operation.method, 0) - fixed * 2 - (len(steps) - fixed)
    score += 1 if operation.node.get("summary") or operation.node.get("description") else 0
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", f"{operation.operation_id or ''} {operation.path} {' '.join(_tags(operation))}")
    score -= 15 if _RARE.search(words) else 0
    return score + (12 if _FINDING.search(words) else 0)
