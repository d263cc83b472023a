"""Values of a database as JSON values: exact, and the same for every kind of database.

Numbers that a double cannot hold become text, so do decimals; dates and times are ISO 8601, bytes base64, JSON stays JSON.
"""

import base64
import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

# What every JSON reader keeps exactly (RFC 8259 section 6).
MOST_EXACT = 2**53 - 1


def plain(value: Any) -> Any:
    """The JSON value of what a driver gives."""
    match value:
        case None | bool() | str():
            return value
        case int():
            return value if -MOST_EXACT <= value <= MOST_EXACT else str(value)
        case float():
            return value if math.isfinite(value) else str(value)
        case Decimal():
            return format(value, "f") if value.is_finite() else str(value)
        case datetime() | date() | time():
            return _moment(value)
        case timedelta():
            return duration(value)
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(value).decode()
        case Mapping():
            return {str(key): plain(each) for key, each in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(each) for each in value]
        case _:
            return str(value)


def _moment(value: datetime | date | time) -> str:
    # asyncpg gives the ends of Python's calendar for PostgreSQL's infinities.
    if isinstance(value, datetime):
        bare = value.replace(tzinfo=None)
        if bare in (datetime.max, datetime.min):
            return "infinity" if bare == datetime.max else "-infinity"
    elif value in (date.max, date.min):
        return "infinity" if value == date.max else "-infinity"
    return value.isoformat()


def duration(value: timedelta) -> str:
    """ISO 8601, such as P1DT2H30M5.5S; a negative one has its sign in front."""
    if value < timedelta():
        return f"-{duration(-value)}"
    hours, rest = divmod(value.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    exact = f"{seconds}.{value.microseconds:06d}".rstrip("0").rstrip(".") if value.microseconds else str(seconds)
    days = f"{value.days}D" if value.days else ""
    parts = f"{hours}H" * bool(hours) + f"{minutes}M" * bool(minutes) + f"{exact}S" * (exact != "0")
    return f"P{days}T{parts}" if parts else f"P{days or 'T0S'}"
