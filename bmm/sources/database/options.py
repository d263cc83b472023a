"""How a database becomes a spec: what the person who compiles it may choose."""

import re
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from msgspec import Struct

from bmm.errors import BadInput
from runner.contract import HOST_NAME, DatabaseKind

SENSIBLE_TABLES = 20
_KINDS: dict[str, DatabaseKind] = {
    "postgresql": "postgresql", "postgres": "postgresql", "mysql": "mysql", "mariadb": "mysql", "sqlite": "sqlite",
}  # fmt: skip
_ELSEWHERE = frozenset(
    ("host", "hostaddr", "port", "user", "password", "dbname", "passfile", "service", "servicefile", "options", "sslcert", "sslkey", "sslpassword",
     "unix_socket", "socket", "init_command", "local_infile", "allow_local_infile", "allowloadlocalinfile", "read_default_file")
)  # fmt: skip
"""What drivers take from a URL's query, and which would lead to another place, another user or a file than the URL says."""
_PORTS = {"postgresql": 5432, "mysql": 3306, "sqlite": 0}


class Options(Struct, frozen=True, kw_only=True):
    """`tables` and `writes` are globs of `name` or `schema.name`; `queries` are names and texts of the owner's own tools."""

    name: str | None = None
    known_as: str | None = None
    schemas: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    queries: tuple[tuple[str, str], ...] = ()
    max_tables: int = SENSIBLE_TABLES
    tls: bool = True
    trust: str = ""
    password: str = ""
    """For a URL without one, so that it needs not stand in the history of a shell."""
    address: str = ""
    """What the name in the URL leads to, where that was judged before; nothing else is dialled."""


class Place(Struct, frozen=True, kw_only=True):
    """Where a database is, and as whom to ask it; `name` is what the spec says. A SQLite file has only its `path`."""

    kind: DatabaseKind
    host: str = ""
    name: str = ""
    port: int = 0
    database: str = ""
    user: str = ""
    password: str = ""
    tls: bool = True
    path: Path = Path()
    address: str = ""

    @property
    def place(self) -> str:
        """The name, with a port that is not the usual one: behind another port is another database."""
        return self.name if self.port == _PORTS[self.kind] else f"{self.name}:{self.port}"

    @property
    def dialled(self) -> str:
        return self.address or self.host


def place_of(url: str, options: Options) -> Place:
    """The parts of `postgresql://user:password@host:port/database`, `mysql://…` or a SQLite file (`sqlite:///path` or its path).

    Raises:
        BadInput: says what is missing; never shows the password.
    """
    if "\0" in unquote(url):
        raise BadInput("A database's address has no NUL character; write it without %00")
    scheme, separator, rest = url.partition("://")
    if not separator:
        return Place(kind="sqlite", path=Path(url))
    kind = _KINDS.get(scheme.lower().partition("+")[0])
    if kind == "sqlite":
        return Place(kind="sqlite", path=Path(unquote(rest.removeprefix("/"))))
    if kind is None:
        raise BadInput(f"{scheme[:40]}:// is not a database; postgresql://, mysql://, mariadb:// and sqlite:/// are")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _PORTS[kind]
    except ValueError:
        raise BadInput("The URL of the database has a port that is no number, or a character that must be percent-encoded") from None
    if not host or not parts.username:
        raise BadInput(f"The URL needs a user and a host, such as {kind}://reader@db.example.com/shop")
    asked = {key.lower(): values for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
    if elsewhere := sorted(_ELSEWHERE & set(asked)):
        raise BadInput(f"The URL of the database has `{elsewhere[0]}` in its query, which is not read there; take it out")
    if parts.fragment:
        raise BadInput("The URL of the database has a # that must be percent-encoded (%23)")
    off = any(asked.get(name, [""])[-1].lower() in ("disable", "disabled", "false") for name in ("sslmode", "ssl", "ssl-mode"))
    name = (options.known_as or host).lower()
    if not re.fullmatch(HOST_NAME, name) or name.rsplit(".", 1)[-1].isdigit():
        raise BadInput(f"{name} is not a name; servers reach hosts by names. Give it one with --known-as db.internal, or by the API with egress_exceptions")
    user = unquote(parts.username)
    # Without one PostgreSQL takes the user's own; MySQL and MariaDB have none to take.
    unnamed = user if kind == "postgresql" else next(iter(options.schemas), "")
    return Place(
        kind=kind, host=host, name=name, port=port, database=unquote(parts.path.removeprefix("/")) or unnamed, user=user,
        password=unquote(parts.password or "") or options.password, tls=options.tls and not off, address=options.address,
    )  # fmt: skip
