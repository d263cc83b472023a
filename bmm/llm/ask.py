"""What a model is asked, and what it answered."""

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct

from bmm.llm.current import shown
from bmm.llm.fence import fenced
from runner.contract import ServerSpec, encode_spec

Kind = Literal["draft", "iterate", "repair", "curate"]


class Material(NamedTuple):
    """Text that somebody else wrote, such as a document a prompt names. The model is told that it is data."""

    name: str
    text: str


class Ask(Struct, frozen=True, kw_only=True):
    """One request. `kind` chooses the prompt (`prompts/KIND.md`) and the model; make one with a function below."""

    kind: Kind
    text: str
    """The user's message."""
    current: dict[str, Any] | None = None
    """The document that the answer changes."""
    inspected: bool = False
    """The model has seen or written all of it: there is nothing to keep from it any more."""


class Usage(Struct, frozen=True, kw_only=True):
    """Tokens; `input` without those of the cache. `estimated`: the stream broke before the count, so the output was guessed from its length."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    estimated: bool = False


class Answer(Struct, frozen=True, kw_only=True):
    """A finished answer, or in a `ModelError` what had come until then (then `spec` is None, and `document` is empty where it was no JSON)."""

    document: dict[str, Any]
    """The whole spec as JSON values, with what the answer left as it was."""
    spec: ServerSpec | None
    text: str
    """As it was received: the JSON that was submitted, or prose where there was none."""
    usage: Usage
    cost_micro_usd: int
    stop_reason: str
    """As the model's service named it; `""` where it never did."""
    model: str
    prompt_version: str
    ms: int


def draft(wish: str, material: Iterable[Material] = ()) -> Ask:
    """Ask for a new server. `wish` is the person's own text."""
    return Ask(kind="draft", text=_message(f"Make this server:\n\n{wish}", material))


def iterate(wish: str, spec: ServerSpec, material: Iterable[Material] = ()) -> Ask:
    """Ask for the next version of a server."""
    return _change("iterate", f"Change the current spec:\n\n{wish}", _document(spec), material)


def curate(spec: ServerSpec, wish: str = "", material: Iterable[Material] = ()) -> Ask:
    """Ask for a better choice, names, descriptions and answers of a spec that a source made."""
    return _change("curate", "Curate the current spec." + (f" What it is for:\n\n{wish}" if wish else ""), _document(spec), material)


def repair(wish: str, answer: Answer, findings: Iterable[str], material: Iterable[Material] = (), *, inspected: bool = False) -> Ask:
    """Ask for a corrected spec. `answer` is what was submitted for the wish; `findings` are lines that name place, problem and fix.

    `inspected`: the answer is the model's own, and the wish the one that it answered.
    """
    found = Material("findings", "\n".join(f"- {each}" for each in findings))
    said = f"What was asked for:\n\n{wish}\n\nCorrect the {'current spec' if answer.document else 'answer'}, which has these findings."
    if answer.document:
        return _change("repair", said, answer.document, [found, *material], inspected=inspected)
    return Ask(kind="repair", text=_message(said, [Material("answer", answer.text), found, *material]), inspected=inspected)


def _change(kind: Kind, said: str, current: dict[str, Any], material: Iterable[Material], *, inspected: bool = False) -> Ask:
    return Ask(kind=kind, text=_message(said, [Material("current spec", shown(current)), *material]), current=current, inspected=inspected)


def _message(said: str, material: Iterable[Material]) -> str:
    return "\n\n".join([said, *(fenced(each.name, each.text) for each in material)])


def _document(spec: ServerSpec) -> dict[str, Any]:
    return msgspec.json.decode(encode_spec(spec), type=dict[str, Any])
