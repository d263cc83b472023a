"""PostgreSQL's dates, times and durations as ISO 8601, exact where Python's types are not.

Those know no months, no year before 1 or after 9999 and no 24:00, and asyncpg takes 9999-12-31 for infinity. So the driver is told to hand
over what PostgreSQL itself counts: days and microseconds since 2000-01-01.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
_EPOCH = date(2000, 1, 1).toordinal()
_NEVER = {2**31 - 1: "infinity", -(2**31): "-infinity", 2**63 - 1: "infinity", -(2**63): "-infinity"}
_DURATION = re.compile(
    r"(-?)P(?:(-?\d+)Y)?(?:(-?\d+)M)?(?:(-?\d+)W)?(?:(-?\d+)D)?(?:T(?:(-?\d+)H)?(?:(-?\d+)M)?(?:(-?\d+)(?:\.(\d{1,6})\d*)?S)?)?", re.ASCII
)


def day(number: int) -> str:
    """Of the days since 2000-01-01; with ` BC` for years before 1, as PostgreSQL writes them."""
    if number in _NEVER:
        return _NEVER[number]
    if 1 <= number + _EPOCH <= date.max.toordinal():
        return date.fromordinal(number + _EPOCH).isoformat()
    # Years of 365.2425 days that begin in March, in periods of 400 (the proleptic Gregorian calendar, which PostgreSQL uses).
    period, left = divmod(number + 730_425, 146_097)
    year = (left - left // 1460 + left // 36_524 - left // 146_096) // 365
    left -= 365 * year + year // 4 - year // 100
    month = (5 * left + 2) // 153
    left -= (153 * month + 2) // 5
    year, month = (400 * period + year, month + 3) if month < 10 else (400 * period + year + 1, month - 9)
    return f"{year if year > 0 else 1 - year:04}-{month:02}-{left + 1:02}{'' if year > 0 else ' BC'}"


def clock(microseconds: int) -> str:
    seconds, fraction = divmod(microseconds, _SECOND)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{f'.{fraction:06}' if fraction else ''}"


def moment(microseconds: int, zone: str = "") -> str:
    if microseconds in _NEVER:
        return _NEVER[microseconds]
    days, rest = divmod(microseconds, _DAY)
    at, space, era = day(days).partition(" ")
    return f"{at}T{clock(rest)}{zone}{space}{era}"


def zoned(microseconds: int, west: int) -> str:
    """A time of day with its zone, in seconds west of UTC."""
    hours, rest = divmod(abs(west), 3600)
    return f"{clock(microseconds)}{'-' if west > 0 else '+'}{hours:02}:{rest // 60:02}{f':{rest % 60:02}' if rest % 60 else ''}"


def duration(months: int, days: int, microseconds: int) -> str:
    """Such as P1Y2M3DT4H5M6.5S; each part has its own sign, because a month is no number of days."""
    sign = -1 if microseconds < 0 else 1
    seconds, fraction = divmod(abs(microseconds), _SECOND)
    years, months = (abs(months) // 12 * (-1 if months < 0 else 1), abs(months) % 12 * (-1 if months < 0 else 1))
    dated = "".join(f"{number}{unit}" for number, unit in ((years, "Y"), (months, "M"), (days, "D")) if number)
    timed = "".join(f"{sign * number}{unit}" for number, unit in ((seconds // 3600, "H"), (seconds // 60 % 60, "M")) if number)
    if seconds % 60 or fraction:
        timed += f"{'-' if sign < 0 else ''}{seconds % 60}{f'.{fraction:06}'.rstrip('0') if fraction else ''}S"
    return f"P{dated}{'T' if timed else ''}{timed}" if dated or timed else "PT0S"


def parts_of(text: str) -> tuple[int, int, int]:
    """Months, days and microseconds of an ISO 8601 duration.

    Raises:
        ValueError: it is none.
    """
    found = _DURATION.fullmatch(text)
    if found is None or text.endswith(("P", "T")):
        raise ValueError(text)
    sign = -1 if found[1] else 1
    years, months, weeks, days, hours, minutes, seconds = (int(found[number] or 0) for number in range(2, 9))
    fraction = int((found[9] or "").ljust(6, "0")) * (-1 if (found[8] or "").startswith("-") else 1)
    return sign * (12 * years + months), sign * (7 * weeks + days), sign * ((hours * 3600 + minutes * 60 + seconds) * _SECOND + fraction)


def _counted(value: time) -> int:
    return (value.hour * 3600 + value.minute * 60 + value.second) * _SECOND + value.microsecond


def _since(value: datetime) -> int:
    return (value - datetime(2000, 1, 1, tzinfo=UTC if value.tzinfo else None)) // timedelta(microseconds=1)


def _west(value: time) -> int:
    return -int((value.utcoffset() or timedelta()).total_seconds())


Codec = tuple[str, int, Callable[[Any], tuple[int, ...]], Callable[[tuple[int, ...]], str]]
CODECS: tuple[Codec, ...] = (
    # Name, number (PostgreSQL, pg_type.dat; it never changes), and between Python's or our value and the driver's tuple.
    ("date", 1082, lambda value: (value.toordinal() - _EPOCH,), lambda given: day(*given)),
    ("time", 1083, lambda value: (_counted(value),), lambda given: clock(*given)),
    ("timestamp", 1114, lambda value: (_since(value),), lambda given: moment(given[0])),
    ("timestamptz", 1184, lambda value: (_since(value),), lambda given: moment(given[0], "+00:00")),
    ("interval", 1186, lambda value: value, lambda given: duration(*given)),
    ("timetz", 1266, lambda value: (_counted(value), _west(value)), lambda given: zoned(*given)),
)
