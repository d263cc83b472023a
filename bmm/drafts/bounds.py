"""How far a round may go: what a source made is curated within bounds, unless the person has asked for more."""

from collections.abc import Sequence

from bmm.core.draft import Draft, Round
from bmm.core.finding import Finding
from runner.contract import ServerSpec, decode_spec


def bound_of(draft: Draft, rounds: Sequence[Round]) -> ServerSpec | None:
    """The spec that the last round may only curate; None where it may write what it likes, as a new server or a new version.

    That is what the source gave. Where a person has edited it and its build failed, it is what they made of it.
    """
    if draft.base is None or draft.base_version is not None or any(each.kind == "iterate" for each in rounds):
        return None
    bound, known = draft.base, {draft.suggestion}
    for each in rounds:
        if each.kind == "repair" and each.subject and each.subject not in known:
            bound = each.subject
        known |= {each.document, each.answer}
    return decode_spec(bound)


def left_out(rounds: Sequence[Round]) -> list[Finding]:
    """That the model wanted more than to curate, where it did: the person may have meant it."""
    if not any("[curate." in each.said for each in rounds if each.kind == "repair"):
        return []
    message = "The model wanted tools that the source does not have, or has otherwise; they were left out. The draft's rounds have them."
    return [Finding(level="note", id="curate.left_out", message=message, fix="To let it, say it again with --beyond, or with `bmm iterate` after the build")]
