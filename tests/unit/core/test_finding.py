"""What the checks say, in the order of what matters and in a line."""

from bmm.core.finding import Finding, by_weight, in_a_line


def finding(level: str, name: str, **changed: object) -> Finding:
    return Finding(level=level, id=name, message=f"{name} is wrong.", **changed)  # type: ignore[arg-type]


def test_blocks_come_first_and_notes_last() -> None:
    found = [finding("note", "a"), finding("ask", "b"), finding("block", "c"), finding("ask", "d")]
    assert [each.id for each in by_weight(found)] == ["c", "b", "d", "a"]


def test_the_first_four_are_said_in_a_line_and_how_many_more_there_are() -> None:
    found = [finding("block", "a", place="/tools/0/code", line=3, fix="Take it out"), *(finding("block", name) for name in "bcdef")]
    assert in_a_line(found[:2]) == "/tools/0/code line 3: a is wrong. Take it out · /: b is wrong."
    assert in_a_line(found, "; look there").endswith(" · /: d is wrong. · and 2 more; look there")


def test_a_finding_is_one_line_whatever_the_spec_put_into_it() -> None:
    assert str(finding("ask", "a", place="/x\n\x1b[2J")) == "ask: /x  [2J: a is wrong. [a]"
