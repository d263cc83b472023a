"""`bmm eval`: many prompts through the real way, from drafts to live servers, and how good what comes out is."""

import argparse
import secrets
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from bmm.config import Config
from bmm.errors import BadInput, BmmError, NotReachable

if TYPE_CHECKING:
    from bmm.cli.parts.client import Client
    from bmm.http.shapes import DraftShown
    from bmm.llm.evals import Case

HELP = "measure the model: prompts with expectations become drafts, and with --build servers; it costs what the drafts cost"
EXAMPLE = """bmm eval --only 'postgres-*'
  bmm eval prompts/ --build --json > today.json"""
_STOPS = frozenset(
    {"model_key_missing", "model_key_refused", "model_price_missing", "model_spend_limit", "model_out_of_credit", "model_not_found", "model_unreachable"}
)
"""Codes with which no prompt can do better than this one."""
_PLACEHOLDER = "not-a-real-value"


class Row(Struct, frozen=True, kw_only=True):
    """What became of one prompt. `ready_ms` until the plan, `live_ms` from there until the server was live."""

    name: str
    outcome: str
    code: str | None = None
    error: str | None = None
    draft_id: str | None = None
    repairs: int = 0
    ready_ms: int = 0
    live_ms: int | None = None
    cost_micro_usd: int = 0
    deviations: tuple[str, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether it came as far as it should; what it is like is told by its deviations."""
        return self.outcome in ("ready", "live", "refused")


class Summary(Struct, frozen=True, kw_only=True):
    """All prompts together; `rate` is the part of them that came as far as it should."""

    prompts: int
    good: int
    rate: float
    as_expected: int
    repairs: int
    median_ready_ms: int
    median_live_ms: int | None
    cost_micro_usd: int


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", nargs="?", help="JSON files with prompts and what is expected of them (default: the 30 built-in ones)")
    parser.add_argument("--build", action="store_true", help="build what is drafted until it is live, and remove it again")
    parser.add_argument("--only", metavar="GLOB", action="append", default=[], help="only the prompts of this name (repeatable)")
    parser.add_argument("--least", metavar="RATE", type=float, default=0.0, help="exit with 1 where fewer come through, such as 0.9")


def run(args: argparse.Namespace, config: Config) -> int:
    from bmm.cli.parts.client import Client
    from bmm.sources.finding import one_line

    if not 0 <= args.least <= 1:
        raise BadInput("--least is a share of the prompts, from 0 to 1, such as 0.9")
    cases = _chosen(args)
    rows: list[Row] = []
    for number, case in enumerate(cases, 1):
        row = _tried(Client(config), case, build=args.build)
        rows.append(row)
        why = f" ({row.code}): {one_line(row.error or '')[:200]}" if row.code else ""
        print(f"{number}/{len(cases)}  {row.name}  {row.outcome}{why}", file=sys.stderr, flush=True)
        if row.code in _STOPS:
            print(f"The rest is not tried: {row.code} would stop it as well.", file=sys.stderr)
            break
    found = summary(rows)
    _print(rows, found, as_json=args.json)
    return int(found.rate < args.least or rows[-1].code in _STOPS)


def summary(rows: list[Row]) -> Summary:
    """What the rows come to."""
    good = [row for row in rows if row.is_good]
    live = [row.live_ms for row in rows if row.live_ms is not None]
    return Summary(
        prompts=len(rows), good=len(good), rate=len(good) / len(rows), as_expected=sum(not row.deviations for row in good),
        repairs=sum(row.repairs for row in rows), median_ready_ms=round(statistics.median(row.ready_ms for row in good)) if good else 0,
        median_live_ms=round(statistics.median(live)) if live else None, cost_micro_usd=sum(row.cost_micro_usd for row in rows),
    )  # fmt: skip


def _chosen(args: argparse.Namespace) -> "list[Case]":
    from fnmatch import fnmatchcase

    from bmm.llm.evals import BUILT_IN, load

    cases = load(Path(args.folder) if args.folder else BUILT_IN)
    chosen = [each for each in cases if not args.only or any(fnmatchcase(each.name, pattern) for pattern in args.only)]
    if not chosen:
        raise BadInput(f"No prompt is called {' or '.join(args.only)}; there are {', '.join(each.name for each in cases)}")
    return chosen


def _tried(client: "Client", case: "Case", *, build: bool) -> Row:
    """One prompt, from its draft to its row; what goes wrong is its outcome."""
    from bmm.core.draft import Wish
    from bmm.http.shapes import DraftAccepted, DraftShown
    from bmm.llm.evals import deviations
    from runner.contract import decode_spec

    began = time.monotonic()
    try:
        draft_id = client.post("/api/drafts", msgspec.json.encode(Wish(prompt=case.prompt)), DraftAccepted).draft_id
        for _ in client.events(f"/api/drafts/{draft_id}/events"):
            pass
        shown = client.get(f"/api/drafts/{draft_id}", DraftShown)
    except NotReachable:
        raise
    except BmmError as error:
        if error.code == case.expect.refused:
            return Row(name=case.name, outcome="refused", ready_ms=_since(began))
        return Row(name=case.name, outcome="failed", code=error.code, error=error.user_message, ready_ms=_since(began))
    ready = _row(case, shown, _since(began))
    if shown.draft.suggestion is None:
        return ready
    spec = decode_spec(shown.draft.suggestion)
    ready = msgspec.structs.replace(ready, deviations=tuple(deviations(spec, case.expect)))
    if not build or ready.outcome != "ready":
        return ready
    return _built(client, case, ready, [need.key for need in spec.secrets])


def _row(case: "Case", shown: "DraftShown", milliseconds: int) -> Row:
    from bmm.core.draft import DraftStatus

    draft = shown.draft
    refused = draft.error_code is not None and draft.error_code == case.expect.refused
    ready = draft.status in (DraftStatus.READY, DraftStatus.BUILT)
    return Row(
        name=case.name, outcome="ready" if ready else "refused" if refused else "failed", draft_id=draft.id, ready_ms=milliseconds,
        code=None if refused else draft.error_code, error=None if refused else draft.error,
        repairs=sum(each.kind == "repair" for each in shown.rounds), cost_micro_usd=shown.cost_micro_usd,
    )  # fmt: skip


def _built(client: "Client", case: "Case", ready: Row, keys: list[str]) -> Row:
    """Builds a draft under a name nobody else has, with placeholders as secrets: its trial calls a recorder and no API."""
    from bmm.cli.parts.client import server_target
    from bmm.core.build import Build, BuildStatus
    from bmm.http.shapes import Accepted, Confirmed, SecretValue

    slug = f"eval-{case.name}-{secrets.token_hex(3)}"
    build: Build | None = None
    began = time.monotonic()
    try:
        for key in keys:
            client.put(server_target(slug, "secrets", key), msgspec.json.encode(SecretValue(value=_PLACEHOLDER, ahead=True)))
        began = time.monotonic()
        target = f"/api/drafts/{ready.draft_id}/build"
        build_id = client.post(target, msgspec.json.encode(Confirmed(slug=slug)), Accepted).build_id
        for event, data in client.events(f"/api/builds/{build_id}/events"):
            build = msgspec.json.decode(data, type=Build) if event == "end" else build
        milliseconds = _since(began)
    except BmmError as error:
        return msgspec.structs.replace(ready, outcome="failed", code=error.code, error=error.user_message)
    finally:
        _removed(client, slug)
    if build is None or build.status is not BuildStatus.LIVE:
        code, why = (build.error_code, build.error) if build else (None, None)
        return msgspec.structs.replace(ready, outcome="failed", code=code, error=why)
    return msgspec.structs.replace(ready, outcome="live", live_ms=milliseconds)


def _removed(client: "Client", slug: str) -> None:
    from bmm.cli.parts.client import server_target

    try:
        client.delete(server_target(slug))
    except BmmError as error:
        if error.code != "not_found":
            print(f"{slug} is still there: {error.user_message}; remove it with `bmm rm {slug}`", file=sys.stderr)


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)


def _print(rows: list[Row], found: Summary, *, as_json: bool) -> None:
    from bmm.cli.parts.output import as_json as print_json
    from bmm.cli.parts.output import table

    if as_json:
        print_json({"prompts": rows, "summary": found})
        return
    cells = [
        (row.name, row.outcome if row.code is None else f"{row.outcome}: {row.code}", str(row.repairs), f"{row.ready_ms / 1000:.1f}",
         "" if row.live_ms is None else f"{row.live_ms / 1000:.1f}", _dollars(row.cost_micro_usd), "; ".join(row.deviations))
        for row in rows
    ]  # fmt: skip
    table(("PROMPT", "OUTCOME", "REPAIRS", "PLAN s", "LIVE s", "COST", "DEVIATIONS"), cells, empty="")
    live = "" if found.median_live_ms is None else f", then live in {found.median_live_ms / 1000:.1f} s"
    print(
        f"\n{found.good} of {found.prompts} came through ({found.rate:.0%}), {found.as_expected} as expected; {found.repairs} repairs; "
        f"a plan in {found.median_ready_ms / 1000:.1f} s{live} (medians); {_dollars(found.cost_micro_usd)} in all"
    )


def _dollars(micro: int) -> str:
    return f"${micro / 1_000_000:.3f}"
