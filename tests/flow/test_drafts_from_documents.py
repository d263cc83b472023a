"""Documents that a prompt names, read by the appliance: what their addresses hold stays where it is, and what is none is said."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.flow.drafted import SPEC, Drafted, drafted
from tests.model_server import ModelServer, submitting

KEY = "k3y-9f8e7d6c5b4a"
DOCUMENT = {
    "openapi": "3.1.0", "info": {"title": "Shop", "version": "1"}, "servers": [{"url": "https://api.example.com"}],
    "paths": {"/users": {"get": {"operationId": "list_users", "summary": "Lists users.", "responses": {"200": {"description": "Them"}}}}},
}  # fmt: skip


class Answering(BaseHTTPRequestHandler):
    """`/to…` redirects to the same place without `/to`, `/relative…` is a document whose server is relative, `/page…` a page for people."""

    def do_GET(self) -> None:
        here = self.path.removeprefix("/to")
        self.send_response(302 if here != self.path else 403 if here.startswith("/forbidden") else 200)
        if here != self.path:
            self.send_header("Location", f"{here}&signature={KEY}-signed")
        document = {**DOCUMENT, "servers": [{"url": "/v1"}]} if here.startswith("/relative") else DOCUMENT
        body = b"<!DOCTYPE html><html><body>Hello</body></html>" if here.startswith("/page") else json.dumps(document).encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def documents() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def site() -> Iterator[tuple[Drafted, str]]:
    with documents() as port, ModelServer() as model:
        place = f"docs.test:{port}"
        with drafted(model, egress_exceptions={place: "127.0.0.1"}, egress_plain_http=(place,)) as box:
            yield box, f"http://{place}"


@pytest.mark.parametrize(
    "path",
    ["/openapi.json", "/to/openapi.json", "/to/relative/openapi.json", "/page/openapi.json", "/forbidden/openapi.json", "/to/to/to/to/openapi.json"],
)
def test_what_stands_in_the_query_of_a_document_is_nowhere(site: tuple[Drafted, str], path: str) -> None:
    box, url = site
    box.model.then(submitting(SPEC))
    draft_id = box.ask(prompt=f"Only the users of {url}{path}?token={KEY} please")
    story = box.story(draft_id)
    shown = box.shown(draft_id)
    assert shown["draft"]["status"] == ("failed" if path.startswith(("/page", "/forbidden", "/to/to")) else "ready"), shown["draft"]
    assert KEY not in str((story, shown))
    assert not any(KEY in each.said for each in box.model.requests)
    assert KEY.encode() not in b"".join(each.read_bytes() for each in box.config.data.rglob("*") if each.is_file())
