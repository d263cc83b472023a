"""The one way a plan and a difference are printed: every text as a model will read it, tamed for the terminal."""

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import unified_diff

import msgspec
from msgspec import UNSET

from bmm.cli.parts.output import tame
from bmm.core.difference import Change, Difference, Part, PartDifference
from bmm.core.draft import Round
from bmm.core.finding import Finding, by_weight
from bmm.core.outline import Argument, Outline, ToolOutline

_EFFECTS = {"reads": "only reads", "changes": "CHANGES", "destroys": "DESTROYS"}
_WORDS: dict[Part, str] = {
    "tools": "tool", "hosts": "host", "secrets": "secret", "databases": "database", "scopes": "scope", "resources": "resource",
    "resource_templates": "resource template", "prompts": "prompt",
}  # fmt: skip
_LONGEST, _MOST_LINES = 200, 50


def plan_lines(plan: Outline, rest: str | None = None) -> Iterator[str]:
    """Everything that a person confirms, one line each. Long code is cut where `rest` says how to see the rest of it."""
    yield tame(plan.name) + (f" — {tame(plan.description)}" if plan.description else "")
    yield from _list("Instructions to every model that uses it", map(tame, plan.instructions.splitlines()))
    yield f"\n{_count(len(plan.tools), 'tool')}"
    for tool in plan.tools:
        yield from _tool(tool, rest)
    yield "\nIt may reach" if plan.hosts else "\nIt reaches no host"
    for host in plan.hosts:
        kind = "" if host.protocol == "http" else f" ({host.protocol})"
        yield f"  {host.name}:{host.port}{kind}{' WITHOUT TLS' if host.plain else ''}{_dash(host.reason)}"
    yield from (f"  database {each.name}: {tame(each.place)}" for each in plan.databases)
    yield "\nIt needs these secrets; no model ever sees their values" if plan.secrets else "\nIt needs no secrets"
    for need in plan.secrets:
        yield f"  {need.key}{'' if need.required else ' (optional)'}{_dash(need.hint)}"
    yield from _list("Scopes that a client can ask for", (f"{scope.name}{_dash(scope.description)}" for scope in plan.scopes))
    yield from _list("Resources", map(tame, plan.resources))
    yield from _list("Prompts", map(tame, plan.prompts))


def has_long_code(plan: Outline) -> bool:
    """Whether `plan_lines` would cut something."""
    return any(len(_lines_of(tool.code)) > _MOST_LINES for tool in plan.tools)


def difference_lines(found: Difference, plan: Outline | None) -> Iterator[str]:
    """What changes, `+` added, `-` removed, `~` changed; what is added is told in full with the `plan` of the newer spec."""
    if found.is_empty:
        yield "Nothing differs."
        return
    for each in found.fields:
        first, *rest = _change(each)
        yield f"~ {first}"
        yield from rest
    for part in found.parts:
        yield from _part(part, plan)
    if found.widens:
        yield f"\nIt may do more than before: {'; '.join(map(tame, found.widens))}"


def cost_line(rounds: Sequence[Round]) -> str:
    """What the model has been asked, and what that has cost: `claude-…: 2 questions, 4,738 tokens in, 1,308 out, $0.0112, 5.2 s`.

    Of an answer that nobody saw to its end the most that it can have cost is counted: `up to $0.3712`.
    """
    up_to = "up to " if any(each.asked_at is not None and each.answered_at is None for each in rounds) else ""
    models = ", ".join(sorted({each.model for each in rounds if each.model}))
    taken, given = sum(each.tokens_in + each.tokens_cached for each in rounds), sum(each.tokens_out for each in rounds)
    dollars, seconds = sum(each.cost for each in rounds) / 1_000_000, sum(each.ms for each in rounds) / 1000
    return f"{models}: {_count(len(rounds), 'question')}, {taken:,} tokens in, {given:,} out, {up_to}${dollars:.4f}, {seconds:.1f} s"


def finding_lines(findings: Iterable[Finding]) -> Iterator[str]:
    """What the checks say, blocks first."""
    marks = {"block": "✗", "ask": "?", "note": "·"}
    for each in by_weight(findings):
        yield f"{marks[each.level]} {tame(str(each))}"


def _part(part: PartDifference, plan: Outline | None) -> Iterator[str]:
    word = _WORDS[part.part]
    tools = {tool.name: tool for tool in plan.tools} if plan else {}
    about = {f"{host.name}:{host.port}": host.reason for host in plan.hosts} | {need.key: need.hint for need in plan.secrets} if plan else {}
    for key in part.added:
        if part.part == "tools" and key in tools:
            first, *rest = _tool(tools[key])
            yield f"+ {word} {first.strip()}"
            yield from rest
        else:
            yield f"+ {word} {tame(key)}{_dash(about.get(key, ''))}"
    yield from (f"- {word} {tame(key)}" for key in part.removed)
    for changed in part.changed:
        yield f"~ {word} {tame(changed.key)}"
        if changed.changes[0].place == "" and changed.key in tools:  # it is of another kind now
            yield from _tool(tools[changed.key])
        else:
            yield from (f"    {line}" for each in changed.changes for line in _change(each))


def _tool(tool: ToolOutline, rest: str | None = None) -> Iterator[str]:
    asks = ", asks before it runs" if tool.confirm else ""
    yield f"  {tool.name}  [{_EFFECTS[tool.effect]}{asks}]  {_short(tool.target)}"
    yield from (f"      {line}" for line in map(tame, tool.description.splitlines()) if line.strip())
    yield from (f"      · {_argument(each)}" for each in tool.arguments)
    if tool.answer:
        yield f"      → {_short(tool.answer)}"
    if tool.scopes:
        yield f"      needs the scope {', '.join(tool.scopes)}"
    lines = _lines_of(tool.code)
    shown = lines if rest is None else lines[:_MOST_LINES]
    yield from (f"      │ {line}" for line in shown)
    if len(shown) < len(lines):
        yield f"      … {_count(len(lines) - len(shown), 'more line')}; {rest}"


def _lines_of(code: str) -> list[str]:
    """As the interpreter takes them: what ends a line only for the eye, or only for the interpreter, could hide code in a comment."""
    return [tame(line.expandtabs(4)) for line in re.split(r"\r\n|\r|\n", code.rstrip("\r\n"))] if code else []


def _argument(each: Argument) -> str:
    return f"{tame(each.name)}: {tame(each.type)}{'' if each.required else ', optional'}{_dash(each.description)}"


def _change(change: Change) -> Iterator[str]:
    place, before, after = tame(change.place), change.before, change.after
    is_long = isinstance(before, str) and isinstance(after, str) and "\n" in before + after
    if is_long and (lines := list(unified_diff(_lines_of(str(before)), _lines_of(str(after)), n=2, lineterm=""))[2:]):
        yield f"{place}:"
        yield from (f"      {line}" for line in lines)
    elif before is UNSET:
        yield f"{place}: now {_value(after)}"
    elif after is UNSET:
        yield f"{place}: no longer {_value(before)}"
    else:
        yield f"{place}: {_value(before)} → {_value(after)}"


def _value(value: object) -> str:
    return tame(msgspec.json.encode(value).decode())


def _list(heading: str, lines: Iterable[str]) -> Iterator[str]:
    shown = [f"  {line}" for line in lines]
    if shown:
        yield f"\n{heading}"
        yield from shown


def _short(text: str) -> str:
    text = tame(text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _dash(text: str) -> str:
    return f" — {tame(text)}" if text else ""


def _count(number: int, word: str) -> str:
    return f"{number or 'No'} {word}{'' if number == 1 else 's'}"
