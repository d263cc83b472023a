"""The egress gateway: reads the rules, listens for every entry, and decides about each connection.

A process of its own, without database, master key or podman. Who asks is known from the socket the connection came in on, never from
what the client says; descriptors a client sends along are dropped by the kernel, because nothing here makes room for them.
"""

import argparse
import asyncio
import contextlib
import fcntl
import os
import resource
import signal
import socket
import struct
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from bmm.egress import log
from bmm.egress.control import Status, Usage, answer_line
from bmm.egress.dial import Dialler
from bmm.egress.limits import Meter
from bmm.egress.listeners import Listeners
from bmm.egress.refused import Reason, Refused
from bmm.egress.rules import EgressEntry, EgressRules, fingerprint, read_rules
from bmm.egress.tunnel import Tunnel

_TICK = 1.0
_ACCEPTS_AT_ONCE = 32
_LINGERING = 64
_PAUSE = 0.25


class Gateway:
    """All state of the process. `apply` makes the listeners what the rules say; `tick` does what time demands."""

    def __init__(self, *, run: Path, data: Path) -> None:
        self._data = data
        self._listeners = Listeners(run)
        self._dialler = Dialler()
        self._rules: dict[str, EgressRules] = {}
        self._wrong: dict[str, str] = {}
        self._seen: frozenset[tuple[str, int, int]] = frozenset()
        self._meters: dict[str, Meter] = {}
        self._tunnels: set[Tunnel] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._refusing = 0

    def apply(self) -> None:
        """Read the rules; close and cut what they no longer allow, open what is new."""
        self._seen = fingerprint(self._data)
        before, (self._rules, wrong) = self._rules, read_rules(self._data)
        for name in wrong.keys() - self._wrong.keys():
            log.write("wrong_rules", file=name, why=wrong[name])
        self._wrong = wrong
        for rules in self._rules.values():
            self._meter(rules).change(rules)
        wanted = {(key, entry): rules for key, rules in self._rules.items() for entry in rules.entries}
        for key, entry in self._listeners.entries() - wanted.keys():
            self._close(key, entry)
        for key, entry in wanted.keys() - self._listeners.entries():
            self._open(wanted[key, entry], entry)
        for key in before.keys() - self._rules.keys():
            self._listeners.forget(key)
        accounts = {rules.account for rules in self._rules.values()}
        for account in [account for account, meter in self._meters.items() if account not in accounts and not meter.open]:
            del self._meters[account]

    def tick(self) -> None:
        """Once a second: heal a missed reload, begin a new day, end what is idle or abandoned."""
        if fingerprint(self._data) != self._seen:
            self.apply()
        today, now = datetime.now(UTC).date(), time.monotonic()
        for meter in self._meters.values():
            meter.turn_day(today)
        for tunnel in [tunnel for tunnel in self._tunnels if tunnel.is_open]:
            if now - tunnel.active > tunnel.meter.rules.idle_seconds:
                tunnel.cut("idle")
            elif tunnel.is_abandoned():
                tunnel.cut("the client is gone")

    def status(self) -> Status:
        return Status(
            pid=os.getpid(),
            listening=len(self._listeners.entries()),
            servers={account: Usage(open=one.open, up=one.up, down=one.down, refused=one.refused) for account, one in self._meters.items()},
            wrong=self._wrong,
        )

    def reload(self) -> Status:
        self.apply()
        return self.status()

    async def stop(self) -> None:
        """Cut everything and say so in the log; the sockets' names stay for the next gateway to replace."""
        for tunnel in list(self._tunnels):
            tunnel.cut("the gateway stopped")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def sweep(self) -> None:
        self._listeners.sweep()

    def _meter(self, rules: EgressRules) -> Meter:
        if rules.account not in self._meters:
            self._meters[rules.account] = Meter(rules, time.monotonic())
        return self._meters[rules.account]

    def _open(self, rules: EgressRules, entry: EgressEntry) -> None:
        try:
            listening = self._listeners.open(rules, entry)
        except OSError as error:
            # Not in `entries()`, so the next look at the rules tries again; forget them to have one soon.
            log.write("cannot_listen", server=rules.account, entry=entry.place, why=str(error))
            self._seen = frozenset({("", 0, 0)})
            return
        self._watch(listening, rules.key, entry)

    def _watch(self, listening: socket.socket, key: str, entry: EgressEntry) -> None:
        if listening.fileno() >= 0:
            asyncio.get_running_loop().add_reader(listening, self._accept, listening, key, entry)

    def _pause(self, listening: socket.socket, key: str, entry: EgressEntry) -> None:
        """Leave the rest in the backlog: a flood costs its sender patience, not everybody else the gateway."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(listening)
        loop.call_later(_PAUSE, self._watch, listening, key, entry)

    def _close(self, key: str, entry: EgressEntry) -> None:
        listening = self._listeners.close(key, entry)
        asyncio.get_running_loop().remove_reader(listening)
        listening.close()
        for tunnel in [one for one in self._tunnels if one.rules_key == key and one.entry == entry]:
            tunnel.cut("no longer allowed")

    def _accept(self, listening: socket.socket, key: str, entry: EgressEntry) -> None:
        meter = self._meter(self._rules[key])
        for _ in range(_ACCEPTS_AT_ONCE):
            try:
                accepted, _ = listening.accept()
            except BlockingIOError:
                return
            except OSError as error:
                log.write("cannot_accept", server=key, entry=entry.place, why=str(error))
                self._pause(listening, key, entry)
                return
            now = time.monotonic()
            over = meter.admit(now)
            if over is not None and (self._refusing >= _LINGERING or not meter.may_be_told(now)):
                meter.refused += 1
                accepted.close()
                self._pause(listening, key, entry)
                return
            task = asyncio.get_running_loop().create_task(self._serve(Tunnel(entry, meter, key), accepted, over))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, tunnel: Tunnel, accepted: socket.socket, over: str | None) -> None:
        if over is not None:
            self._refusing += 1
        self._tunnels.add(tunnel)
        try:
            await self._carry(tunnel, accepted, over)
        except Refused as refused:
            tunnel.meter.refused += 1
            _log(tunnel, "refused", reason=str(refused.reason), why=refused.detail)
            await tunnel.refuse(refused.reason)
        except OSError as error:
            tunnel.why = f"broken: {error}"
        finally:
            tunnel.close()
            self._tunnels.discard(tunnel)
            if over is not None:
                self._refusing -= 1
            else:
                tunnel.meter.open -= 1
            if tunnel.is_open:
                _log(tunnel, "close", why=tunnel.why)

    async def _carry(self, tunnel: Tunnel, accepted: socket.socket, over: str | None) -> None:
        # The client is heard even when it will be refused: closing before it has spoken would look like a broken connection.
        await tunnel.hear(accepted)
        if over is not None:
            raise Refused(Reason.OVER_LIMIT, over)
        dialled, address = await self._dialler.dial(tunnel.entry, tunnel.meter.rules.account)
        _log(tunnel, "open", address=address)
        await tunnel.carry(dialled)


def serve(*, run: Path, data: Path) -> int:
    """Run until SIGTERM."""
    run.mkdir(parents=True, exist_ok=True)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with open(run / "egress.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.write("already_running", run=str(run))
            return 1
        uvloop.run(_serve(Gateway(run=run, data=data), run / "egress.sock"))
    return 0


async def _serve(gateway: Gateway, control: Path) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    gateway.apply()
    gateway.sweep()
    log.write("started", listening=gateway.status().listening)
    async with await asyncio.start_unix_server(lambda reader, writer: _control(gateway, reader, writer), sock=_listen(control)):
        while not stop.is_set():
            gateway.tick()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TICK):
                    await stop.wait()
    await gateway.stop()
    log.write("stopped")


def _listen(control: Path) -> socket.socket:
    control.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    before = os.umask(0o177)
    try:
        listening.bind(str(control))
    finally:
        os.umask(before)
    return listening


async def _control(gateway: Gateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        peer = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        if struct.unpack("3i", peer)[1] == os.getuid():
            async with asyncio.timeout(5):
                writer.write(answer_line(await reader.readline(), reload=gateway.reload, status=gateway.status))
                await writer.drain()
    except (OSError, TimeoutError, ValueError):  # It went away, is too slow, or sent a line without an end.
        pass
    finally:
        writer.close()


def _log(tunnel: Tunnel, event: str, **facts: str) -> None:
    log.write(
        event,
        server=tunnel.meter.rules.account,
        rules=tunnel.rules_key,
        entry=tunnel.entry.place,
        up=tunnel.up,
        down=tunnel.down,
        ms=round((time.monotonic() - tunnel.began) * 1000),
        **facts,
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bmm egress")
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    args = parser.parse_args(arguments)
    return serve(run=args.run, data=args.data)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
