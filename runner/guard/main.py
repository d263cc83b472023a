"""The start and the end of a guard: descriptors in, sockets served, a clean exit."""

import argparse
import asyncio
import ctypes
import gc
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import uvloop

from runner.contract import Confidential, PythonTool, ServerSpec, SpecError, decode_spec
from runner.guard.app import Guard
from runner.guard.asking import ANSWER_SECONDS, Asking
from runner.guard.calls import Calls
from runner.guard.challenge import Challenge
from runner.guard.events import EventLog
from runner.guard.exchange import KEEP_ALIVE_SECONDS
from runner.guard.limits import Limits
from runner.guard.memory import give_back
from runner.guard.policy import Control, ControlError
from runner.guard.sealed import Sealer
from runner.guard.server import Server
from runner.guard.subscriptions import Subscriptions
from runner.guard.token import TokenChecker
from runner.protocol.legacy import Legacy
from runner.protocol.modern import Modern
from runner.protocol.offers import Offers
from runner.protocol.search import ToolSearch
from runner.protocol.tools import catalogue
from runner.tools.http import Upstreams
from runner.tools.registry import KindNotRunnable, RegisteredTool, registered

if TYPE_CHECKING:
    from runner.tools.python import Services

PUBLIC, EVENTS, READY, CONFIDENTIAL, PRIVATE = 3, 4, 5, 6, 7
CANNOT_START = 78
_PR_SET_DUMPABLE = 4
_FLUSH_SECONDS = 1.0


def main(argv: list[str] | None = None) -> int:
    """Serve one server on the descriptors 3 to 7 until SIGTERM; the exit status is 0, or 78 where it could not start."""
    options = _options(sys.argv[1:] if argv is None else argv)
    for descriptor in (PUBLIC, EVENTS, READY, CONFIDENTIAL, PRIVATE):
        os.set_inheritable(descriptor, False)
    events = EventLog(EVENTS)
    try:
        become_undumpable()
        confidential = read_confidential(CONFIDENTIAL)
        control = Control(options.control, log=lambda text: events.log("warning", text, at=time.time()), now=time.monotonic())
        spec = decode_spec((options.app / "spec.json").read_bytes())
        upstreams = Upstreams(control.manifest.entries, egress=options.egress)
        code = _code(spec, upstreams, confidential.secrets, events)
        tools = registered(spec, secrets=confidential.secrets, upstreams=upstreams, code=code)
    except (ControlError, SpecError, KindNotRunnable, OSError, ValueError) as error:
        events.log("error", f"the server cannot start: {error}", at=time.time())
        return CANNOT_START
    events.version = control.manifest.version
    uvloop.run(_serve(control, spec, tools, upstreams, events, code, state_key=confidential.state_key, options=options))
    return 0


def become_undumpable() -> None:
    """From here on no process of the same user may read this one's memory (prctl(2), PR_SET_DUMPABLE)."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the process could not be made undumpable")


def read_confidential(descriptor: int) -> Confidential:
    """What a memory file holds, which is closed. Its content never enters a message."""
    with os.fdopen(descriptor, "rb") as file:
        if file.seekable():
            file.seek(0)
        document = file.read()
    try:
        return msgspec.json.decode(document, type=Confidential)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ValueError("the memory file does not hold secrets and a key") from None


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="guard", description="Answer at /mcp on inherited sockets.")
    parser.add_argument("--control", type=Path, default=Path("/control"), help="folder of manifest.json, jwks.json and policy.json")
    parser.add_argument("--app", type=Path, default=Path("/app"), help="folder of spec.json")
    parser.add_argument("--egress", type=Path, default=Path("/egress"), help="folder of the sockets that lead out")
    parser.add_argument("--grace", type=float, default=10.0, help="seconds a stop may take")
    parser.add_argument("--patience", type=float, default=ANSWER_SECONDS, help="seconds a client may take to answer a question")
    parser.add_argument("--keep-alive", type=float, default=KEEP_ALIVE_SECONDS, help="seconds between signs of life on a quiet stream")
    return parser.parse_args(argv)


async def _serve(
    control: Control,
    spec: ServerSpec,
    tools: dict[str, RegisteredTool],
    upstreams: Upstreams,
    events: EventLog,
    code: "Services | None",
    *,
    state_key: bytes,
    options: argparse.Namespace,
) -> None:
    manifest = control.manifest
    shown = catalogue(spec, manifest)
    offers = Offers(spec)
    modern, challenge = Modern(shown, offers), Challenge(manifest)
    search = ToolSearch(spec)
    limits = Limits(lambda: control.policy.calls_per_minute)
    asking = Asking(Sealer(state_key), seconds=options.patience)
    subscriptions = Subscriptions(revoked=lambda: _revoked(control), complete=modern.ended)
    calls = Calls(
        tools,
        search=search,
        offers=offers,
        modern=modern,
        events=events,
        challenge=challenge,
        limits=limits,
        asking=asking,
        subscriptions=subscriptions,
        keep_alive=options.keep_alive,
    )
    tokens = TokenChecker(
        issuer=manifest.issuer, resource=manifest.resource, server_id=manifest.server_id, key=lambda kid: control.key(kid, time.monotonic())
    )
    control.on_new_keys = tokens.forget
    guard = Guard(
        manifest=manifest,
        control=control,
        tokens=tokens,
        challenge=challenge,
        calls=calls,
        events=events,
        limits=limits,
        asking=asking,
        subscriptions=subscriptions,
        legacy=Legacy(shown, offers),
        modern=modern,
        search=search,
    )
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, asked.set)
    loop.add_signal_handler(signal.SIGINT, asked.set)
    server = Server(grace=options.grace, on_cut=calls.interrupt)
    await server.listen(socket.socket(fileno=PUBLIC), guard.public)
    await server.listen(socket.socket(fileno=PRIVATE), guard.private)
    os.write(READY, b"ready\n")
    os.close(READY)
    events.log("info", f"version {manifest.version} answers with {len(tools)} tool{'' if len(tools) == 1 else 's'}", at=time.time())
    warming = asyncio.ensure_future(_warm(upstreams, events))
    flushing = asyncio.ensure_future(_flush(events))
    await asked.wait()
    guard.stop()
    await server.stop()
    flushing.cancel()
    await asyncio.wait([warming])
    if code is not None:
        await code.pool.close()
    await upstreams.close()
    events.log("info", f"version {manifest.version} has stopped", at=time.time())


def _code(spec: ServerSpec, upstreams: Upstreams, secrets: dict[str, str], events: EventLog) -> "Services | None":
    """What runs tools that are code; a spec without any loads nothing of it."""
    if not any(isinstance(tool, PythonTool) for tool in spec.tools):
        return None
    from runner.tools.pool import Pool
    from runner.tools.python import Services

    pool = Pool(log=lambda level, text: events.log(level, text, at=time.time()))
    return Services(
        spec,
        pool,
        upstreams=upstreams,
        secrets=secrets,
        log=lambda level, text, tool: events.log(level, text, at=time.time(), tool=tool),
    )


def _revoked(control: Control) -> frozenset[str]:
    # A stream outlasts the request that opened it: nobody else may be looking.
    control.look(time.monotonic())
    return control.policy.revoked_grants


async def _warm(upstreams: Upstreams, events: EventLog) -> None:
    try:
        for problem in await asyncio.to_thread(upstreams.warm):
            events.log("error", problem, at=time.time())
    except (ImportError, OSError) as error:
        events.log("error", f"calls over HTTP are not possible: {error}", at=time.time())
    # What start-up made lives as long as the process; the collector need not look at it again.
    gc.freeze()
    give_back()


async def _flush(events: EventLog) -> None:
    while True:
        await asyncio.sleep(_FLUSH_SECONDS)
        if events.waiting:
            events.flush()
