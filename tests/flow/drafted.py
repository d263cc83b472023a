"""Drafts for flow tests: the admin API on a real store and queue behind a real uvicorn, and a model's service that speaks its real protocol.

Builds are queued and looked at as rows; the suite on real components runs them.
"""

import json
import secrets
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import uvicorn
from litestar import Litestar
from litestar.di import Provide

from bmm import ids
from bmm.config import Config
from bmm.core.draft import Draft, Round
from bmm.drafts.drafting import Drafting
from bmm.drafts.request import refuse_credentials
from bmm.http import api, builds, drafts, errors
from bmm.jobs.queue import Queue
from bmm.llm.client import Model
from bmm.oauth.signin import ensure_organisation
from bmm.servers import bundles
from bmm.store import builds as builds_rows
from bmm.store import drafts as rows
from bmm.store.db import Statement, Store
from bmm.vault import Vault
from runner.contract import decode_spec
from tests.model_server import KEY, ModelServer
from tests.waiting import well_before_midnight

Json = dict[str, Any]
TOOL: Json = {
    "kind": "http", "name": "list_users", "description": "Lists the users of the service, the newest first.", "method": "GET",
    "server": "https://api.example.com", "path": "/users", "input_schema": {"type": "object", "properties": {}, "additionalProperties": False},
    "annotations": {"read_only": True, "destructive": False},
}  # fmt: skip
SPEC: Json = {"name": "Users", "description": "Users of the service.", "tools": [TOOL], "hosts": [{"name": "api.example.com", "reason": "the API"}]}
TWO: Json = SPEC | {"tools": [TOOL, TOOL | {"name": "list_orders", "path": "/orders", "description": "Lists the orders of a user."}]}


class Drafted:
    """What a test holds. `restart` is a kill of the process as far as rows can tell: whoever held a lease is gone."""

    def __init__(self, config: Config, store: Store, model: ModelServer) -> None:
        self.config, self.store, self.model = config, store, model
        self.vault = vault = Vault(secrets.token_bytes(32))
        self.organisation_id = store.transact(lambda db: ensure_organisation(db, vault, ids.now()))
        asking = Model(config, inspect=refuse_credentials)
        drafting = Drafting(config, store, vault, asking, lambda draft_id, seconds: self.queue.draft(draft_id, seconds=seconds))
        self.queue = Queue(config.data / "huey.db", self._run_build, drafting.run_draft)
        self.trial_error: str | None = None
        """With it every build fails in its trial; without it builds stay queued."""
        self.http = httpx2.Client(timeout=60)

    def _run_build(self, build_id: str) -> None:
        if self.trial_error is not None:
            self.store.apply(builds_rows.finish_failed(build_id, code="trial_failed", error=self.trial_error, now=ids.now()))

    def spent(self) -> int:
        found = self.store.one(rows.spent_since(ids.now().replace(hour=0, minute=0, second=0, microsecond=0)))
        return found.micro_usd if found else 0

    def ask(self, **wish: object) -> str:
        """The id of a new draft."""
        answer = self.http.post("/api/drafts", json=wish)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["draft_id"])

    def refused(self, target: str, body: Json) -> tuple[int, str, str]:
        """Status, code and sentence of a request that must not succeed."""
        answer = self.http.post(target, json=body)
        assert answer.status_code >= 400, answer.text
        return answer.status_code, answer.json()["error"]["code"], answer.json()["error"]["message"]

    def post(self, target: str, **body: object) -> Json:
        answer = self.http.post(target, json=body)
        assert answer.status_code in (200, 202), answer.text
        return answer.json()  # type: ignore[no-any-return]

    def story(self, draft_id: str) -> list[tuple[str, str]]:
        """Step and message of each event until the draft's end."""
        return [(each["step"], each["message"]) for each in self.events(draft_id)]

    def events(self, draft_id: str) -> Iterator[Json]:
        with self.http.stream("GET", f"/api/drafts/{draft_id}/events") as answer:
            kind = ""
            for line in answer.iter_lines():
                field, _, value = line.partition(": ")
                if field == "event":
                    kind = value
                elif field == "data" and value and kind == "event":
                    yield json.loads(value)

    def shown(self, draft_id: str) -> Json:
        answer = self.http.get(f"/api/drafts/{draft_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()  # type: ignore[no-any-return]

    def ended(self, draft_id: str) -> Json:
        """The draft as its owner sees it, once nothing more happens by itself."""
        self.story(draft_id)
        return self.shown(draft_id)

    def draft(self, draft_id: str) -> Draft:
        found = self.store.one(rows.by_id(draft_id))
        assert found is not None
        return found

    def rounds(self, draft_id: str) -> list[Round]:
        return self.store.all(rows.rounds(draft_id))

    def live(self, slug: str, spec: Json) -> None:
        """A server whose first version is live, as a build leaves it."""
        document = msgspec.json.encode(spec)
        bundle = bundles.store(self.config.data, decode_spec(document))
        values: dict[str, Any] = {"id": ids.new_id("srv"), "org": self.organisation_id, "slug": slug, "bundle": bundle, "now": ids.text(ids.now())}
        for sql in (
            "INSERT INTO servers (id, organisation_id, slug, name, status, version, uid_block, created_at, updated_at) "
            "VALUES (:id, :org, :slug, :slug, 'live', 1, (SELECT count(*) FROM servers), :now, :now)",
            "INSERT INTO builds (id, organisation_id, server_id, spec, status, created_at) VALUES ('b' || :id, :org, :id, '{}', 'live', :now)",
            "INSERT INTO versions (server_id, number, bundle, build_id, created_at) VALUES (:id, 1, :bundle, 'b' || :id, :now)",
        ):
            self.store.apply(Statement(sql, {name: values[name] for name in values if f":{name}" in sql}))

    def builds(self, draft_id: str, slug: str) -> None:
        """Confirm a draft and wait for the end of its build."""
        build_id = self.post(f"/api/drafts/{draft_id}/build", slug=slug)["build_id"]
        self.until(f"SELECT finished_at IS NOT NULL FROM builds WHERE id = '{build_id}'", 1)

    def change(self, sql: str, **params: str | int | None) -> None:
        self.store.apply(Statement(sql, params))

    def values(self, sql: str) -> list[Any]:
        return self.store.transact(lambda db: [row[0] for row in db.execute(sql)])

    def restart(self) -> None:
        """Take up the work as `bmm serve` does at its start."""
        self.store.apply(rows.release_all())
        for draft in self.store.all(rows.unfinished()):
            self.queue.draft(draft.id)

    def until(self, sql: str, value: object, *, seconds: float = 60) -> None:
        """Wait until a query's first value is this."""
        deadline = time.monotonic() + seconds
        while self.values(sql)[:1] != [value]:
            assert time.monotonic() < deadline, f"{sql}: {self.values(sql)}"
            time.sleep(0.01)


@contextmanager
def drafted(model: ModelServer, **settings: object) -> Iterator[Drafted]:
    """A running admin API with workers, gone afterwards."""
    well_before_midnight()
    with tempfile.TemporaryDirectory() as folder, socket.socket() as listening, socket.socket(socket.AF_UNIX) as admin:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        admin.bind(f"{folder}/admin.sock")
        admin.listen(64)
        given: dict[str, Any] = {"model_key": KEY, "model_base_url": model.url} | settings
        config = Config(public_url="http://localhost:8080", data_dir=folder, run_dir=folder, **given)
        store = Store(Path(folder) / "bmm.db")
        held = Drafted(config, store, model)
        held.http.base_url = httpx2.URL(f"http://127.0.0.1:{listening.getsockname()[1]}")
        server = uvicorn.Server(uvicorn.Config(_app(held), log_config=None, access_log=False, lifespan="on"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening, admin]})
        thread.start()
        held.queue.start()
        try:
            yield held
        finally:
            model.stopping.set()
            held.http.close()
            server.should_exit = True
            thread.join(timeout=60)
            held.queue.stop()
            store.close()
            assert not thread.is_alive()


def _app(held: Drafted) -> Litestar:
    parts: dict[str, object] = {"store": held.store, "config": held.config, "vault": held.vault, "queue": held.queue, "organisation_id": held.organisation_id}

    def given(part: object) -> Provide:
        return Provide(lambda: part, sync_to_thread=False)

    async def close() -> None:
        if held.store._async_reader is not None:
            await held.store._async_reader.close()

    return Litestar(
        [*drafts.ROUTES, *builds.ROUTES, api.deploy], dependencies={name: given(part) for name, part in parts.items()}, on_shutdown=[close],
        exception_handlers=errors.HANDLERS, openapi_config=None, logging_config=None,
    )  # fmt: skip
