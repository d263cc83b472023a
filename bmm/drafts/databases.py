"""A database that somebody names by the API: its catalogue is read by a process of its own, under the rules of egress, with bounds on time and size.

What answers may be anything: a database that sends without end, that says nothing, or that is none at all.
"""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
from msgspec import Struct

import bmm
from bmm.config import Config
from bmm.core.draft import DatabaseWish
from bmm.egress.classify import refusal
from bmm.egress.dial import own_addresses
from bmm.errors import BadInput, EngineFailed
from bmm.sources import Compiled, compile_database
from bmm.sources.credentials import Credentials
from bmm.sources.database import PASSWORD
from bmm.sources.database.options import Options, Place, place_of
from bmm.sources.finding import Finding
from runner.contract import ServerSpec

SECONDS = 45
_MOST_BYTES = 8 * 1024 * 1024
"""Of the spec that comes of it."""
_MOST_MEMORY = 640 * 1024 * 1024
_PASSED = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Of our environment: whom to trust. Drivers would take hosts, users, passwords and files from the rest."""


class _Asked(Struct, frozen=True, kw_only=True):
    """What the process is told, on its standard input. `exceptions` and `plain` are what the operator has allowed."""

    wish: DatabaseWish
    exceptions: dict[str, str]
    plain: tuple[str, ...]


class _Said(Struct, frozen=True, kw_only=True):
    """What it answers: a spec with its findings, or a sentence."""

    spec: ServerSpec | None = None
    findings: tuple[Finding, ...] = ()
    error: str = ""


def where_of(wish: DatabaseWish) -> Place:
    """Where a database is that a program names.

    Raises:
        BadInput: it is a file, which lies elsewhere, or the URL cannot be used; nothing of a password is said.
    """
    place = place_of(wish.url, options_of(wish))
    if place.kind == "sqlite":
        file = "of a SQLite file, which the appliance does not read by its path, `bmm new --database FILE` sends a copy"
        raise BadInput(f"A database is named as postgresql://USER@HOST/NAME or mysql://…; {file}")
    return place


def options_of(wish: DatabaseWish, *, address: str = "") -> Options:
    return Options(
        schemas=wish.schemas, tables=wish.tables, writes=wish.writes, max_tables=wish.max_tables, trust=wish.trust, password=wish.password, address=address
    )


def read_database(wish: DatabaseWish, config: Config) -> Compiled:
    """The spec of a database, made in a process that has `SECONDS` and a bounded memory.

    Raises:
        BadInput: it may not be reached, cannot be asked, or is too much to read.
        EngineFailed: no process could be started.
    """
    place = where_of(wish)
    asked = msgspec.json.encode(_Asked(wish=wish, exceptions=config.egress_exceptions, plain=config.egress_plain_http))
    home = str(Path(bmm.__file__).resolve().parent.parent)
    path = os.pathsep.join([home, *filter(None, [os.environ.get("PYTHONPATH")])])
    # Search domains would turn a name that does not exist into another one (resolv.conf(5)).
    environ = {"PYTHONPATH": path, "LOCALDOMAIN": ".", "HOME": "/nonexistent", **{name: os.environ[name] for name in _PASSED if name in os.environ}}
    # -P: no module is imported from the folder where we happen to be.
    line = [sys.executable, "-P", "-B", "-c", "from bmm.drafts.databases import main; main()"]
    name = f"{place.name}:{place.port}"
    try:
        done = subprocess.run(line, input=asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=SECONDS + 5, check=False, env=environ, cwd="/")
        said = msgspec.json.decode(done.stdout, type=_Said)
    except OSError as error:
        raise EngineFailed(f"The database could not be read: {error.strerror}") from error
    except (subprocess.TimeoutExpired, msgspec.MsgspecError):
        raise BadInput(f"{name} takes more than {SECONDS} s or too much memory to be read; name a schema and tables") from None
    if said.spec is None:
        raise BadInput(said.error)
    return Compiled(spec=said.spec, findings=said.findings, seen=Credentials({PASSWORD: place.password} if place.password else {}))


def main() -> None:
    """The process: one question on standard input, one answer on standard output."""
    signal.alarm(SECONDS)  # also where whoever asked is gone
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=_Asked)
    said = msgspec.json.encode(_answer(asked))
    if len(said) > _MOST_BYTES:
        said = msgspec.json.encode(_Said(error=f"What comes of the database has more than {_MOST_BYTES // 1024**2} MiB; name a schema and tables"))
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.buffer.write(said)
        sys.stdout.buffer.flush()


def _answer(asked: _Asked) -> _Said:
    place = where_of(asked.wish)
    try:
        address = _judged(place, asked)
        found = compile_database(asked.wish.url, options=options_of(asked.wish, address=address))
    except BadInput as error:
        return _Said(error=error.user_message)
    except MemoryError:
        return _Said(error=f"{place.name}:{place.port} takes too much memory to be read; name a schema and tables")
    except Exception as error:  # whatever a driver makes of a server that is none
        return _Said(error=f"{place.name}:{place.port} does not answer as a database of this kind does ({type(error).__name__})")
    return _Said(spec=found.spec, findings=found.findings)


def _judged(place: Place, asked: _Asked) -> str:
    """The one address that is dialled: what the operator has written down, or a public one.

    Raises:
        BadInput: the name leads to where nothing may go, or it would be asked without TLS and nobody has allowed that.
    """
    key = f"{place.name}:{place.port}"
    if not place.tls and key not in asked.plain:
        raise BadInput(f'{key} would be asked without TLS. An operator can allow that with egress_plain_http = ["{key}"] in the settings')
    if key in asked.exceptions:
        return asked.exceptions[key]
    try:
        found = socket.getaddrinfo(place.name, place.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise BadInput(f"{place.name} cannot be resolved: {getattr(error, 'strerror', None) or error}") from error
    addresses = list(dict.fromkeys(str(answer[4][0]) for answer in found))
    own = own_addresses()
    for address in addresses:
        if reason := refusal(address, own):
            fix = f'An operator can allow it with egress_exceptions = {{"{key}" = "{address}"}}, and `bmm new --database` reads it from your machine'
            raise BadInput(f"{key} is not asked: {place.name} leads to {address}, which is not public ({reason}). {fix}")
    return addresses[0]
