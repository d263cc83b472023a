"""The settings: one frozen Struct, read from a TOML file and `BMM_…` variables; loading is pure apart from reading that file."""

import os
import tomllib
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, get_args
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from bmm.errors import BadInput

MOST_CALLS_PER_MINUTE = 1_000_000
MODEL_SERVICE = "https://api.anthropic.com"


class Price(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a model costs: US dollars for a million tokens. Left out, writing to the cache costs 1.25 times the input, reading as much as it."""

    input: Annotated[float, Meta(ge=0)]
    output: Annotated[float, Meta(ge=0)]
    cache_write: Annotated[float, Meta(ge=0)] | None = None
    cache_read: Annotated[float, Meta(ge=0)] | None = None


MODEL_KEYS = ("BMM_MODEL_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_CUSTOM_HEADERS")
"""Environment variables that may hold a key of the model's service."""


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every setting with its default; the descriptions are what `bmm config` and docs/configuration.md print."""

    public_url: Annotated[str, Meta(description="The origin under which browsers and AI clients reach the appliance, without a path.")] = (
        "http://localhost:8080"
    )
    listen: Annotated[str, Meta(description="Address and port Caddy listens on.")] = "127.0.0.1:8080"
    data_dir: Annotated[str, Meta(description="Where the database, keys, bundles and event files are kept.")] = ""
    run_dir: Annotated[str, Meta(description="Where the sockets are; at most 31 bytes long and on a local disk.")] = ""
    runtime_dir: Annotated[str, Meta(description="The unpacked runtime that containers share; empty: `runtime` in data_dir.")] = ""
    allow_unenforced_limits: Annotated[
        bool, Meta(description="Run servers on a host that cannot enforce CPU and memory limits (cgroup v1).")
    ] = False
    memory_mb: Annotated[int, Meta(ge=64, description="Memory limit of one server, in MiB.")] = 512
    cpus: Annotated[float, Meta(gt=0, description="CPU limit of one server, in cores.")] = 0.5
    pids: Annotated[int, Meta(ge=16, description="Most processes and threads in one server.")] = 64
    calls_per_minute: Annotated[
        int,
        Meta(ge=1, le=MOST_CALLS_PER_MINUTE, description="Tool calls per minute of one grant, where a server has no limit of its own."),
    ] = 100
    oci_runtime: Annotated[str, Meta(description="The OCI runtime podman uses: crun, runc or auto (the first one that works here).")] = (
        "auto"
    )
    podman: Annotated[str, Meta(description="The podman executable.")] = "podman"
    caddy: Annotated[str, Meta(description="The caddy executable.")] = "caddy"
    egress_exceptions: Annotated[
        dict[str, str],
        Meta(description='Names that may lead to a private address: "name:port" = "address". An administrator vouches for each.'),
    ] = {}
    egress_plain_http: Annotated[tuple[str, ...], Meta(description='Destinations ("name:port") that may be reached without TLS.')] = ()
    code_checks: Annotated[
        str,
        Meta(
            pattern="^(enforce|report)$",
            description="Whether Python code outside the grammar of docs/checks.md stops a build (enforce) or is only reported (report).",
        ),
    ] = "enforce"
    model_key: Annotated[
        str,
        Meta(
            description="The key of the model's service; without it `ANTHROPIC_API_KEY` counts, for Anthropic's own service. Never printed."
        ),
    ] = ""
    model_base_url: Annotated[
        str, Meta(description="Where the model is asked: anything that speaks the Messages protocol, also on this machine.")
    ] = MODEL_SERVICE
    model_draft: Annotated[str, Meta(min_length=1, description="The model that drafts, changes and curates servers.")] = "claude-sonnet-5-5"
    model_repair: Annotated[str, Meta(min_length=1, description="The model that corrects a draft that did not pass the checks.")] = (
        "claude-sonnet-5-5"
    )
    model_effort: Annotated[
        str,
        Meta(
            pattern="^(|low|medium|high|xhigh|max)$",
            description="How much the model thinks: low, medium, high, xhigh or max; empty: as the model's service decides.",
        ),
    ] = ""
    model_max_tokens: Annotated[int, Meta(ge=1000, le=1_000_000, description="Most tokens of one answer, thinking included.")] = 32_000
    model_timeout: Annotated[
        float, Meta(gt=0, le=3600, description="Seconds the model may say nothing before the request is given up.")
    ] = 120.0
    model_deadline: Annotated[float, Meta(gt=0, le=7200, description="Seconds one answer may take in all.")] = 900.0
    model_daily_usd: Annotated[
        float, Meta(ge=0, description="US dollars that may be spent on the model in one day (UTC); 0 switches the model off.")
    ] = 5.0
    model_prices: Annotated[
        dict[str, Price],
        Meta(description="What models cost, in US dollars for a million tokens; adds to the prices that are built in and replaces them."),
    ] = {}
    log_level: Annotated[
        str, Meta(pattern="^(debug|info|warning|error)$", description="How much `bmm serve` writes to standard error.")
    ] = "info"

    def __repr__(self) -> str:
        return f"Config({msgspec.json.encode(self.shown()).decode()})"

    def shown(self) -> "Config":
        """These settings without the value of the key, fit to be printed."""
        return msgspec.structs.replace(self, model_key="(set)" if self.model_key else "")

    @property
    def data(self) -> Path:
        return Path(self.data_dir)

    @property
    def run(self) -> Path:
        return Path(self.run_dir)

    @property
    def runtime(self) -> Path:
        return Path(self.runtime_dir) if self.runtime_dir else self.data / "runtime"

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the public URL."""
        return urlsplit(self.public_url).hostname in ("localhost", "127.0.0.1", "::1")


def config_path(environ: Mapping[str, str]) -> Path:
    """Which file holds the settings: `BMM_CONFIG`, else the system's, else the user's own."""
    if named := environ.get("BMM_CONFIG"):
        return Path(named)
    system = Path("/etc/bmm/bmm.toml")
    return system if system.exists() else _home(environ) / ".config/bmm/bmm.toml"


def load(environ: Mapping[str, str] = os.environ) -> Config:
    """The effective settings: defaults, then the file, then the environment.

    Raises:
        BadInput: the file is not TOML, a setting is unknown or has a wrong value; names the setting and its source.
    """
    path = config_path(environ)
    values: dict[str, Any] = _defaults(environ, installed=path == Path("/etc/bmm/bmm.toml"))
    try:
        values |= tomllib.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} is not a TOML file: {error}") from error
    values |= _from_environment(environ)
    # That key belongs to that service; no other one may see it.
    if not values.get("model_key") and values.get("model_base_url", MODEL_SERVICE) == MODEL_SERVICE:
        values["model_key"] = environ.get("ANTHROPIC_API_KEY", "").strip()
    try:
        config = msgspec.convert(values, Config)
    except msgspec.ValidationError as error:
        raise BadInput(f"A setting in {path} or the environment is wrong: {error}") from error
    check(config)
    return config


def check(config: Config) -> None:
    """Refuse settings that cannot work together.

    Raises:
        BadInput: says which and what to write instead.
    """
    url = urlsplit(config.public_url)
    is_origin = url.scheme in ("http", "https") and url.hostname and not (url.path or url.query or url.fragment or "@" in url.netloc)
    if not is_origin or (":" in url.netloc.rpartition("]")[2] and not _is_port(url.netloc.rpartition(":")[2])):
        raise BadInput(
            f'public_url is {config.public_url!r}; it must be an origin such as "https://mcp.example.com", without a path or a final slash'
        )
    if url.scheme == "http" and not config.is_local:
        raise BadInput(
            f"public_url is {config.public_url!r}; plain http works only for localhost, because tokens would cross the network readable"
        )
    # A Unix socket's path is limited to 107 bytes; a slug has up to 63 and stands in `<run_dir>/parked/<slug>.sock`.
    if len(config.run_dir.encode()) > 31:
        raise BadInput(f"run_dir {config.run_dir!r} is too long for socket paths; choose one of at most 31 bytes")
    for name, folder in (("data_dir", config.data_dir), ("run_dir", config.run_dir), ("runtime_dir", str(config.runtime))):
        # Podman reads a relative path as the name of a volume, and a colon as the end of the path.
        if not folder.startswith("/") or ":" in folder:
            raise BadInput(f"{name} is {folder!r}; it must be an absolute path without a colon")
    host, _, port = config.listen.rpartition(":")
    if not host or not _is_port(port):
        raise BadInput(f'listen is {config.listen!r}; it must be an address and a port such as "127.0.0.1:8080"')
    for place, address in config.egress_exceptions.items():
        if not _is_port(place.rpartition(":")[2]) or not _is_address(address):
            raise BadInput(f'egress_exceptions has {place!r} = {address!r}; it must be "name:port" = "IP address"')
    _check_model(config)


def _check_model(config: Config) -> None:
    url = urlsplit(config.model_base_url)
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment or "@" in url.netloc:
        raise BadInput(
            f'model_base_url is {config.model_base_url!r}; it must be a URL such as "{MODEL_SERVICE}" or "http://127.0.0.1:11434"'
        )
    if url.scheme == "http" and config.model_key and url.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise BadInput(
            f"model_base_url is {config.model_base_url!r}; plain http works only on this machine or without a key, which would cross the network readable"
        )
    if not (config.model_key.isascii() and config.model_key.isprintable()) or " " in config.model_key:
        raise BadInput("model_key has a space, a line break or a character that no key has; copy it again")


def _defaults(environ: Mapping[str, str], *, installed: bool) -> dict[str, Any]:
    if installed:
        return {"data_dir": "/var/lib/bmm", "run_dir": "/run/bmm"}
    runtime = environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    data = environ.get("XDG_DATA_HOME") or str(_home(environ) / ".local/share")
    return {"data_dir": f"{data}/bmm", "run_dir": f"{runtime}/bmm"}


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """`BMM_MEMORY_MB=256` sets `memory_mb`; tables and lists are written as JSON."""
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(Config):
        name = f"BMM_{field.name.upper()}"
        if name not in environ:
            continue
        kind = get_args(field.type)[0] if get_args(field.type) else field.type
        try:
            values[field.name] = environ[name] if kind is str else msgspec.json.decode(environ[name])
        except msgspec.DecodeError as error:
            raise BadInput(f"{name} must be JSON (such as 256, true or a list): {error}") from error
    return values


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text) < 65536


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HOME") or "/")
