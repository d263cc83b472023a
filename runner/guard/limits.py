"""How often one grant and one address may do something, and how much at once. Pure; the time is an argument."""

from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address

GRANTS_PER_ADDRESS = 10
"""An address may call as much as ten grants: cloud clients call for many people from one."""
REFUSED_PER_MINUTE = 100
CALLS_AT_ONCE, OF_A_PERSON = 16, 32
"""Calls that run of one grant, and of all grants of one person: half of what a server runs, for grants cost nothing."""
MAX_KEYS = 10_000
UNKNOWN = "unknown"

_MINUTE = 60.0
# A hundred times 0.6 s is a little more than a minute in binary fractions; the hundredth call must not fall to that.
_ROUNDING = 1e-4


class Meter:
    """A token bucket per key: a minute's worth at once, which comes back at the same rate.

    A bucket is kept as the moment at which it is full again, so that a rate that changes applies to it from then on. The least
    recently used of more than `keys` are forgotten, which fills them.
    """

    def __init__(self, keys: int = MAX_KEYS) -> None:
        self._keys = keys
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def wait(self, key: str, per_minute: float, now: float) -> float:
        """Seconds until one more is possible; 0 if it is now. Takes nothing."""
        wait = self._full_at.get(key, now) - now + _MINUTE / per_minute - _MINUTE
        return wait if wait > _ROUNDING else 0.0

    def take(self, key: str, per_minute: float, now: float) -> None:
        """Count one."""
        full_at = self._full_at
        at = full_at.pop(key, now)
        # Never more than empty: what is counted although it had to wait must not bar anybody for longer than a minute.
        at = (at if at > now else now) + _MINUTE / per_minute
        full_at[key] = at if at < now + _MINUTE else now + _MINUTE
        if len(full_at) > self._keys:
            full_at.popitem(last=False)

    def __len__(self) -> int:
        return len(self._full_at)


class Limits:
    """What one server grants its callers; `now` is monotonic seconds, `calls_per_minute` is asked at every call, for it may change."""

    def __init__(self, calls_per_minute: Callable[[], int], *, keys: int = MAX_KEYS) -> None:
        self._calls_per_minute = calls_per_minute
        self._grants, self._addresses, self._refused = Meter(keys), Meter(keys), Meter(keys)
        self._of_grants: dict[str, int] = {}
        self._of_people: dict[str, int] = {}

    def admit(self, *, grant: str, address: str, now: float) -> float | None:
        """Count one tool call: None, or the seconds to wait. A call that has to wait is counted nowhere."""
        rate = self._calls_per_minute()
        together = rate * GRANTS_PER_ADDRESS
        wait = max(self._grants.wait(grant, rate, now), self._addresses.wait(address, together, now))
        if wait:
            return wait
        self._grants.take(grant, rate, now)
        self._addresses.take(address, together, now)
        return None

    def barred(self, address: str, now: float) -> float | None:
        """The seconds an address has to wait before another token that is not known already is looked at; None: it may be."""
        return self._refused.wait(address, REFUSED_PER_MINUTE, now) or None

    def refused(self, address: str, now: float) -> None:
        """Count a token that was refused."""
        self._refused.take(address, REFUSED_PER_MINUTE, now)

    def enter(self, grant: str, person: str) -> bool:
        """Begin a call; False: `CALLS_AT_ONCE` of its grant are running, or `OF_A_PERSON`. Each that began ends with `leave`."""
        of_grant, of_person = self._of_grants.get(grant, 0), self._of_people.get(person, 0)
        if of_grant >= CALLS_AT_ONCE or of_person >= OF_A_PERSON:
            return False
        self._of_grants[grant], self._of_people[person] = of_grant + 1, of_person + 1
        return True

    def leave(self, grant: str, person: str) -> None:
        for running, key in ((self._of_grants, grant), (self._of_people, person)):
            running[key] -= 1
            if not running[key]:
                del running[key]


@lru_cache(maxsize=1024)
def address_of(header: bytes | None) -> str:
    """Who asks, as far as limits go: what Caddy put into `X-Forwarded-For`, of IPv6 the network, since one customer has a whole /64.

    Only Caddy dials the public socket, and it replaces what a client claims in this header.
    """
    try:
        address = ip_address((header or b"").decode("ascii"))
    except ValueError:
        return UNKNOWN
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Network((int(address), 64), strict=False))
