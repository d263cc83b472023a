"""What a wish names besides words: documents, databases and curl commands. They are read before any model is asked, and become one spec.

What was given may hold credentials. It is kept sealed until it has been read, and afterwards only the values that the server will need as secrets.
"""

import contextlib
from collections.abc import Callable
from datetime import datetime
from typing import NoReturn

import msgspec
from msgspec import Struct

from bmm.config import Config
from bmm.core.draft import DatabaseWish, Draft, Source, Wish
from bmm.core.finding import Finding, Level
from bmm.drafts.databases import read_database, where_of
from bmm.drafts.errors import NoDraft, SecretInPrompt
from bmm.egress.classify import refusal
from bmm.egress.dial import own_addresses
from bmm.errors import BadInput
from bmm.sources import Compiled
from bmm.sources.credentials import Credentials
from bmm.sources.curl import compile_curl
from bmm.sources.database import PASSWORD
from bmm.sources.detect import Found, Kind, found_in, shown, without, without_queries
from bmm.sources.documents import compile_documents
from bmm.sources.fetch import Reach, fetch
from bmm.sources.finding import Finding as Remark
from bmm.sources.finding import Level as Severity
from bmm.sources.merge import merged
from bmm.sources.openapi.options import SENSIBLE_TOOLS, Options
from bmm.sources.several import Group, usable
from bmm.store import drafts
from bmm.store.db import Statement, Store
from bmm.vault import Vault
from runner.contract import ServerSpec

MOST_SOURCES = 8
"""Documents and databases of one draft; each may take half a minute to be read."""
_LEVELS: dict[Severity, Level] = {"error": "ask", "warning": "note", "note": "note"}


class Given(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One source as it stood there. `text` may hold credentials, as may `database`, its options; `shown` has none."""

    kind: Kind
    text: str
    shown: str
    database: DatabaseWish | None = None

    def __repr__(self) -> str:
        return f"Given({self.kind}, {self.shown})"


class Sources(Struct, frozen=True, kw_only=True):
    """All that one wish names. `beyond`: the model may then add to what they give."""

    given: tuple[Given, ...]
    beyond: bool = False


class Read(Struct, frozen=True, kw_only=True):
    """What became of them: one spec, what is to be said, and values for its secrets."""

    source: Source
    spec: ServerSpec
    findings: tuple[Finding, ...]
    seen: Credentials


def sources_of(wish: Wish) -> tuple[Sources, str]:
    """What a wish names, and its prompt with no more of it than may be shown.

    Raises:
        BadInput: a database that cannot be read here, or too many of all.
        SecretInPrompt: a credential of a database or a curl command stands in the prompt once more.
    """
    found = found_in(wish.prompt)
    given = [_given(each) for each in found]
    if wish.database is not None:
        given.insert(0, Given(kind="database", text=wish.database.url, shown=shown(wish.database.url), database=wish.database))
    given = list({(each.kind, each.text): each for each in given}.values())
    prompt = without(wish.prompt, found)
    for each in given:
        if (line := _credentials(each).line_in(prompt)) is not None:
            _refuse(line, "a credential of a source once more")
    if (count := sum(each.kind != "curl" for each in given)) > MOST_SOURCES:
        raise NoDraft(f"The prompt names {count} documents and databases; at most {MOST_SOURCES} can be read for one server")
    return Sources(given=tuple(given), beyond=wish.beyond), prompt


def without_passwords(prompt: str) -> str:
    """A prompt whose sources are only words, of a wish that reads none: a password that looks made up was not refused, and is still nobody's to read.

    Raises:
        SecretInPrompt: a curl command says more than its address, and a credential.
    """
    found = found_in(prompt)
    for each in found:
        if each.kind == "curl" and _credentials(_given(each)):
            _refuse(prompt.count("\n", 0, each.start) + 1, "a credential of a curl command")
    return without(prompt, tuple(each for each in found if each.kind != "curl"))


def keep(draft_id: str, sources: Sources, vault: Vault, now: datetime) -> Statement:
    """Seal what was given until the draft's job has read it."""
    return drafts.keep(draft_id, "given", vault.seal(msgspec.json.encode(sources), _context(draft_id, "given")), now=now)


def keep_seen(draft_id: str, seen: Credentials, vault: Vault, now: datetime) -> Statement:
    """Seal the values of credentials that stood in what was given, until they become the server's."""
    return drafts.keep(draft_id, "seen", vault.seal(msgspec.json.encode(dict(seen)), _context(draft_id, "seen")), now=now)


def kept(store: Store, draft: Draft, vault: Vault) -> Sources:
    """What was given.

    Raises:
        NoDraft: it was forgotten meanwhile.
    """
    if (row := store.one(drafts.kept(draft.id, "given"))) is not None:
        return msgspec.json.decode(vault.open(row.sealed, _context(draft.id, "given")), type=Sources)
    # What the prompt still says is less than was given: a command without its method and body, an address without its query.
    raise NoDraft("What was given for this draft was forgotten after a day, because it may hold credentials; say it again with `bmm new`")


def seen_of(store: Store, draft_id: str, vault: Vault) -> Credentials:
    """Values that stood in what was given, by the secret that they are for."""
    row = store.one(drafts.kept(draft_id, "seen"))
    return Credentials(msgspec.json.decode(vault.open(row.sealed, _context(draft_id, "seen")), type=dict[str, str]) if row else {})


def compile_sources(sources: Sources, config: Config, say: Callable[[str], None]) -> Read:
    """One spec of all that can be used; a finding names each source that could not, and why. `say` hears what is being read.

    Raises:
        BadInput: none can be used, or together they are too much.
    """
    def read(group: Group[Kind, Given]) -> Compiled:
        say(f"reading {_named(group)}")
        return _compiled(group.kind, group.given, config, lambda line: say(_hidden(line, sources.given)))

    parts, failed = usable(_together(sources.given), read)
    unused = [_unused(group, error) for group, error in failed]
    if not parts:
        raise BadInput(" ".join(each.message for each in unused))
    whole = merged([part for _, part in parts])
    kinds = list(dict.fromkeys(kind for kind, _ in parts))
    findings = (*unused, *(_said(each) for each in whole.findings))
    return Read(source=kinds[0] if len(kinds) == 1 else "several", spec=whole.spec, findings=findings, seen=whole.seen)


def _given(found: Found) -> Given:
    return Given(kind=found.kind, text=found.given, shown=found.shown)


def _database(given: Given) -> DatabaseWish:
    return given.database or DatabaseWish(url=given.text)


def _credentials(given: Given) -> Credentials:
    """Values that are nobody's to read; of a command that cannot be used none, which is said when it is read."""
    if given.kind == "database":
        return Credentials({PASSWORD: where_of(_database(given)).password})
    with contextlib.suppress(BadInput):
        return compile_curl(given.text).seen if given.kind == "curl" else Credentials()
    return Credentials()


def _refuse(line: int, what: str) -> NoReturn:
    raise SecretInPrompt([Finding(level="block", id="secret.in_prompt", line=line, message=f"Line {line} holds {what}.")])


def _named(group: Group[Kind, Given]) -> str:
    return ", ".join(each.shown for each in group.given)


def _unused(group: Group[Kind, Given], error: BadInput) -> Finding:
    why = _hidden(error.user_message, group.given).rstrip(".")
    fix = "Correct it and say it all again, or build without it"
    return Finding(level="ask", id="source.unused", message=f"Nothing here is made of {_named(group)}: {why}.", fix=fix)


def _together(given: tuple[Given, ...]) -> list[Group[Kind, Given]]:
    """Each database by itself; documents share the number of tools, and curl commands tell more together."""
    alike = {kind: tuple(each for each in given if each.kind == kind) for kind in ("curl", "openapi")}
    return list(dict.fromkeys(Group(each.kind, alike.get(each.kind, (each,))) for each in given))


def _compiled(kind: Kind, given: tuple[Given, ...], config: Config, say: Callable[[str], None]) -> Compiled:
    if kind == "curl":
        return compile_curl([each.text for each in given])
    if kind == "database":
        return read_database(_database(given[0]), config)
    options = Options(max_tools=SENSIBLE_TOOLS)
    own = own_addresses()
    reach = Reach(refusal=lambda address: refusal(address, own), exceptions=config.egress_exceptions, allow_private=False)
    return compile_documents([fetch(each.text, limit=options.max_bytes, say=say, reach=reach) for each in given], options=options)


def _hidden(text: str, given: tuple[Given, ...]) -> str:
    """A sentence about what was given, without what may not be shown of it."""
    for each in sorted(given, key=lambda one: -len(one.text)):
        text = text.replace(each.text, each.shown)
    return without_queries(text)


def _said(remark: Remark) -> Finding:
    return Finding(level=_LEVELS[remark.level], id="source.remark", place=remark.pointer, message=remark.message, fix=remark.fix)


def _context(draft_id: str, what: str) -> str:
    return f"draft:{draft_id}\x1f{what}"
