"""A database that a prompt or a program names: where it may be, what its server may do to us, and where its password never is."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from bmm import ids
from bmm.builds.request import draft_for
from bmm.config import Config
from bmm.core.draft import DatabaseWish
from bmm.drafts import databases
from bmm.drafts.databases import read_database
from bmm.errors import BadInput
from bmm.http.parts import OPERATOR
from bmm.servers.lifecycle import put_secret
from bmm.sources.database import Options, compile_database
from bmm.sources.database.options import place_of
from bmm.sources.detect import found_in
from bmm.store import drafts as rows
from bmm.store import secrets, servers
from tests.flow.drafted import SPEC, TOOL, Drafted, drafted
from tests.model_server import ModelServer, submitting

PASSWORD = "hunter2 & co: 'ö/#?@"
CODED = quote(PASSWORD, safe="")


@pytest.fixture
def box() -> Iterator[Drafted]:
    with ModelServer() as model, drafted(model) as one:
        yield one


def everything(box: Drafted) -> bytes:
    """All that the appliance has on disk."""
    return b"".join(path.read_bytes() for path in box.config.data.rglob("*") if path.is_file())


def secret(box: Drafted, slug: str, key: str) -> str:
    """The value that a server would get."""
    server = box.store.one(servers.by_slug(box.organisation_id, slug))
    wrapped = box.store.one(secrets.data_key(box.organisation_id))
    assert server is not None
    assert wrapped is not None
    (sealed,) = (each.sealed for each in box.store.all(secrets.of_server(server.id)) if each.key == key)
    return box.vault.open_secret(sealed, organisation_id=box.organisation_id, data_key=wrapped.data_key, server_id=server.id, key=key)


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server on loopback; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=attended, args=(client,), daemon=True).start()

        def attended(client: socket.socket) -> None:
            with client:
                try:
                    serve(client)
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield int(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)


def allowed(port: int, **more: Any) -> dict[str, Any]:
    """Settings of an operator who vouches for the server on this port."""
    place = f"db.test:{port}"
    return {"egress_exceptions": {place: "127.0.0.1"}, "egress_plain_http": (place,), **more}


def test_a_password_is_nowhere_but_sealed(box: Drafted) -> None:
    draft_id = box.ask(prompt=f"Only the users of postgresql://reader:{CODED}@db.invalid/shop?sslmode=require#")
    shown = box.ended(draft_id)
    assert shown["draft"]["status"] == "failed"
    assert shown["draft"]["prompt"] == "Only the users of postgresql://db.invalid/shop"
    assert "db.invalid cannot be resolved" in shown["draft"]["error"]
    found = everything(box)
    assert not any(each.encode() in found for each in (PASSWORD, CODED, "hunter2"))
    assert box.store.one(rows.kept(draft_id, "given")) is not None
    # It is taken up again with what it was given, and a day later no more.
    box.post(f"/api/drafts/{draft_id}/again")
    assert "db.invalid cannot be resolved" in box.ended(draft_id)["draft"]["error"]
    box.change("DELETE FROM draft_kept")
    box.post(f"/api/drafts/{draft_id}/again")
    assert "was forgotten after a day" in box.ended(draft_id)["draft"]["error"]
    assert box.model.requests == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://u:hunter2@127.0.0.1/x", "is not a name"), ("postgresql://u:hunter2@[::1]/x", "is not a name"),
        ("postgresql://u:hunter2@[::ffff:169.254.169.254]/x", "is not a name"), ("mysql://u:hunter2@2130706433/x", "is not a name"),
        ("mysql://u:hunter2@0x7f.1/x", "is not a name"), ("postgresql://u:hunter2@a.test,b.test/x", "not a name"),
        ("postgresql://u:hunter2@/x", "user and a host"),
        ("postgresql://u:hunter2@%2Fvar%2Frun%2Fpostgresql/x", "not a name"), ("postgresql://u:hunter2@h.test/x?host=/var/run", "`host` in its query"),
        ("postgresql://u@h.test/x?password=hunter2", "`password` in its query"), ("postgresql://u@h.test/x?options=-chunter2", "`options` in its query"),
        ("mysql://u@h.test/x?Local_Infile=1&read_default_file=/etc/hunter2", "`local_infile` in its query"), ("postgresql://u@h.test/x#hunter2", "%23"),
        ("postgresql://u:hunter2#x@h.test/x", "percent-encoded"), ("postgresql://u:12/hunter2@h.test/x", "user and a host"),
        ("postgresql://u:hun'ter2@h.test/x", "percent-encoded"), ("sqlite:////etc/hunter2.db", "sends a copy"), ("postgresql://u:hunter2%00@h.test/x", "NUL"),
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_refused_before_anything_is_stored(box: Drafted, url: str, said: str) -> None:
    # A quotation mark ends an address in a prompt, and is a character of it by itself.
    for body in ({"prompt": f"Tools for {url} please"}, {"database": {"url": url.replace("'", "#")}}):
        _, code, message = box.refused("/api/drafts", body)
        assert (code, said in message) == ("bad_input", True), message
        assert "hunter2" not in message
    assert box.values("SELECT count(*) FROM drafts") == [0]
    assert b"hunter2" not in everything(box)
    assert url.startswith("sqlite") or "hunter2" not in found_in(url)[0].shown


@pytest.mark.parametrize("host", ["localhost", "0x7f000001", "ip6-localhost", socket.gethostname()])
def test_a_name_that_leads_to_this_machine_is_not_asked(box: Drafted, host: str) -> None:
    asked: list[socket.socket] = []
    with listening(asked.append) as port:
        shown = box.ended(box.ask(prompt=f"Use postgresql://u:hunter2@{host.lower()}:{port}/x"))
    assert shown["draft"]["status"] == "failed"
    assert "is not public" in shown["draft"]["error"] or "cannot be resolved" in shown["draft"]["error"]
    assert "hunter2" not in str(shown)
    assert asked == []


def test_every_answer_of_a_name_server_is_judged_and_the_judged_one_is_dialled(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = databases._Asked(wish=DatabaseWish(url="postgresql://u@db.test/x"), exceptions={}, plain=())
    place = databases.where_of(asked.wish)
    for bad in ("169.254.169.254", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "10.0.0.1", "fe80::1", "0.0.0.0"):
        answers = [(0, 0, 0, "", (each, 5432)) for each in ("93.184.215.14", bad)]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, answers=answers, **__: answers)
        with pytest.raises(BadInput, match="which is not public"):
            databases._judged(place, asked)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", ("93.184.215.14", 5432))])
    address = databases._judged(place, asked)
    assert place_of(asked.wish.url, databases.options_of(asked.wish, address=address)).dialled == "93.184.215.14"


def test_without_tls_only_where_an_operator_allows_it(box: Drafted) -> None:
    shown = box.ended(box.ask(prompt="Use mysql://u:hunter2@db.test/x?ssl-mode=disabled"))
    assert 'egress_plain_http = ["db.test:3306"]' in shown["draft"]["error"]


def endless(client: socket.socket) -> None:
    """A PostgreSQL that lets everybody in with two gigabytes to say."""
    client.recv(4096)
    client.sendall(b"R" + struct.pack("!II", 8, 0) + b"S" + struct.pack("!I", 2**31 - 1))
    while True:
        client.sendall(b"x" * 1_000_000)


def settings(client: socket.socket) -> None:
    """One that names its settings without end."""
    client.recv(4096)
    client.sendall(b"R" + struct.pack("!II", 8, 0))
    number = 0
    while True:
        named = [f"s{number + each}\0{'v' * 500}\0".encode() for each in range(1000)]
        client.sendall(b"".join(b"S" + struct.pack("!I", 4 + len(each)) + each for each in named))
        number += 1000


def silent(client: socket.socket) -> None:
    client.recv(4096)
    time.sleep(60)


def chatty(client: socket.socket) -> None:
    """Refuses, and says the password it was told."""
    client.recv(4096)
    client.sendall(b"R" + struct.pack("!II", 8, 3))
    told = client.recv(4096)[5:].split(b"\0")[0]
    words = b"SFATAL\0C28P01\0Mno: " + told + b"\0\0"
    client.sendall(b"E" + struct.pack("!I", 4 + len(words)) + words)


def greeted(client: socket.socket) -> None:
    """A MySQL that lets everybody in."""
    able = struct.pack("<HBHH", 0xF7FF, 45, 2, 0x000F)
    greeting = b"\x0a8.0.0\0" + struct.pack("<I", 1) + b"12345678\0" + able + b"\x15" + b"\0" * 10 + b"123456789012\0"
    client.sendall(struct.pack("<I", len(greeting))[:3] + b"\0" + greeting)
    client.recv(65536)
    client.sendall(b"\x07\0\0\x02\0\0\0\2\0\0\0")


def rows_without_end(client: socket.socket) -> None:
    """One whose first table never ends."""
    greeted(client)
    while b"SELECT" not in client.recv(65536):
        client.sendall(b"\x07\0\0\x01\0\0\0\2\0\0\0")
    column = b"\x03def\0\0\0\x01a\0\x0c" + struct.pack("<HIBHB", 45, 200, 253, 0, 0) + b"\0\0"
    client.sendall(b"\x01\0\0\x01\x01" + struct.pack("<I", len(column))[:3] + b"\x02" + column + b"\x05\0\0\x03\xfe\0\0\2\0")
    number = 4
    while True:
        row = b"\xfd" + struct.pack("<I", 60_000)[:3] + b"x" * 60_000
        client.sendall(struct.pack("<I", len(row))[:3] + bytes([number % 256]) + row)
        number += 1


def wants_a_file(client: socket.socket) -> None:
    """One that answers the first statement by asking for a file of ours."""
    greeted(client)
    while asked := client.recv(65536):
        wish = b"\xfb/etc/passwd"
        client.sendall(struct.pack("<I", len(wish))[:3] + b"\x01" + wish)
        GOT.append(asked)


GOT: list[bytes] = []


@pytest.mark.parametrize(
    ("serve", "scheme", "said"),
    [
        (endless, "postgresql", "db.test:"), (settings, "postgresql", "db.test:"),
        (silent, "mysql", "does not answer; see whether the port is right"), (rows_without_end, "mysql", "too much memory"), (chatty, "postgresql", "no: …"),
        (wants_a_file, "mysql", "db.test:"),
    ],
)  # fmt: skip
def test_a_hostile_database_costs_a_process_and_some_seconds(
    serve: Callable[[socket.socket], None], scheme: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening(serve) as port:
        config = Config(public_url="http://localhost:8080", data_dir="/nowhere", run_dir="/nowhere", **allowed(port))
        began = time.monotonic()
        with pytest.raises(BadInput) as refused:
            read_database(DatabaseWish(url=f"{scheme}://u:{CODED}@db.test:{port}/x?sslmode=disable"), config)
    message = refused.value.user_message
    assert said in message, message
    assert PASSWORD not in message
    assert "root:" not in message
    assert not any(b"root:" in each for each in GOT)
    assert time.monotonic() - began < 2 * databases.SECONDS


def test_a_database_that_repeats_its_password_is_not_quoted_at_the_command_line_either() -> None:
    with listening(chatty) as port, pytest.raises(BadInput, match="no: …") as refused:
        compile_database(f"postgresql://u:{CODED}@127.0.0.1:{port}/x?sslmode=disable", options=Options(known_as="db.test"))
    assert PASSWORD not in f"{refused.value} {refused.value.__cause__}"


def test_the_event_loop_goes_on_while_a_database_says_nothing() -> None:
    with listening(silent) as port, ModelServer() as model, drafted(model, **allowed(port)) as box:
        draft_id = box.ask(prompt=f"Use postgresql://u@db.test:{port}/x?sslmode=disable")
        box.until(f"SELECT count(*) FROM draft_events WHERE draft_id = '{draft_id}' AND step = 'source'", 1)
        assert box.shown(draft_id)["draft"]["status"] == "drafting"
        assert "cannot be asked" in box.ended(draft_id)["draft"]["error"]


def test_a_prompt_with_a_thousand_addresses_is_refused_at_once(box: Drafted) -> None:
    for each in ("https://a.test/{}.json ", "postgres://u@h{}.test/x "):
        text = "".join(each.format(number) for number in range(2000))[:19_990]
        _, code, message = box.refused("/api/drafts", {"prompt": text})
        assert (code, "at most 8" in message or "not a name" in message or "user and a host" in message) == ("nothing_to_draft", True), message
    assert box.values("SELECT count(*) FROM drafts") == [0]


@pytest.mark.parametrize(
    "source", ["postgresql://u:Xo9secret7@h.test/x", "curl https://api.example.com/users -b 'session=Xo9secret7'", "curl -u ann:Xo9secret7 https://api.example.com/a"]
)
def test_a_credential_that_stands_there_again_is_refused(box: Drafted, source: str) -> None:
    _, code, message = box.refused("/api/drafts", {"prompt": f"Tools for\n{source}\nwhere Xo9secret7 is what I type"})
    assert (code, "ine 3" in message, "Xo9secret7" in message) == ("secret_in_prompt", True, False)
    assert box.values("SELECT count(*) FROM drafts") == [0]


def test_a_change_of_a_server_takes_no_credential_of_a_command(box: Drafted) -> None:
    box.live("users", SPEC)
    body = {"prompt": "Also use\ncurl https://api.example.com/me -b 'session=Xo9s7'", "slug": "users", "iterate": True}
    _, code, message = box.refused("/api/drafts", body)
    assert (code, "ine 2" in message, "Xo9s7" in message) == ("secret_in_prompt", True, False)
    assert box.values("SELECT count(*) FROM drafts") == [0]


def test_what_was_forgotten_is_not_made_of_what_the_prompt_still_says(box: Drafted) -> None:
    draft_id = box.ask(prompt="Make curl -X POST https://api.example.com/users -d '{}' and https://docs.invalid/openapi.json", model=False)
    box.ended(draft_id)
    box.change("UPDATE drafts SET status = 'failed', base = NULL, suggestion = NULL WHERE id = :id", id=draft_id)
    box.post(f"/api/drafts/{draft_id}/again")
    assert "was forgotten after a day" in box.ended(draft_id)["draft"]["error"]


def test_one_source_that_cannot_be_read_is_named_and_the_others_are_used(box: Drafted) -> None:
    box.model.then(submitting(SPEC))
    text = "Tools of curl https://api.example.com/users -H 'X-Api-Key: k3y-9f8e7d6c5b4a' and\npostgresql://u:hunter2@db.invalid/shop"
    draft_id = box.ask(prompt=text, model=False)
    shown = box.ended(draft_id)
    assert (shown["draft"]["status"], shown["draft"]["source"]) == ("ready", "curl")
    unused = [each for each in shown["findings"] if each["id"] == "source.unused"]
    assert len(unused) == 1
    assert unused[0]["message"].startswith("Nothing here is made of postgresql://db.invalid/shop: db.invalid cannot be resolved")
    assert shown["held"] == ["EXAMPLE_API_KEY"]
    found = everything(box)
    assert not any(each in found for each in (b"hunter2", b"k3y-9f8e7d6c5b4a"))


def test_every_source_that_cannot_be_read_is_named_and_how_to_go_on() -> None:
    closed = {"egress_exceptions": {"db.test:1": "127.0.0.1"}, "egress_plain_http": ("db.test:1",)}
    with listening(lambda client: client.sendall(b"N" if client.recv(8) else b"")) as port, ModelServer() as model, drafted(model, **closed) as box:
        box.config.egress_exceptions[f"db.test:{port}"] = "127.0.0.1"
        draft_id = box.ask(prompt=f"postgresql://u@db.test:1/x?sslmode=disable and postgresql://u@db.test:{port}/x and https://docs.invalid/openapi.json")
        said = box.ended(draft_id)["draft"]["error"]
    assert "Nothing here is made of postgresql://db.test:1/x: db.test:1 cannot be asked: Connection refused." in said
    assert f"postgresql://db.test:{port}/x: db.test:{port} cannot be asked: it does not speak TLS; --tls off, or ?sslmode=disable" in said
    assert "https://docs.invalid/openapi.json: docs.invalid cannot be resolved" in said
    assert said.endswith(f"`bmm new --again {draft_id}` tries again")


def test_what_was_seen_becomes_the_servers_secret_unless_it_would_go_elsewhere(box: Drafted) -> None:
    text = "Make curl https://api.example.com/users -H 'X-Api-Key: k3y-9f8e7d6c5b4a'"
    draft_id = box.ask(prompt=text, model=False)
    spec = box.ended(draft_id)["spec"]
    moved = {**spec, "hosts": [{"name": "evil.example"}], "tools": [{**spec["tools"][0], "server": "https://evil.example"}]}
    assert box.refused(f"/api/drafts/{draft_id}/build", {"slug": "moved", "spec": moved})[1] == "secrets_missing"
    queried = {**spec, "tools": [{**spec["tools"][0], "auth": [[{"type": "key", "place": "query", "name": "key", "secret": "EXAMPLE_API_KEY"}]]}]}
    assert box.refused(f"/api/drafts/{draft_id}/build", {"slug": "moved", "spec": queried})[1] == "secrets_missing"
    more = {**spec, "secrets": [*spec["secrets"], {"key": "OTHER", "hint": "Another"}], "tools": [
        *spec["tools"], TOOL | {"name": "other", "path": "/other", "auth": [[{"type": "bearer", "secret": "OTHER"}]]},
    ]}  # fmt: skip
    assert box.refused(f"/api/drafts/{draft_id}/build", {"slug": "moved", "spec": more})[1] == "secrets_missing"
    assert box.values("SELECT count(*) FROM secrets") == box.values("SELECT count(*) FROM servers") == [0]
    box.live("taken", SPEC)
    assert box.refused(f"/api/drafts/{draft_id}/build", {"slug": "taken"})[1] == "slug_taken"
    assert box.values("SELECT count(*) FROM secrets") == [0]
    box.post(f"/api/drafts/{draft_id}/build", slug="users")
    assert box.values("SELECT key FROM secrets") == ["EXAMPLE_API_KEY"]
    assert box.shown(draft_id)["held"] == []
    assert box.values("SELECT count(*) FROM draft_kept") == [0]
    assert b"k3y-9f8e7d6c5b4a" not in everything(box)


def test_what_a_failed_build_of_another_draft_left_is_not_sent_to_this_ones_place(box: Drafted) -> None:
    box.trial_error = "It did not answer"
    values = []
    for host in ("api.example.com", "api.example.org"):
        draft_id = box.ask(prompt=f"Make curl https://{host}/users -H 'X-Api-Key: of-{host}-k3y9f8e7d6'", model=False)
        box.ended(draft_id)
        box.builds(draft_id, "users")
        values.append(secret(box, "users", "EXAMPLE_API_KEY"))
    assert values == ["of-api.example.com-k3y9f8e7d6", "of-api.example.org-k3y9f8e7d6"]


def test_what_a_person_set_since_stays(box: Drafted) -> None:
    draft_id = box.ask(prompt="Make curl https://api.example.com/users -H 'X-Api-Key: k3y-9f8e7d6c5b4a'", model=False)
    box.ended(draft_id)
    server = draft_for(box.store, organisation_id=box.organisation_id, slug="users", now=ids.now())
    put_secret(
        box.store, box.vault, box.config.data, server, key="EXAMPLE_API_KEY", value="of-a-person", ahead=True, actor=OPERATOR, now=ids.now()
    )  # fmt: skip
    box.post(f"/api/drafts/{draft_id}/build", slug="users")
    assert secret(box, "users", "EXAMPLE_API_KEY") == "of-a-person"


def test_a_change_of_a_server_keeps_no_password_either(box: Drafted) -> None:
    box.live("users", SPEC)
    box.model.then(submitting({"tools": [{"kind": "keep", "name": "list_users"}]}))
    draft_id = box.ask(prompt="Also use postgresql://reader:password@db.test/shop", slug="users", iterate=True)
    assert box.ended(draft_id)["draft"]["prompt"] == "Also use postgresql://db.test/shop"
    assert "reader:" not in box.model.requests[0].said


def test_a_database_goes_with_a_new_server_only(box: Drafted) -> None:
    box.live("users", SPEC)
    wish = {"url": "postgresql://u@h.test/x"}
    for body in ({"iterate": True, "slug": "users", "prompt": "Also this"}, {"spec": SPEC}):
        assert "makes a new server" in box.refused("/api/drafts", body | {"database": wish})[2]
    assert Path(box.config.data_dir).exists()
