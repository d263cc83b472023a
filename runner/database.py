"""The databases of a spec, and the tools that ask them."""

import re
import ssl
from typing import Annotated, Literal

from msgspec import Meta, Struct

from runner.statement import DatabaseKind, StatementError, parse_query

DATABASE_NAME = r"^[a-z][a-z0-9_]{0,31}$"
MAX_DATABASES = 8
MAX_TRUST_BYTES = 512 * 1024
PORTS: dict[DatabaseKind, int] = {"postgresql": 5432, "mysql": 3306}


class Database(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A database that `sql` tools name; its host and port are among the spec's hosts, with its kind as the protocol.

    `mysql` means MariaDB as well. A SQLite database is a `file` that travels with the server: the SHA-256 of what was uploaded.
    """

    name: Annotated[str, Meta(pattern=DATABASE_NAME)]
    kind: DatabaseKind
    host: str = ""
    port: Annotated[int, Meta(ge=0, le=65535)] = 0
    """0 is the usual one of its kind."""
    database: str = ""
    """What the server calls it."""
    user: str = ""
    password: str | None = None
    """The key of a secret."""
    tls: Literal["verify", "off"] = "verify"
    """`verify`: the certificate must be trusted and made out for `host`."""
    trust: Annotated[str, Meta(max_length=MAX_TRUST_BYTES)] = ""
    """Certificates (PEM) to trust instead of the system's, for a database with an authority of its own."""
    file: Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?$")] = ""

    @property
    def reached_port(self) -> int:
        return self.port or PORTS[self.kind]


def problem_of_database(database: Database) -> tuple[str, str] | None:
    """What contradicts itself in one entry: a sentence and the field; None where nothing does."""
    if not re.fullmatch(DATABASE_NAME, database.name):
        return f"{database.name!r} does not match {DATABASE_NAME}", "name"
    if database.kind == "sqlite":
        if not re.fullmatch(r"[0-9a-f]{64}", database.file):
            return "a SQLite database needs `file`, the SHA-256 of its content; `bmm deploy` puts it in place of a path", "file"
        return None
    if not database.host or not database.user or (not database.database and database.kind == "postgresql"):
        missing = "host" if not database.host else "user" if not database.user else "database"
        return f"the database {database.name!r} lacks its {missing}", missing
    if odd := next((field for field in ("database", "user") if "\0" in getattr(database, field)), None):
        return f"the {odd} of {database.name!r} holds a NUL character, which no database takes", odd
    if database.file:
        return f"only a SQLite database has a file; take it out of {database.name!r}", "file"
    return None if _holds_certificates(database.trust) else ("`trust` holds no certificates; give them as PEM", "trust")


def _holds_certificates(trust: str) -> bool:
    try:
        if trust:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=trust)
    except (ssl.SSLError, TypeError):  # TypeError: not ASCII
        return False
    return True


def problem_of_query(query: str, kind: DatabaseKind, *, read_only: bool, arguments: frozenset[str]) -> str | None:
    """Why a query cannot be used with these arguments, in words for the author; None where it can."""
    if kind == "sqlite" and not read_only:
        return "a SQLite file travels with the server and can only be read"
    try:
        statement = parse_query(query, kind, read_only=read_only)
    except StatementError as error:
        return str(error)
    names = frozenset(statement.names)
    if unknown := sorted(names - arguments):
        return f":{unknown[0]} is not among the properties of the input schema"
    if unused := sorted(arguments - names):
        return f"the argument {unused[0]!r} is not used in the query"
    return None
