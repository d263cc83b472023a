"""A small appliance for flow tests: the OAuth routes on a real store, behind a real uvicorn on loopback, and a person to drive it."""

import base64
import hashlib
import secrets
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import uvicorn
from litestar import Litestar
from litestar.di import Provide

from bmm.config import Config
from bmm.http import authorize, cards, errors, gate, oauth, signin
from bmm.http.cross_origin import CrossOrigin
from bmm.ids import new_id, now, text
from bmm.oauth.keys import Keys
from bmm.oauth.signin import ensure_organisation
from bmm.store import people
from bmm.store.db import Statement, Store, run
from bmm.vault import Vault

REDIRECT = "http://127.0.0.1:7777/callback"


@dataclass
class Appliance:
    """What a test holds: the parts the routes use, and what they did to the outside."""

    url: str
    config: Config
    store: Store
    vault: Vault
    keys: Keys
    printed: list[str] = field(default_factory=list)
    woken: list[bool] = field(default_factory=list)
    opened: list[httpx2.Client] = field(default_factory=list)

    def http(self) -> httpx2.Client:
        """A client that is closed with the appliance; it never follows a redirect."""
        self.opened.append(httpx2.Client(base_url=self.url, timeout=60))
        return self.opened[-1]

    def endpoint(self, slug: str) -> str:
        return f"{self.url}/s/{slug}/mcp"

    def change(self, sql: str, **params: str | int | None) -> None:
        self.store.apply(Statement(sql, params))

    def values(self, sql: str) -> list[Any]:
        return self.store.transact(lambda db: [row[0] for row in db.execute(sql)])

    def organisation(self, name: str | None = None) -> str:
        """The appliance's own organisation, or another one."""
        if name is None:
            return self.store.transact(lambda db: ensure_organisation(db, self.vault, now()))
        organisation_id = new_id("org")
        self.store.apply(people.insert_organisation(organisation_id, name, data_key=self.vault.new_data_key(organisation_id), now=now()))
        return organisation_id

    def server(self, slug: str, *, scopes: str = "read write", organisation_id: str | None = None) -> str:
        """A deployed server, as deploying leaves it in the store."""
        owner, server_id, build_id, moment = organisation_id or self.organisation(), new_id("srv"), new_id("bld"), text(now())
        listed = ", ".join(f'{{"name": "{scope}", "description": "May {scope} things."}}' for scope in scopes.split())
        spec = f'{{"name": "The {slug}", "tools": [], "scopes": [{listed}]}}'
        values: dict[str, Any] = {
            "id": server_id,
            "org": owner,
            "slug": slug,
            "name": f"The {slug}",
            "build": build_id,
            "spec": spec,
            "now": moment,
        }
        block = "(SELECT count(*) FROM servers)"
        self.store.transact(
            lambda db: run(
                db,
                Statement(
                    "INSERT INTO servers (id, organisation_id, slug, name, status, version, uid_block, created_at, updated_at) "
                    f"VALUES (:id, :org, :slug, :name, 'live', 1, {block}, :now, :now)",
                    values,
                ),
                Statement(
                    "INSERT INTO builds (id, organisation_id, server_id, spec, status, created_at) VALUES (:build, :org, :id, :spec, 'live', :now)",
                    values,
                ),
                Statement(
                    "INSERT INTO versions (server_id, number, bundle, build_id, created_at) VALUES (:id, 1, 'x', :build, :now)", values
                ),
            )
        )
        return server_id

    def browser(self) -> "Browser":
        return Browser(self)


class Browser:
    """A person's browser: keeps cookies, reads forms and submits them; never follows a redirect by itself."""

    def __init__(self, appliance: Appliance) -> None:
        self.appliance = appliance
        self.http = appliance.http()

    def get(self, path: str, **params: str) -> httpx2.Response:
        return self.http.get(path, params=params or None)

    def submit(self, page: httpx2.Response, press: dict[str, str] | None = None, **headers: str) -> httpx2.Response:
        """Post the page's form, with the button that was pressed."""
        action, fields = form_of(page.text)
        own = {"Origin": self.appliance.url, "Sec-Fetch-Site": "same-origin"}
        return self.http.post(
            action, data={**fields, **(press or {})}, headers=own | {name.replace("_", "-"): value for name, value in headers.items()}
        )

    def signs_in(self) -> httpx2.Response:
        """Ask for a link, open it, confirm; the answer of the last step."""
        sent = self.submit(self.get("/signin"))
        assert sent.status_code == 200, sent.text
        return self.opens(self.appliance.printed[-1])

    def opens(self, printed: str) -> httpx2.Response:
        return self.submit(self.http.get(printed[printed.index("http") :]))

    def authorizes(self, client: "Client", **changed: str) -> httpx2.Response:
        return self.get("/authorize", **client.request(**changed))

    def consents(self, client: "Client", **changed: str) -> str:
        """Approve; returns the code."""
        answer = self.submit(self.authorizes(client, **changed), {"answer": "approve"})
        assert answer.status_code == 303, answer.text
        return sent_to(answer)["code"]


class Client:
    """An AI client: registered, with a PKCE pair of its own."""

    def __init__(self, appliance: Appliance, slug: str | None, **metadata: object) -> None:
        self.http = appliance.http()
        self.appliance, self.slug = appliance, slug
        self.verifier = secrets.token_urlsafe(48)
        body: dict[str, object] = {"redirect_uris": [REDIRECT], "client_name": "Test client", "token_endpoint_auth_method": "none"}
        made = self.http.post("/register", json=body | metadata)
        assert made.status_code == 201, made.text
        self.registered: dict[str, Any] = made.json()
        self.id: str = self.registered["client_id"]

    def request(self, **changed: str) -> dict[str, str]:
        asked = {
            "response_type": "code",
            "client_id": self.id,
            "redirect_uri": self.registered["redirect_uris"][0],
            "code_challenge": challenge(self.verifier),
            "code_challenge_method": "S256",
            "state": "st-1",
        }
        if self.slug is not None:
            asked["resource"] = self.appliance.endpoint(self.slug)
        return {name: value for name, value in (asked | changed).items() if value != ""}

    def redeem(self, code: str, **changed: str) -> httpx2.Response:
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.registered["redirect_uris"][0],
            "code_verifier": self.verifier,
            "client_id": self.id,
        }
        return self.post("/token", fields | changed)

    def refresh(self, token: str, **changed: str) -> httpx2.Response:
        return self.post("/token", {"grant_type": "refresh_token", "refresh_token": token, "client_id": self.id} | changed)

    def post(self, path: str, fields: dict[str, str], **headers: str) -> httpx2.Response:
        return self.http.post(path, data={name: value for name, value in fields.items() if value != ""}, headers=headers)


@contextmanager
def appliance() -> Iterator[Appliance]:
    """A running appliance on loopback, gone with everything it made afterwards."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        # Connections wait in the backlog until uvicorn accepts, so nothing has to wait for its start.
        listening.listen(256)
        url = f"http://localhost:{listening.getsockname()[1]}"
        config = Config(public_url=url, data_dir=folder, run_dir=folder)
        store, vault = Store(Path(folder) / "bmm.db"), Vault(secrets.token_bytes(32))
        held = Appliance(url=url, config=config, store=store, vault=vault, keys=Keys(store, vault))
        server = uvicorn.Server(uvicorn.Config(_app(held), log_config=None, access_log=False, lifespan="on"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield held
        finally:
            for client in held.opened:
                client.close()
            server.should_exit = True
            thread.join(timeout=60)
            assert not thread.is_alive()


def _app(held: Appliance) -> Litestar:
    async def close() -> None:
        await held.store.aclose()

    parts: dict[str, object] = {
        "store": held.store,
        "config": held.config,
        "vault": held.vault,
        "keys": held.keys,
        "announce": held.printed.append,
        "wake": lambda: held.woken.append(True),
    }
    return Litestar(
        [*oauth.ROUTES, *authorize.ROUTES, *signin.ROUTES, *gate.ROUTES, *cards.ROUTES],
        middleware=[CrossOrigin(held.store)],
        dependencies={name: Provide(_always(part), sync_to_thread=False) for name, part in parts.items()},
        exception_handlers=errors.HANDLERS,
        on_shutdown=[close],
        openapi_config=None,
        logging_config=None,
    )


def _always(part: object) -> Callable[[], Any]:
    def given() -> Any:
        return part

    return given


def challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def sent_to(answer: httpx2.Response) -> dict[str, str]:
    """The parameters of a redirect's target."""
    assert answer.status_code == 303, answer.text
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query, strict_parsing=True).items()}


def form_of(html: str) -> tuple[str, dict[str, str]]:
    """Action and hidden fields of the page's form."""
    parser = _FormParser()
    parser.feed(html)
    assert parser.action is not None, html
    return parser.action, parser.fields


class _FormParser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self.action = given.get("action")
        if tag == "input" and given.get("name"):
            self.fields[given["name"] or ""] = given.get("value") or ""
