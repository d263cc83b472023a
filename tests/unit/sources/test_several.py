"""Several sources of which some cannot be used."""

import pytest

from bmm.errors import BadInput
from bmm.sources.finding import Compiled
from bmm.sources.several import Group, usable
from runner.contract import ServerSpec

BAD = "bad"
Texts = Group[str, str]


def read(group: Texts) -> Compiled:
    if any(each.startswith(BAD) for each in group.given):
        raise BadInput(f"no use for {', '.join(group.given)}")
    return Compiled(spec=ServerSpec(name="+".join(group.given), tools=()), findings=())


def told(*groups: Texts) -> tuple[list[str], list[str]]:
    parts, unused = usable(groups, read)
    return [f"{kind} {part.spec.name}" for kind, part in parts], [f"{'+'.join(group.given)}: {error}" for group, error in unused]


def test_documents_that_fail_together_are_tried_one_by_one_and_keep_their_place() -> None:
    found = told(Group("database", ("db",)), Group("openapi", ("a", BAD, "b")), Group("curl", ("c",)))
    assert found == (["database db", "openapi a", "openapi b", "curl c"], ["bad: no use for bad"])


def test_what_is_no_document_fails_as_a_whole() -> None:
    assert told(Group("curl", ("c", BAD)), Group("openapi", ("a", "b"))) == (["openapi a+b"], ["c+bad: no use for c, bad"])


def test_nothing_may_be_left() -> None:
    assert told(Group("openapi", ("bad1", "bad2"))) == ([], ["bad1: no use for bad1", "bad2: no use for bad2"])


def test_what_was_asked_for_is_not_left_out() -> None:
    with pytest.raises(BadInput, match=r"^no use for a, bad$"):
        usable([Group("curl", ("c",)), Group("openapi", ("a", BAD), asked=True)], read)
