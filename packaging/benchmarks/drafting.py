"""From a sentence to a live server, with a stand-in for the model's service; and what the checks take."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from msgspec import Struct

from bmm.checks.prompt import scan_text
from bmm.checks.spec import check_spec
from bmm.cli.parts.client import Client
from bmm.core.build import Build
from bmm.core.draft import Wish
from bmm.http.shapes import Accepted, DraftAccepted
from runner.contract import PythonTool, ServerSpec
from tests.checks import GOOD
from tests.model_server import KEY, ModelServer, submitting
from tests.real.appliance import Box

_PIECE, _PAUSE = 20, 0.005
"""Characters of one delta, and seconds between two."""
_ROUNDS = 15
_PROMPT = "Read-only access to the widgets of my shop. "


class Drafted(Struct, frozen=True, kw_only=True):
    """Seconds from the last token of each tool to its event at the client, and from the confirmation to live."""

    late: list[float]
    live: float


@contextmanager
def model(box: Box) -> Iterator[ModelServer]:
    """The appliance is started again with a service that answers as it is told."""
    with ModelServer() as service:
        box.stop()
        box.environ |= {"BMM_MODEL_KEY": KEY, "BMM_MODEL_BASE_URL": service.url}
        box.serve()
        yield service
        service.stopping.set()


def draft(box: Box, service: ModelServer, slug: str, spec: ServerSpec) -> Drafted:
    """One draft, confirmed as it is."""
    written: dict[str, Any] = msgspec.to_builtins(spec)
    service.sent.clear()
    service.then(submitting(written, piece=_PIECE, delay=_PAUSE))
    api = Client(box.config)
    draft_id = api.post("/api/drafts", msgspec.json.encode(Wish(prompt=_PROMPT, slug=slug)), DraftAccepted).draft_id
    seen: dict[str, float] = {}
    for kind, data in api.events(f"/api/drafts/{draft_id}/events"):
        event = json.loads(data)
        if kind == "event" and event["step"] == "tool":
            seen[json.loads(event["tool"])["name"]] = time.monotonic()
    written_at = _written_at(service, written["tools"])
    assert set(seen) == set(written_at), "tools were not shown"
    begun = time.monotonic()
    build_id = api.post(f"/api/drafts/{draft_id}/build", b"{}", Accepted).build_id
    ended = [data for kind, data in api.events(f"/api/builds/{build_id}/events") if kind == "end"]
    live = time.monotonic() - begun
    assert msgspec.json.decode(ended[0], type=Build).status == "live"
    return Drafted(late=[seen[name] - written_at[name] for name in seen], live=live)


def _written_at(service: ModelServer, tools: list[dict[str, Any]]) -> dict[str, float]:
    """When the last character of each tool went out."""
    text, found = "", dict[str, float]()
    for chunk, at in service.sent:
        if b"input_json_delta" in chunk:
            text += json.loads(chunk.partition(b"data: ")[2])["delta"]["partial_json"]
            for tool in tools[len(found) : len(found) + 1]:
                if json.dumps(tool, ensure_ascii=False) in text:
                    found[tool["name"]] = at
    return found


def checks() -> list[tuple[str, float]]:
    """What is checked, and the median of milliseconds it takes."""
    tools = [PythonTool(name=name, description="Does what its name says.", input_schema={"type": "object"}, code=code) for name, code in GOOD.items()]
    alone = _milliseconds(lambda: check_spec(ServerSpec(name="One", tools=(tools[0],))))
    together = _milliseconds(lambda: check_spec(ServerSpec(name="Many", tools=tuple(tools))))
    return [
        ("one `python` tool, with the process that reads it", alone),
        (f"each further one, of {len(tools)}", (together - alone) / (len(tools) - 1)),
        ("a prompt of 2,000 characters", _milliseconds(lambda: scan_text(_PROMPT * (2000 // len(_PROMPT))))),
    ]


def _milliseconds(act: Callable[[], object]) -> float:
    taken = []
    for _ in range(_ROUNDS):
        begun = time.perf_counter()
        act()
        taken.append((time.perf_counter() - begun) * 1000)
    return sorted(taken)[_ROUNDS // 2]
