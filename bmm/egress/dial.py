"""From an entry to a connected socket: resolve, judge every answer, dial exactly what was judged."""

import asyncio
import errno
import os
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

from bmm.egress.classify import Address, refusal
from bmm.egress.refused import Reason, Refused
from bmm.egress.rules import EgressEntry

RESOLVE_SECONDS = 5.0
DIAL_SECONDS = 10.0
_ONE_OF_SEVERAL_SECONDS = 3.0
# A name server that never answers occupies a thread for as long as libc waits, whatever our deadline.
_LOOKUPS_PER_ACCOUNT = 4
_LOOKUPS = 128


class Dialler:
    """Holds the threads that look names up, and how many of them each account occupies."""

    def __init__(self) -> None:
        # Search domains would turn a name that does not exist into another one (resolv.conf(5)).
        os.environ.setdefault("LOCALDOMAIN", ".")
        self._threads = ThreadPoolExecutor(_LOOKUPS, "lookup")
        self._places: dict[str, asyncio.Semaphore] = {}

    async def dial(self, entry: EgressEntry, account: str) -> tuple[socket.socket, str]:
        """A connected, non-blocking TCP socket and the address it leads to.

        Raises:
            Refused: no answer, an answer that must not be dialled, or nobody accepts.
        """
        addresses = [entry.exception] if entry.exception else await self._resolve(entry, account)
        failure = "no time left"
        loop = asyncio.get_running_loop()
        deadline = loop.time() + DIAL_SECONDS
        for number, address in enumerate(addresses):
            left = deadline - loop.time()
            if left <= 0:
                break
            last = number == len(addresses) - 1
            try:
                async with asyncio.timeout(left if last else min(left, _ONE_OF_SEVERAL_SECONDS)):
                    return await _connect(address, entry.port), str(address)
            except TimeoutError:
                failure = f"{address} does not answer"
            except OSError as error:
                failure = f"{address}: {error.strerror or error}"
        raise Refused(Reason.UNREACHABLE, failure)

    async def _resolve(self, entry: EgressEntry, account: str) -> list[Address]:
        try:
            async with asyncio.timeout(RESOLVE_SECONDS):
                answers = await self._lookup(entry.name, account)
        except TimeoutError:
            raise Refused(Reason.UNRESOLVABLE, f"{entry.name} was not resolved in {RESOLVE_SECONDS:.0f} s") from None
        except (OSError, UnicodeError) as error:
            raise Refused(Reason.UNRESOLVABLE, f"{entry.name}: {error}") from None
        return judged(answers)

    async def _lookup(self, name: str, account: str) -> list[str]:
        places = self._places.setdefault(account, asyncio.Semaphore(_LOOKUPS_PER_ACCOUNT))
        await places.acquire()
        lookup = asyncio.get_running_loop().run_in_executor(self._threads, _getaddrinfo, name)
        # Given back when the thread is free, not when we stop waiting for it.
        lookup.add_done_callback(lambda done: _release(places, done))
        return await asyncio.shield(lookup)


def judged(answers: list[str]) -> list[Address]:
    """The addresses, if every one of them may be dialled: one bad answer among good ones is how rebinding looks."""
    own = own_addresses()
    for answer in answers:
        if why := refusal(answer, own):
            raise Refused(Reason.FORBIDDEN_ADDRESS, f"{answer}: {why}")
    if not answers:
        raise Refused(Reason.UNRESOLVABLE, "no addresses")
    return [ip_address(answer) for answer in answers]


def own_addresses() -> frozenset[Address]:
    """The addresses of every interface of this machine (rtnetlink(7), RTM_GETADDR)."""
    found: set[Address] = set()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as kernel:
        kernel.settimeout(1)
        kernel.bind((0, 0))
        get_address, request_dump = 22, 0x301
        kernel.send(struct.pack("=IHHII8x", 24, get_address, request_dump, 1, 0))
        while _collect(kernel.recv(1 << 17), found):
            pass
    return frozenset(found)


def _collect(packet: bytes, found: set[Address]) -> bool:
    """Take the addresses out of one packet; whether more will follow."""
    done, error, address_kinds = 3, 2, (1, 2)  # NLMSG_DONE, NLMSG_ERROR, IFA_ADDRESS and IFA_LOCAL
    at = 0
    while at + 16 <= len(packet):
        length, kind = struct.unpack_from("=IH", packet, at)
        if kind == error:
            raise OSError(errno.EPERM, "the kernel does not tell its addresses")
        if kind == done or length < 16:
            return False
        inside, end = at + 24, at + length
        while inside + 4 <= end:
            size, attribute = struct.unpack_from("=HH", packet, inside)
            if attribute in address_kinds and size in (8, 20):
                found.add(ip_address(packet[inside + 4 : inside + size]))
            inside += max((size + 3) & ~3, 4)
        at += (length + 3) & ~3
    return True


def _release(places: asyncio.Semaphore, done: "asyncio.Future[list[str]]") -> None:
    places.release()
    if not done.cancelled():
        done.exception()  # Taken note of: one that nobody waits for any more is no news.


def _getaddrinfo(name: str) -> list[str]:
    answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


async def _connect(address: Address, port: int) -> socket.socket:
    dialled = socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET, socket.SOCK_STREAM)
    try:
        dialled.setblocking(False)
        dialled.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        dialled.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        await asyncio.get_running_loop().sock_connect(dialled, (str(address), port))
    except BaseException:
        dialled.close()
        raise
    return dialled
