"""What the comparison found, as Markdown."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from openapi_worker import Outcome, Tried

Pairs = dict[str, dict[str, Outcome]]
OURS, THEIRS = "bmm", "fastmcp"
_NAMES = {OURS: "ours", THEIRS: "FastMCP"}
MAX_ROWS = 40


def markdown(compiled: Pairs, larger: Pairs, tried: Pairs, limits: dict[str, str], *, root: Path) -> str:
    both = {path: pair for path, pair in compiled.items() if THEIRS in pair}
    parts = [
        f"### Documents compiled\n\nFastMCP was asked about {len(both):,} of {len(compiled):,} documents; the columns are about those both had.\n",
        *_table(("", "ours, all", "ours, same files", "FastMCP, same files"), _totals(compiled, both)),
        "\n### The same documents on both sides\n",
        *_speed(both),
        "\n### Large documents\n",
        *_table(("document", "MB", "ours", "FastMCP"), _largest(compiled | larger, root)),
        "\n### Refused by us\n",
        *_counts(_reason(pair[OURS].reason) for pair in compiled.values() if pair[OURS].state != "compiled"),
        "\n### Not accepted by FastMCP\n",
        *_counts(_reason(pair[THEIRS].reason) for pair in both.values() if pair[THEIRS].state != "compiled"),
        "\n### Operations we skipped\n",
        *_counts(_reason(message) for pair in compiled.values() for message in pair[OURS].skipped),
        f"\n### Requests of {len(tried)} documents\n",
        *_table(("", *_NAMES.values()), _verdicts(tried)),
        "\n### Why requests were not accepted\n",
        *_table(("whose fault", "why", "ours", "FastMCP", "for example"), _failures(tried, root)),
        "\n### What the validator cannot check\n",
        *_table(("it…", "and says of a request that is right"), ((label, _cell(said)) for label, said in limits.items())),
    ]
    return "\n".join(parts)


def _totals(every: Pairs, both: Pairs) -> Iterator[tuple[str, ...]]:
    columns = [[pair[OURS] for pair in every.values()], [pair[OURS] for pair in both.values()], [pair[THEIRS] for pair in both.values()]]
    operations = [sum(pair[OURS].operations for pair in pairs.values()) for pairs in (every, both, both)]
    for state in ("compiled", "refused", "failed", "timeout"):
        yield state, *(f"{sum(each.state == state for each in column):,}" for column in columns)
    yield "operations in the documents", *(f"{count:,}" for count in operations)
    yield "tools", *(f"{sum(each.tools for each in column):,}" for column in columns)
    yield "seconds", *(f"{sum(each.seconds for each in column):,.1f}" for column in columns)
    yield "seconds of processor", *(f"{sum(each.cpu for each in column):,.1f}" for column in columns)
    yield "slowest, seconds", *(f"{max((each.seconds for each in column), default=0):,.1f}" for column in columns)
    yield "largest peak memory, MB", *(f"{max((each.peak_mb for each in column), default=0):,.0f}" for column in columns)


def _speed(both: Pairs) -> list[str]:
    """Only where both made all operations into tools: who makes fewer has less to do."""
    same = [
        pair for pair in both.values() if all(each.state == "compiled" and each.tools >= pair[OURS].operations for each in pair.values())
    ]
    if not same:
        return ["None."]
    ours, theirs = ([pair[side] for pair in same] for side in (OURS, THEIRS))
    sums = [
        (sum(each.seconds for each in side), sum(each.cpu for each in side), sum(each.tools for each in side)) for side in (ours, theirs)
    ]
    ratios = sorted(there.cpu / here.cpu for here, there in zip(ours, theirs, strict=True) if here.cpu)
    return [
        f"{len(same):,} documents, {sums[0][2]:,} tools: ours {sums[0][0]:.1f} s ({sums[0][1]:.1f} s of processor), "
        f"FastMCP {sums[1][0]:.1f} s ({sums[1][1]:.1f} s). "
        f"**{sums[1][1] / sums[0][1]:.1f} times faster** in sum; per document {ratios[len(ratios) // 10]:.1f} (worst tenth), "
        f"{ratios[len(ratios) // 2]:.1f} (median)."
    ]


def _largest(pairs: Pairs, root: Path) -> Iterator[tuple[str, ...]]:
    for path in sorted(pairs, key=lambda each: -Path(each).stat().st_size)[:12]:
        name = path.removeprefix(f"{root}/").rpartition("/corpus/")[2]
        sides = (pairs[path].get(side) for side in (OURS, THEIRS))
        yield name, f"{Path(path).stat().st_size / 1e6:.1f}", *("not asked" if each is None else _brief(each) for each in sides)


def _brief(outcome: Outcome) -> str:
    figures = f"{outcome.seconds:.1f} s, {outcome.peak_mb:,.0f} MB"
    if outcome.state == "compiled":
        return f"{outcome.tools:,} tools, {figures}"
    return f"{outcome.state} ({_cell(outcome.reason)[:70]}), {figures}"


def _verdicts(tried: Pairs) -> Iterator[tuple[str, ...]]:
    counts = {side: Counter(each.verdict for each in _all(tried, side)) for side in _NAMES}
    yield "tools", *(f"{sum(pair[side].tools for pair in tried.values()):,}" for side in _NAMES)
    for verdict, what in (
        ("valid", "valid requests"),
        ("invalid", "invalid requests"),
        ("refused", "arguments the schema allows and the tool refuses"),
        ("excused", "not accepted for the document's or the validator's own fault"),
        ("unfound", "no arguments found"),
        ("unreached", "tools not reached in the time for one document"),
    ):
        yield what, *(f"{counts[side][verdict]:,}" for side in _NAMES)
    judged = {side: counts[side]["valid"] + counts[side]["invalid"] + counts[side]["refused"] for side in _NAMES}
    built = {side: judged[side] + counts[side]["excused"] for side in _NAMES}
    yield "**valid, of those that could be judged**", *(_percent(counts[side]["valid"], judged[side]) for side in _NAMES)
    yield "valid, of all that were made", *(_percent(counts[side]["valid"], built[side]) for side in _NAMES)
    lost = {side: sum(pair[side].state != "compiled" for pair in tried.values()) for side in _NAMES}
    yield "documents of which nothing came", *(f"{lost[side]:,}" for side in _NAMES)


def _failures(tried: Pairs, root: Path) -> Iterator[tuple[str, ...]]:
    counts: Counter[tuple[str, str]] = Counter()
    by_side: dict[str, Counter[tuple[str, str]]] = {side: Counter() for side in _NAMES}
    examples: dict[tuple[str, str], str] = {}
    for side in _NAMES:
        for pair in tried.values():
            for each in pair[side].tried:
                if each.label:
                    key = each.blame, each.label
                    counts[key] += 1
                    by_side[side][key] += 1
                    examples.setdefault(key, f"{pair[side].path.removeprefix(f'{root}/')} {each.operation}")
    for key, _ in counts.most_common(MAX_ROWS):
        yield *key, *(f"{by_side[side][key]:,}" for side in _NAMES), _cell(examples[key])


def _all(tried: Pairs, side: str) -> Iterator[Tried]:
    for pair in tried.values():
        yield from pair[side].tried


def _reason(text: str) -> str:
    """The sentence without what differs from document to document."""
    plain = re.sub(r"'[^']*'|\"[^\"]*\"|`[^`]*`", "…", text.partition("; the operation")[0])
    plain = re.sub(r"the address \S+,", "the address …,", plain)
    return _cell(re.sub(r"\(at .*?\)|0x[0-9a-f]+|\d[\d,.]*", "…", plain))[:160]


def _counts(reasons: Iterable[str]) -> list[str]:
    rows = Counter(reasons).most_common(MAX_ROWS)
    return list(_table(("how many", "why"), ((f"{count:,}", reason) for reason, count in rows))) if rows else ["None."]


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _percent(part: int, whole: int) -> str:
    return f"**{100 * part / whole:.2f} %**" if whole else "-"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())[:200]
