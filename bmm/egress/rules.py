"""The rules: which destinations a container may reach and how much; written by `bmm serve`, read by the egress gateway.

A file that is missing, unreadable or wrong allows nothing.
"""

import os
import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from runner.contract import HOST_NAME, Protocol

_ID = r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$"


class EgressEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One destination, behind `<index>.sock`. `address` is an operator's exception: dialled as it is, never resolved or judged."""

    index: Annotated[int, Meta(ge=0, le=9999)]
    name: Annotated[str, Meta(pattern=HOST_NAME)]
    port: Annotated[int, Meta(ge=1, le=65535)]
    plain: bool = False
    protocol: Protocol = "http"
    address: str | None = None

    def __post_init__(self) -> None:
        # A resolver reads `127.1` and `0x7f.1` as addresses; a name must end in something that is not a number.
        if re.search(r"(^|\.)(\d+|0x[0-9a-f]*)$", self.name) or not self.name.isprintable():
            raise ValueError(f"{self.name} is an address, not a name")
        if self.address is not None:
            ip_address(self.address)

    @property
    def place(self) -> str:
        return f"{self.name}:{self.port}"

    @property
    def exception(self) -> IPv4Address | IPv6Address | None:
        return None if self.address is None else ip_address(self.address)


class EgressRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything one container (or, without `container_id`, one server) may reach, and its limits.

    Limits are counted per `server_id`, so two versions of a server share them; seconds unless the name says otherwise.
    """

    entries: tuple[EgressEntry, ...]
    server_id: Annotated[str, Meta(pattern=_ID)] | None = None
    container_id: Annotated[str, Meta(pattern=_ID)] | None = None
    max_connections: Annotated[int, Meta(ge=0)] = 64
    max_bytes_per_day: Annotated[int, Meta(ge=0)] = 1_000_000_000
    new_per_second: Annotated[float, Meta(gt=0)] = 10.0
    burst: Annotated[int, Meta(ge=1)] = 50
    opening_seconds: Annotated[float, Meta(gt=0)] = 5.0
    idle_seconds: Annotated[float, Meta(gt=0)] = 300.0

    def __post_init__(self) -> None:
        if self.server_id is None and self.container_id is None:
            raise ValueError("rules need a server_id or a container_id")
        if len({entry.index for entry in self.entries}) != len(self.entries):
            raise ValueError("two entries have the same index")

    @property
    def key(self) -> str:
        """The name of the rules' file and of the folder with the sockets, `run/out/<key>/`."""
        return self.container_id or self.server_id or ""

    @property
    def account(self) -> str:
        """Whose limits count."""
        return self.server_id or self.key


def write_rules(data: Path, rules: EgressRules) -> None:
    """Put rules in place, whole or not at all, and on disk; then call `EgressControl.reload`."""
    folder = _folder(data)
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f".{rules.key}.new"
    with open(fresh, "wb") as file:
        file.write(msgspec.json.encode(rules))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(folder / f"{rules.key}.json")
    _sync(folder)


def remove_rules(data: Path, key: str) -> None:
    """Take rules away: the gateway cuts what is open within seconds, at once after `EgressControl.reload`."""
    (_folder(data) / f"{key}.json").unlink(missing_ok=True)


def read_rules(data: Path) -> tuple[dict[str, EgressRules], dict[str, str]]:
    """All rules by key, and what is wrong with the files that were left out."""
    rules: dict[str, EgressRules] = {}
    wrong: dict[str, str] = {}
    for path in sorted(_folder(data).glob("*.json")):
        try:
            one = msgspec.json.decode(path.read_bytes(), type=EgressRules)
            if one.key != path.stem:
                raise ValueError(f"these are the rules of {one.key}")
        except (OSError, ValueError, msgspec.DecodeError, RecursionError) as error:
            wrong[path.name] = str(error)
        else:
            rules[one.key] = one
    return rules, wrong


def fingerprint(data: Path) -> frozenset[tuple[str, int, int]]:
    """Changes whenever a file of rules is added, replaced or removed: every replacement is a new inode."""
    try:
        with os.scandir(_folder(data)) as files:
            return frozenset((file.name, file.inode(), file.stat().st_mtime_ns) for file in files if file.name.endswith(".json"))
    except OSError:  # Not there, not readable, or changing at this very moment: looked at again in a second.
        return frozenset()


def _folder(data: Path) -> Path:
    return data / "egress"


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
