"""How much one server may use the way out: connections at once, new ones per second, bytes per day. Pure; the time is an argument."""

from datetime import date

from bmm.egress.rules import EgressRules

_ANSWERS_PER_SECOND = 100


class Bucket:
    """Tokens that come back at a steady rate."""

    def __init__(self, *, per_second: float, size: float, now: float) -> None:
        self._left, self._at = size, now
        self.resize(per_second=per_second, size=size)

    def resize(self, *, per_second: float, size: float) -> None:
        self._per_second, self._size = per_second, size

    def take(self, now: float) -> bool:
        self._left = min(self._size, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Meter:
    """Counts for one account; the bytes of a day are forgotten when the gateway restarts."""

    def __init__(self, rules: EgressRules, now: float) -> None:
        self.open = 0
        self.refused = 0
        self.up = self.down = 0
        self._new = Bucket(per_second=rules.new_per_second, size=rules.burst, now=now)
        self._answers = Bucket(per_second=_ANSWERS_PER_SECOND, size=_ANSWERS_PER_SECOND, now=now)
        self._day: date | None = None
        self._today = 0
        self.change(rules)

    def change(self, rules: EgressRules) -> None:
        """Apply other limits from now on."""
        self.rules = rules
        self._new.resize(per_second=rules.new_per_second, size=rules.burst)

    def admit(self, now: float) -> str | None:
        """Count one more connection, or say which limit forbids it."""
        rules = self.rules
        if self.open >= rules.max_connections:
            return f"{rules.max_connections} connections are open"
        if self.is_spent:
            return "the bytes of this day are used up"
        if not self._new.take(now):
            return f"more than {rules.new_per_second:g} new connections per second"
        self.open += 1
        return None

    def may_be_told(self, now: float) -> bool:
        """Whether one more refused connection gets an answer and a line in the log; a flood gets neither."""
        return self._answers.take(now)

    def count(self, *, up: int = 0, down: int = 0) -> None:
        self.up += up
        self.down += down
        self._today += up + down

    def turn_day(self, today: date) -> None:
        """Begin a new day's allowance, if it is one."""
        if today != self._day:
            self._day, self._today = today, 0

    @property
    def is_spent(self) -> bool:
        return self._today >= self.rules.max_bytes_per_day
