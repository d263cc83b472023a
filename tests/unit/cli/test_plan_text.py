"""A plan as a person reads it: whole, in the order of what matters, and unable to move the cursor."""

from datetime import UTC, datetime

import msgspec

from bmm.cli.plan_text import cost_line, difference_lines, finding_lines, plan_lines
from bmm.core.difference import difference
from bmm.core.draft import Round
from bmm.core.finding import Finding
from bmm.core.outline import outline
from tests.unit.core.test_difference import SPEC, TOOL, spec, tool

PLAN = """\
Users

2 tools
  list_users  [only reads]  GET https://api.example.com/users
      Lists users.
      · limit: integer 1 to 100
  drop_users  [DESTROYS, asks before it runs]  DELETE https://api.example.com/users
      Deletes all users.
      · limit: integer 1 to 100

It may reach
  api.example.com:443 — the API

It needs these secrets; no model ever sees their values
  API_KEY — Settings → Keys\
"""
DIFFERENCE = """\
+ tool drop_users  [DESTROYS, asks before it runs]  DELETE https://api.example.com/users
      Deletes all users.
      · limit: integer 1 to 100
~ tool list_users
    /title: null → "Users"
- secret API_KEY

It may do more than before: drop_users destroys\
"""
DROP = TOOL | {"name": "drop_users", "method": "DELETE", "description": "Deletes all users.", "confirm": True, "annotations": {}}


def test_the_whole_plan() -> None:
    assert "\n".join(plan_lines(outline(spec(tools=[TOOL, DROP])))) == PLAN


def test_what_a_tool_answers_is_part_of_the_plan() -> None:
    answers = TOOL | {"output_schema": {"type": "object", "properties": {"users": {"type": "array", "items": {"type": "string"}}}}}
    assert "      → object (users list of string)" in list(plan_lines(outline(spec(tools=[answers]))))


def test_the_whole_difference() -> None:
    newer = spec(tools=[tool(title="Users"), DROP], secrets=[])
    assert "\n".join(difference_lines(difference(spec(), newer), outline(newer))) == DIFFERENCE
    assert next(difference_lines(difference(spec(), newer), None)) == "+ tool drop_users"
    assert list(difference_lines(difference(newer, newer), None)) == ["Nothing differs."]


def test_texts_cannot_move_the_cursor_or_hide() -> None:
    evil = "\x1b[2J\x1b[31mLists\u202e users\u200b\rHello"
    texts = spec(
        name=f"Users{evil}", description=evil, tools=[tool(description=evil, title=evil)],
        hosts=[*SPEC["hosts"], {"name": "b.example.com", "reason": evil}], secrets=[{"key": "API_KEY", "hint": evil}],
    )  # fmt: skip
    lines = [
        *plan_lines(outline(texts)), *difference_lines(difference(spec(), texts), outline(texts)),
        *finding_lines([Finding(level="ask", id="x", message=evil)]),
    ]  # fmt: skip
    assert all(character.isprintable() or character == "\n" for line in lines for character in line)


def test_blocks_come_first() -> None:
    found = [Finding(level="note", id="a", message="A"), Finding(level="block", id="b", message="B")]
    assert [line[0] for line in finding_lines(found)] == ["✗", "·"]


def test_what_the_model_cost() -> None:
    one = Round(draft_id="d", number=1, kind="draft", said="", model="m", tokens_in=300, tokens_cached=2000, tokens_out=600, cost=12_345, ms=2100)
    assert cost_line([one, msgspec.structs.replace(one, number=2)]) == "m: 2 questions, 4,600 tokens in, 1,200 out, $0.0247, 4.2 s"
    unseen = Round(draft_id="d", number=1, kind="draft", said="", model="m", asked_at=datetime(2026, 11, 1, tzinfo=UTC), cost=370_000)
    assert cost_line([unseen]) == "m: 1 question, 0 tokens in, 0 out, up to $0.3700, 0.0 s"
