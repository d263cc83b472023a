"""Values of a database as JSON values: exact, and the same for every kind of database.

Numbers that a double cannot hold become text, so do decimals; dates are ISO 8601, bytes base64, JSON stays JSON. Times and durations are
text already when they come from a driver.
"""

import base64
import math
import struct
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

# What every JSON reader keeps exactly (RFC 8259 section 6).
MOST_EXACT = 2**53 - 1
_NO_NUMBERS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def plain(value: Any) -> Any:
    """The JSON value of what a driver gives."""
    match value:
        case None | bool() | str():
            return value
        case int():
            return value if -MOST_EXACT <= value <= MOST_EXACT else str(value)
        case float():
            return value if math.isfinite(value) else _NO_NUMBERS[str(value)]
        case Decimal():
            return format(value, "f") if value.is_finite() else str(value)
        case date():  # a datetime is one
            return value.isoformat()
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(value).decode()
        case Mapping():
            return {str(key): plain(each) for key, each in value.items()}
        case list() | tuple():
            return [plain(each) for each in value]
        case _:
            return str(value)


def plain_json(document: str | bytes | None) -> Any:
    """The value of a column of JSON; what cannot be read as such stays as it is."""
    if document is None:
        return None
    try:
        return plain(_DOCUMENTS.decode(document))
    except (msgspec.DecodeError, RecursionError):
        return plain(document)


def _number(text: str) -> float | str:
    value = float(text)
    return value if Decimal(repr(value)) == Decimal(text) else text


_DOCUMENTS = msgspec.json.Decoder(float_hook=_number)


def single(value: float | None) -> Any:
    """A number of four bytes with the fewest digits that tell it from others, as the database shows it."""
    if value is None or not math.isfinite(value):
        return plain(value)
    shorter = (float(f"{value:.{digits}g}") for digits in range(1, 9))
    return next((short for short in shorter if struct.pack("f", short) == struct.pack("f", value)), value)
