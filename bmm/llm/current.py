"""A spec that is to be changed: as the model sees it, and what an answer means against it.

An answer says only what differs. A top-level field that it leaves out stays, a tool given as `{"kind": "keep", "name": …}` stays as it
is. So what was not asked for cannot drift, and unchanged tools are not paid for again.
"""

import hashlib
from typing import Any

import msgspec

from bmm.llm.partial import Unusable
from bmm.llm.schema import KEEP

_LONGEST_TEXT = 20_000
"""Characters of one text that are shown; certificates and files are not."""

Document = dict[str, Any]


def shown(document: Document) -> str:
    """The JSON of a document, with marks in place of its longest texts."""
    return msgspec.json.encode(_replaced(document, {text: mark for mark, text in _long_texts(document).items()})).decode()


def merged(answer: Document, current: Document | None) -> Document:
    """The whole document that an answer stands for.

    Raises:
        Unusable: a tool is to be kept that the current document does not have; with its place.
    """
    if current is None:
        return answer
    tools = {str(tool.get("name")): tool for tool in current.get("tools", []) if isinstance(tool, dict)}
    given = answer.get("tools")
    found: Document = {**current, **_replaced(answer, _long_texts(current))}
    if isinstance(given, list):
        found["tools"] = [_kept(tool, tools, f"/tools/{number}") for number, tool in enumerate(found["tools"])]
    return found


def is_kept(tool: object) -> bool:
    """Whether a submitted tool stands for one of the current document."""
    return isinstance(tool, dict) and tool.get("kind") == KEEP


def _kept(tool: object, tools: dict[str, Document], pointer: str) -> object:
    if not isinstance(tool, dict) or tool.get("kind") != KEEP:
        return tool
    if (found := tools.get(str(tool.get("name")))) is None:
        raise Unusable(f"there is no current tool {str(tool.get('name'))[:80]!r} to keep; write the tool out", pointer)
    return found


def _long_texts(value: object) -> dict[str, str]:
    """The texts that are too long to show, by the mark that stands for each."""
    if isinstance(value, str):
        if len(value) <= _LONGEST_TEXT:
            return {}
        return {f"(unchanged text {hashlib.sha256(value.encode()).hexdigest()[:16]}, {len(value)} characters)": value}
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {mark: text for part in parts for mark, text in _long_texts(part).items()}


def _replaced(value: Any, texts: dict[str, str]) -> Any:
    if isinstance(value, str):
        return texts.get(value, value)
    if isinstance(value, dict):
        return {key: _replaced(each, texts) for key, each in value.items()}
    return [_replaced(each, texts) for each in value] if isinstance(value, list) else value
