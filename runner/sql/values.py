"""Values of a database as JSON values: exact, and the same for every kind of database.

Numbers that a double cannot hold become text, so do decimals; dates are ISO 8601, bytes base64, JSON stays JSON. Times and durations are
text already when they come from a driver.
"""

import base64
import math
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

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
        return plain(msgspec.json.decode(document))
    except (msgspec.DecodeError, RecursionError):
        return plain(document)
