"""A description that a prompt names, read before any model is asked: a document is fetched, curl commands are parsed."""

from collections.abc import Callable

from bmm.config import Config
from bmm.core.finding import Finding, Level
from bmm.drafts.errors import NoDraft
from bmm.egress.classify import refusal
from bmm.egress.dial import own_addresses
from bmm.sources import Compiled, compile_openapi
from bmm.sources.curl import compile_curl
from bmm.sources.detect import Found, found_in
from bmm.sources.fetch import Reach, fetch
from bmm.sources.finding import Level as Severity
from bmm.sources.openapi.options import SENSIBLE_TOOLS, Options
from runner.contract import ServerSpec

_LEVELS: dict[Severity, Level] = {"error": "ask", "warning": "note", "note": "note"}


def find_source(prompt: str) -> Found | None:
    """The first description in a prompt.

    Raises:
        NoDraft: it is a database, whose password a prompt cannot hold.
    """
    found = next(iter(found_in(prompt)), None)
    if found is not None and found.kind == "database":
        raise NoDraft(f"Connect the database from the command line: `bmm new --database {found.shown}`, with its password in PGPASSWORD or MYSQL_PWD")
    return found


def compile_found(found: Found, prompt: str, config: Config, say: Callable[[str], None]) -> tuple[ServerSpec, list[Finding]]:
    """The spec of what `find_source` found; of curl commands all that the prompt holds.

    Raises:
        BadInput: it cannot be fetched or read.
    """
    options = Options(max_tools=SENSIBLE_TOOLS)
    if found.kind == "curl":
        recorded = compile_curl([each.given for each in found_in(prompt) if each.kind == "curl"])
        compiled = Compiled(spec=recorded.spec, findings=recorded.findings)
    else:
        own = own_addresses()
        reach = Reach(refusal=lambda address: refusal(address, own), exceptions=config.egress_exceptions, allow_private=False)
        data, location = fetch(found.given, limit=options.max_bytes, say=say, reach=reach)
        compiled = compile_openapi(data, location=location, options=options)
    return compiled.spec, [
        Finding(level=_LEVELS[each.level], id="source.remark", place=each.pointer, message=each.message, fix=each.fix) for each in compiled.findings
    ]
