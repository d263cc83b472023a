"""Several documents as one server."""

from typing import Any

import msgspec
import pytest

from bmm.errors import BadInput
from bmm.sources.credentials import Credentials
from bmm.sources.curl import compile_curl
from bmm.sources.finding import Compiled
from bmm.sources.merge import merged
from runner.contract import AllowedHost, Database, HttpTool, KeyCredential, SecretNeed, ServerSpec, SqlTool, check_spec, secrets_used
from tests.unit.sources.documents import Json, compiled, document


def an_api(title: str, *ids: str, header: str = "X-Key", **more: Any) -> Compiled:
    root: Json = {"info": {"title": title}, "components": {"securitySchemes": {"k": {"type": "apiKey", "in": "header", "name": header}}}}
    return compiled(document({f"/{name}": {"get": {"operationId": name, "security": [{"k": []}]}} for name in ids}, **root, **more))


def test_names_that_clash_get_the_name_of_their_api() -> None:
    found = merged([an_api("Orders API", "list", "ship"), an_api("Pets", "list", "feed")])
    assert [tool.name for tool in found.spec.tools] == ["orders_api_list", "ship", "pets_list", "feed"]
    assert found.spec.name == "Orders API, Pets"
    assert [need.key for need in found.spec.secrets] == ["ORDERS_API_K", "PETS_K"]
    assert found.spec.hosts == (AllowedHost(name="api.test", reason="Orders API: 2 tools of the API; Pets: 2 tools of the API"),)
    assert found.spec.scopes[0].description == "Read data from Orders API, Pets"
    assert len(found.findings) == 2
    check_spec(found.spec)


def test_one_document_stays_as_it_is() -> None:
    one = an_api("Pets", "list")
    assert merged([one]) is one


def test_two_meanings_of_a_secret_get_two_names() -> None:
    found = merged([an_api("Pets", "a"), an_api("Pets", "b", header="X-Other")], name="Both")
    assert found.spec.name == "Both"
    keys = [need.key for need in found.spec.secrets]
    assert len(set(keys)) == 2
    tools = [tool for tool in found.spec.tools if isinstance(tool, HttpTool)]
    assert [tool.auth for tool in tools] == [
        ((KeyCredential(place="header", name="X-Key", secret=keys[0]),),),
        ((KeyCredential(place="header", name="X-Other", secret=keys[1]),),),
    ]
    same = merged([an_api("Pets", "a"), an_api("Pets", "b")])
    assert [need.key for need in same.spec.secrets] == ["PETS_K"]


def test_a_secret_is_not_shared_with_another_host() -> None:
    found = merged([an_api("API", "a"), an_api("API", "b", servers=[{"url": "https://other.test"}]), an_api("API", "c")])
    assert [need.key for need in found.spec.secrets] == ["API_K", "API_2_API_K"]
    assert [tool.auth[0][0] for tool in found.spec.tools if isinstance(tool, HttpTool)] == [
        KeyCredential(place="header", name="X-Key", secret=key) for key in ("API_K", "API_2_API_K", "API_K")
    ]


def test_too_many_tools_together_are_refused() -> None:
    many = [compiled(document({f"/p{n}": {"get": {}} for n in range(600)}, info={"title": title})) for title in ("A", "B")]
    with pytest.raises(BadInput, match="1,200 tools"):
        merged(many)


def a_database(name: str, user: str = "reader", host: str = "db.test") -> Compiled:
    tool = SqlTool(name="get_row", description="A row.", input_schema={"type": "object"}, database="main", query="SELECT 1")
    entry = Database(name="main", kind="postgresql", host=host, database=name, user=user, password="DB_PASSWORD")
    need = SecretNeed(key="DB_PASSWORD", hint=f"The password of {user} at {host}")
    spec = ServerSpec(name=name, tools=(tool,), hosts=(AllowedHost(name=host, port=5432, protocol="postgresql"),), databases=(entry,), secrets=(need,))
    return Compiled(spec=spec, seen=Credentials({"DB_PASSWORD": f"of {user}"}))


def test_databases_documents_and_requests_are_one_server() -> None:
    command = compile_curl("curl https://api.test/users -H 'X-Api-Key: k3y-9f8e7d6c5b4a'")
    found = merged([an_api("Pets", "list"), a_database("shop"), a_database("old", "admin"), a_database("new"), command])
    assert [tool.name for tool in found.spec.tools] == ["list", "shop_get_row", "old_get_row", "new_get_row", "list_users"]
    assert [(each.name, each.database, each.password) for each in found.spec.databases] == [
        ("main", "shop", "DB_PASSWORD"), ("old_main", "old", "OLD_DB_PASSWORD"), ("new_main", "new", "DB_PASSWORD"),
    ]  # fmt: skip
    assert [tool.database for tool in found.spec.tools if isinstance(tool, SqlTool)] == ["main", "old_main", "new_main"]
    assert {key: value for key, value in found.seen.items() if "DB" in key} == {"DB_PASSWORD": "of reader", "OLD_DB_PASSWORD": "of admin"}
    assert "k3y-9f8e7d6c5b4a" in found.seen.values()
    assert "k3y" not in repr(found)
    check_spec(found.spec)


def test_two_passwords_are_two_secrets() -> None:
    other = msgspec.structs.replace(a_database("old"), seen=Credentials({"DB_PASSWORD": "another"}))
    found = merged([a_database("shop"), other])
    assert dict(found.seen) == {"DB_PASSWORD": "of reader", "OLD_DB_PASSWORD": "another"}
    assert [each.password for each in found.spec.databases] == ["DB_PASSWORD", "OLD_DB_PASSWORD"]
    check_spec(found.spec)


@pytest.mark.parametrize("first", [True, False])
def test_a_document_gets_no_value_of_a_command_for_a_host_of_its_own(first: bool) -> None:
    # Named, described and sent to the command's own host too, as somebody would who wants the value.
    schemes = {"components": {"securitySchemes": {"api_key": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "A credential."}}}}
    asked: Json = {"get": {"security": [{"api_key": []}]}}
    paths = {"/a": asked, "/b": {**asked, "servers": [{"url": "https://evil.test"}]}}
    hostile = compiled(document(paths, info={"title": "Example"}, servers=[{"url": "https://api.example.com"}], **schemes))
    command = compile_curl("curl https://api.example.com/users -H 'X-Api-Key: k3y-9f8e7d6c5b4a'")
    assert [each.spec.secrets for each in (hostile, command)] == [hostile.spec.secrets] * 2
    found = merged([hostile, command] if first else [command, hostile])
    ((key, _),) = found.seen.items()
    sent = {tool.server for tool in found.spec.tools if isinstance(tool, HttpTool) and key in secrets_used(tool)}
    assert sent == {"https://api.example.com"}
    check_spec(found.spec)


def test_a_name_that_a_renamed_secret_gets_may_be_taken_too() -> None:
    taken = compiled(document({"/a": {"get": {"security": [{"k": []}]}}}, info={"title": "Other"}, components={
        "securitySchemes": {"k": {"type": "apiKey", "in": "header", "name": "X-Key"}},
    }))  # fmt: skip
    named = msgspec.json.decode(msgspec.json.encode(taken.spec).replace(b"OTHER_K", b"OLD_DB_PASSWORD"), type=ServerSpec)
    found = merged([Compiled(spec=named), a_database("shop"), a_database("old", "admin")])
    assert [each.password for each in found.spec.databases] == ["DB_PASSWORD", "OLD_DB_PASSWORD_2"]
    assert dict(found.seen) == {"DB_PASSWORD": "of reader", "OLD_DB_PASSWORD_2": "of admin"}
    check_spec(found.spec)


def test_one_place_in_two_protocols_is_no_server() -> None:
    http = an_api("Odd", "list", servers=[{"url": "https://db.test:5432"}])
    with pytest.raises(BadInput, match=r"db\.test:5432 is asked in two protocols"):
        merged([http, a_database("shop")])
