"""Sends cases to a real guard and judges what comes back: `python -m tests.fuzz.campaign --seed N --requests M`."""

import argparse
import asyncio
import contextlib
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from tests.fuzz import oracle, reference, schemas
from tests.fuzz.cases import Case, Place, case, honest, mark_of
from tests.fuzz.oracle import Wrong
from tests.fuzz.reference import Seen
from tests.fuzz.wire import UNKNOWN, Closed, Line, Response, Silent, Unreadable, Where
from tests.unit.runner.guarded import GuardProcess, Home, token

AT_ONCE = 4
SECONDS = 20.0
MEMORY_MB = 48
"""How much a guard may grow; bodies of a megabyte, and several at once, are among the cases."""
BUSY_SHARE = 0.02


class Finding(Struct, frozen=True, kw_only=True):
    case: Case
    words: str


class Campaign:
    """Cases of one seed against one address. `findings` is what it found, `tally` what it met."""

    def __init__(self, where: Where, *, seed: int, bearers: tuple[str, ...], place: Place | None = None) -> None:
        self._where, self._seed, self._bearers, self._place = where, seed, bearers, place or Place()
        self.findings: list[Finding] = []
        self.tally: Counter[str] = Counter()
        self._end = float("inf")

    async def run(self, numbers: range, *, seconds: float = float("inf")) -> None:
        """All cases of these numbers, or as many as there is time for; the honest ones among them at last."""
        self._end = time.monotonic() + seconds
        left = iter(numbers)
        await asyncio.gather(*(self._work(left) for _ in range(AT_ONCE)))

    async def _work(self, left: Iterator[int]) -> None:
        for index in left:
            if time.monotonic() > self._end or len(self.findings) >= 20:
                return
            one = case(self._seed, index, self._bearers, self._place)
            self.tally[f"case {one.kind}"] += 1
            if words := await self.judge(one):
                self.findings.append(Finding(case=one, words=words))

    async def judge(self, one: Case) -> str | None:
        """Send a case, then an honest call by somebody else; what is wrong, or None."""
        try:
            kept = await self._converse(one)
            await self._victim(one, kept)
        except (Wrong, Unreadable) as error:
            return f"{type(error).__name__}: {error}"
        except Silent:
            return f"no answer within {SECONDS:.0f} s"
        return None

    async def _converse(self, one: Case) -> Line | None:
        """The connection, where it must be good for another request."""
        seen, line = reference.read(one.data), await Line.to(self._where, seconds=SECONDS)
        self.tally[f"ends {seen.ending}"] += 1
        with contextlib.ExitStack() as ending:
            ending.callback(line.close)
            await line.send(one.data, one.cuts)
            kept = await self._answers(line, seen)
            oracle.check_bytes(line.received, one.mark)
            if kept:
                ending.pop_all()
                return line
        return None

    async def _answers(self, line: Line, seen: Seen) -> bool:
        broken = seen.ending in ("malformed", "framing")
        for number, request in enumerate(seen.requests):
            try:
                response = await line.answer(request.method)
            except Closed:
                raise Wrong(f"it closes after {number} of {len(seen.requests)} answers") from None
            if broken and response.status == 400 and _closes(response):
                # What is no request ends the connection at once, also for requests before it that are still being answered.
                self._count(response)
                return await self._must_end(line)
            oracle.check_answer(response, request)
            self._count(response)
            if response.stream:
                return False
            if _closes(response):
                return await self._must_end(line)
        return await self._ending(line, seen)

    async def _ending(self, line: Line, seen: Seen) -> bool:
        if seen.ending == "whole":
            return True
        if seen.ending == "closes":
            return await self._must_end(line)
        if seen.ending == "incomplete":
            with contextlib.suppress(Silent, Closed):
                response = await line.answer(UNKNOWN, seconds=0.02)
                oracle.check_answer(response, None)
                self._count(response)
            return False
        try:
            # More bytes might make sense of what is odd, and the guard may wait for them; but not where the length of a body is in doubt.
            response = await line.answer(UNKNOWN, seconds=SECONDS if seen.ending == "framing" else 0.3)
        except Closed:
            return False
        except Silent:
            if seen.ending == "framing":
                raise
            self.tally["odd and waited for"] += 1
            return False
        oracle.check_answer(response, None)
        self._count(response)
        if seen.ending == "framing" and response.status >= 400 and not _closes(response):
            # Refused for what its head says, before the doubt arose.
            try:
                response = await line.answer(UNKNOWN)
            except Closed:
                return False
        if response.status < 400 or (seen.ending == "framing" and not _closes(response)):
            raise Wrong(f"no careful server takes this ({seen.ending}), and it answers {response.status}")
        return False

    async def _must_end(self, line: Line) -> bool:
        if not await line.ended(seconds=SECONDS):
            raise Wrong("it says that it closes the connection and does not")
        return False

    async def _victim(self, one: Case, kept: Line | None) -> None:
        """Somebody else's call, on the same connection where that is still good, as through a proxy."""
        mark = mark_of("vk", one.index)
        line = kept or await Line.to(self._where, seconds=SECONDS)
        line.received = b""
        try:
            await line.send(honest(mark, self._bearers[0], self._place))
            try:
                response = await line.answer(b"POST")
            except Closed:
                raise Wrong(f"it closes before the next call{' on the same connection' if kept else ''}") from None
            self._count(response)
            oracle.check_bytes(line.received, mark)
            if response.status in oracle.BUSY and response.values(b"retry-after"):
                return
            if response.status != 200 or response.body.count(mark.encode()) < 2:
                where = " on the same connection" if kept else ""
                raise Wrong(f"the next call{where} is answered {response.status}: {response.body[:300]!r}")
        finally:
            line.close()

    def _count(self, response: Response) -> None:
        self.tally[f"status {response.status}"] += 1
        if response.stream:
            self.tally["streams"] += 1

    @property
    def busy_share(self) -> float:
        """How many of all answers told the client to come back later."""
        answers = {key: count for key, count in self.tally.items() if key.startswith("status ")}
        return sum(answers.get(f"status {status}", 0) for status in oracle.BUSY) / max(1, sum(answers.values()))

    async def minimal(self, finding: Finding, *, seconds: float = 20) -> Finding:
        """The same kind of finding with as few bytes as can be found in the time."""
        end, best, kind = time.monotonic() + seconds, finding, finding.words[:24]
        size = max(1, len(best.case.data) // 2)
        while size and time.monotonic() < end:
            at, smaller = 0, False
            while at < len(best.case.data) and time.monotonic() < end:
                data = best.case.data[:at] + best.case.data[at + size :]
                tried = msgspec.structs.replace(best.case, data=data, cuts=())
                words = await self.judge(tried)
                if words is not None and words[:24] == kind:
                    best, smaller = Finding(case=tried, words=words), True
                else:
                    at += size
            size = size if smaller else size // 2
        return best


def _closes(response: Response) -> bool:
    return b"close" in response.values(b"connection")


class Target:
    """A guard with the hard tools, and the API behind it, which repeats what it is asked."""

    def __init__(self) -> None:
        self.home = Home(schemas.spec())
        self.home.put("policy.json", {"revoked_grants": [], "paused": False, "calls_per_minute": 1_000_000_000})
        self.bearers = tuple(token(sub=f"usr_{number}", gid=f"grt_{number}") for number in range(8))
        self.guard = GuardProcess(self.home)

    async def __aenter__(self) -> "Target":
        self._ending = contextlib.AsyncExitStack()
        await self._ending.enter_async_context(repeating(self.home.egress(0)))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.guard.kill()
        await self._ending.aclose()
        self.home.close()

    @property
    def memory_mb(self) -> float:
        """What the guard has in memory."""
        pages = int(Path(f"/proc/{self.guard.pid}/statm").read_text().split()[1])
        return pages * 4096 / 1_000_000

    def complaints(self) -> list[str]:
        """End the guard; what it did not like itself, which a client may not see."""
        status = self.guard.stop()
        found = [] if status == 0 else [f"the guard ended with {status}"]
        found += [f"the guard logs: {event['message']}" for event in self.home.events() if event.get("level") == "error"]
        printed = [line for line in self.guard.errors.read_text().splitlines() if not line.startswith(("info: ", "warning: ", "error: "))]
        return found + [f"the guard prints: {line}" for line in printed[:20]]


@contextlib.asynccontextmanager
async def repeating(path: Path) -> AsyncIterator[None]:
    """An API that answers with what it was asked."""
    server = await asyncio.start_unix_server(_repeat, path)
    try:
        yield
        await asyncio.sleep(0.01)  # until the conversations have seen their end
    finally:
        server.close()


async def _repeat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError), contextlib.closing(writer):
        while head := await reader.readuntil(b"\r\n\r\n"):
            body = msgspec.json.encode({"asked": head.split(b" ")[1].decode("latin-1")[:2000]})
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            await writer.drain()


async def explore(*, seed: int, requests: int, seconds: float, only: int | None = None, quiet: bool = False) -> list[str]:
    """A whole campaign against a guard of its own; what is wrong, in words. Prints the seed first, so that it can be repeated."""
    print(f"fuzz: --seed {seed} --requests {requests}", flush=True)
    async with Target() as target:
        campaign = Campaign(target.home.socket, seed=seed, bearers=target.bearers)
        began = time.monotonic()
        warm = min(requests, 300)
        await campaign.run(range(warm) if only is None else range(only, only + 1), seconds=seconds)
        first = target.memory_mb
        if only is None:
            await campaign.run(range(warm, requests), seconds=seconds - (time.monotonic() - began))
        grown, busy = target.memory_mb - first, campaign.busy_share
        wrong = []
        for finding in campaign.findings[:5]:
            least = await campaign.minimal(finding)
            again = f"--seed {seed} --only {finding.case.index}"
            wrong.append(f"{finding.words}\n    FUZZ='{again}' ({finding.case.kind})\n    {least.words}\n    {least.case.data[:1500]!r}")
        wrong += [f"{finding.words} (--only {finding.case.index})" for finding in campaign.findings[5:]]
        if grown > MEMORY_MB:
            wrong.append(f"the guard has grown by {grown:.0f} MB, from {first:.0f} MB")
        if busy > BUSY_SHARE:
            wrong.append(f"{busy:.1%} of all answers say `come back later`: the campaign does not reach what it is about")
        wrong += target.complaints()
        if not quiet:
            print("  ".join(f"{key}: {count}" for key, count in sorted(campaign.tally.items())))
            print(f"{time.monotonic() - began:.0f} s; memory {first:.0f} MB, {grown:+.1f} MB; {busy:.2%} told to wait")
    return wrong


def main() -> int:
    """Exit status 1 where something was found."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32), help="which cases; printed when left out")
    parser.add_argument("--requests", type=int, default=10_000, help="how many cases")
    parser.add_argument("--seconds", type=float, default=280, help="end earlier")
    parser.add_argument("--only", type=int, help="the number of a single case")
    options = parser.parse_args()
    wrong = asyncio.run(explore(seed=options.seed, requests=options.requests, seconds=options.seconds, only=options.only))
    for words in wrong:
        print(f"\nFOUND {words}")
    print(f"{len(wrong)} findings")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
