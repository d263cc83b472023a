"""A whole document -> a spec: names, servers, hosts, secrets, and what makes a document unusable."""

import json
from pathlib import Path
from typing import Any

import pytest

from bmm.sources import UnusableDocument, compile_openapi
from runner.contract import (
    AllowedHost,
    BasicCredential,
    BearerCredential,
    CertificateCredential,
    DigestCredential,
    HttpTool,
    KeyCredential,
    Scope,
    SecretNeed,
    check_spec,
    decode_spec,
    encode_spec,
)
from tests.unit.sources.documents import Json, compiled, document, operation, remarks, tool_of

SHOP = Path(__file__).parents[2] / "documents/shop.yaml"


def test_the_shop_compiles_without_a_remark() -> None:
    found = compile_openapi(SHOP.read_bytes())
    assert found.findings == ()
    assert [tool.name for tool in found.spec.tools] == [
        "getStatus", "listProducts", "getProduct", "listOrders", "createOrder", "getOrder", "updateOrder", "cancelOrder",
        "oddSlow", "oddRedirect", "oddFail", "oddHtml", "oddHuge",
    ]  # fmt: skip
    assert found.spec.secrets == (
        SecretNeed(
            key="SHOP_API_KEY", hint="The key of your shop account, from Settings, API keys. Sent as the header X-Api-Key.", required=True
        ),
    )
    assert found.spec.hosts == (AllowedHost(name="shop.test", port=8081, plain=True, reason="13 tools of the API"),)
    assert found.spec.scopes == (
        Scope(name="read", description="Read data from Shop"),
        Scope(name="write", description="Create, change and delete data in Shop"),
    )
    check_spec(found.spec)
    assert decode_spec(encode_spec(found.spec)) == found.spec


def test_the_same_document_gives_the_same_bytes() -> None:
    assert encode_spec(compile_openapi(SHOP.read_bytes()).spec) == encode_spec(compile_openapi(SHOP.read_bytes()).spec)


@pytest.mark.parametrize(
    ("value", "pointer", "words"),
    [
        ("[]", None, "not an OpenAPI document"),
        ("just text", None, "not an OpenAPI document"),
        ("{}", None, "no `openapi`"),
        ('{"swagger": "2.0", "paths": {}}', "/paths", "no operations"),
        ('{"swagger": "1.2", "paths": {}}', "/swagger", "'1.2' is not supported"),
        ('{"openapi": "4.0.0"}', "/openapi", "'4.0.0' is not supported"),
        ('{"openapi": "3.0.0"}', "/paths", "no operations"),
        ('{"openapi": "3.0.0", "paths": {"/x": {"parameters": []}}}', "/paths", "no operations"),
        ('{"openapi": "3.0.0", "paths": {"/x": {"get": {}}}}', "/servers/0", "no absolute server URL; pass --server URL"),
        ('{"openapi": "3.0.0", "paths": {"/x": {"get": {}}}, "servers": [{"url": "/v1"}]}', "/servers/0", "'/v1' is not absolute"),
        ('{"openapi": 3.1, "paths": {"/x": {"get": {}}}, "servers": [{"url": "https://192.0.2.1"}]}', "/servers/0", "pass --server URL with a name"),
    ],
)  # fmt: skip
def test_an_unusable_document_is_refused_with_its_place(value: str, pointer: str | None, words: str) -> None:
    with pytest.raises(UnusableDocument) as refused:
        compile_openapi(value.encode())
    assert words in refused.value.user_message
    assert refused.value.pointer == pointer


@pytest.mark.parametrize(
    ("servers", "options", "expected"),
    [
        ([{"url": "https://API.Test:443/v1/"}], {}, "https://api.test:443/v1"),
        ([{"url": "https://bücher.example/ä b"}], {}, "https://xn--bcher-kva.example/%C3%A4%20b"),
        ([{"url": "{s}://{h}.test/{v}", "variables": {"s": {"default": "https"}, "h": {"enum": ["eu", "us"]}, "v": {"default": 2}}}], {}, "https://eu.test/2"),
        ([{"url": "https://{x}.test"}, {"url": "https://second.test"}], {}, "https://second.test"),
        ([{"url": "../v2"}], {"location": "https://docs.test/a/b/openapi.json"}, "https://docs.test/a/v2"),
        ([], {"location": "https://docs.test/a/openapi.json"}, "https://docs.test"),
        ([{"url": "https://api.test"}], {"server": "http://other.test:8000/x/"}, "http://other.test:8000/x"),
        ([{"url": "https://10.0.0.1"}], {"server": "https://named.test"}, "https://named.test"),
    ],
)  # fmt: skip
def test_the_base_url(servers: list[Json], options: Json, expected: str) -> None:
    assert tool_of(operation(root={"servers": servers}), **options).server == expected


def test_the_nearest_servers_win_and_each_becomes_a_host() -> None:
    paths = {
        "/a": {"get": {"servers": [{"url": "http://a.test"}]}, "servers": [{"url": "https://b.test"}], "post": {}},
        "/c": {"get": {}},
    }
    found = compiled(document(paths))
    assert [tool.server for tool in found.spec.tools if isinstance(tool, HttpTool)] == [
        "http://a.test",
        "https://b.test",
        "https://api.test/v1",
    ]
    assert found.spec.hosts == (
        AllowedHost(name="a.test", port=80, plain=True, reason="1 tool of the API"),
        AllowedHost(name="b.test", reason="1 tool of the API"),
        AllowedHost(name="api.test", reason="1 tool of the API"),
    )


@pytest.mark.parametrize(
    "server", ["127.0.0.1:8080", "http://127.0.0.1:8080", "http://[::1]/", "http://0x7f.1", "http://2130706433", "https://u:p@h.test", "x"]
)
def test_a_server_option_that_cannot_be_is_refused(server: str) -> None:
    with pytest.raises(UnusableDocument, match="--server"):
        compiled(operation(), server=server)


SCHEMES: Json = {
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
    "query": {"type": "apiKey", "in": "query", "name": "token"},
    "bearerAuth": {"type": "http", "scheme": "bearer", "description": "From <b>settings</b>"},
    "basicAuth": {"type": "http", "scheme": "basic"},
    "oauth2": {"type": "oauth2", "flows": {}},
    "oidc": {"type": "openIdConnect", "openIdConnectUrl": "https://x"},
    "digest": {"type": "http", "scheme": "Digest", "description": "As in the console"},
    "negotiate": {"type": "http", "scheme": "negotiate"},
    "mtls": {"type": "mutualTLS"},
    "Token": {"type": "http", "scheme": "Token"},
    "oauth": {"type": "http", "scheme": "OAuth"},
}
KEY = KeyCredential(place="header", name="X-Api-Key", secret="SHOP_API_KEY")
QUERY = KeyCredential(place="query", name="token", secret="SHOP_QUERY")
BEARER = BearerCredential(secret="SHOP_BEARER_TOKEN")
TOKEN = BearerCredential(secret="SHOP_TOKEN", scheme="Token")
MUTUAL = CertificateCredential(certificate="SHOP_MTLS_CERTIFICATE", key="SHOP_MTLS_PRIVATE_KEY")
PAIR = {"SHOP_MTLS_CERTIFICATE": True, "SHOP_MTLS_PRIVATE_KEY": True}
DIGEST = DigestCredential(username="SHOP_DIGEST_USERNAME", password="SHOP_DIGEST_PASSWORD")


@pytest.mark.parametrize(
    ("root", "own", "auth", "secrets"),
    [
        ([{"apiKey": []}], None, ((KEY,),), {"SHOP_API_KEY": True}),
        ([{"apiKey": []}], [], (), {}),
        ([{"apiKey": []}], [{}], ((),), {}),
        ([{"apiKey": []}], [{}, {"bearerAuth": []}], ((), (BEARER,)), {"SHOP_BEARER_TOKEN": False}),
        (None, [{"apiKey": [], "query": []}], ((KEY, QUERY),), {"SHOP_API_KEY": True, "SHOP_QUERY": True}),
        (None, [{"apiKey": []}, {"query": []}], ((KEY,), (QUERY,)), {"SHOP_API_KEY": False, "SHOP_QUERY": False}),
        (None, [{"basicAuth": []}], ((BasicCredential(username="SHOP_BASIC_USERNAME", password="SHOP_BASIC_PASSWORD"),),),
         {"SHOP_BASIC_USERNAME": True, "SHOP_BASIC_PASSWORD": True}),
        (None, [{"oauth2": ["x"]}], ((BearerCredential(secret="SHOP_OAUTH2_TOKEN"),),), {"SHOP_OAUTH2_TOKEN": True}),
        (None, [{"oidc": []}], ((BearerCredential(secret="SHOP_OIDC_TOKEN"),),), {"SHOP_OIDC_TOKEN": True}),
        (None, [{"negotiate": []}, {"apiKey": []}], ((KEY,),), {"SHOP_API_KEY": True}),
        (None, [{"digest": []}], ((DIGEST,),), {"SHOP_DIGEST_USERNAME": True, "SHOP_DIGEST_PASSWORD": True}),
        (None, [{"digest": [], "apiKey": []}], ((DIGEST, KEY),), {"SHOP_API_KEY": True, "SHOP_DIGEST_USERNAME": True, "SHOP_DIGEST_PASSWORD": True}),
        (None, [{"digest": []}, {"apiKey": []}, {}], ((DIGEST,), (KEY,), ()),
         {"SHOP_API_KEY": False, "SHOP_DIGEST_USERNAME": False, "SHOP_DIGEST_PASSWORD": False}),
        (None, [{"digest": [], "bearerAuth": []}], ((DIGEST,),), {"SHOP_DIGEST_USERNAME": True, "SHOP_DIGEST_PASSWORD": True}),
        (None, [{"mtls": []}], ((MUTUAL,),), PAIR),
        (None, [{"Token": []}, {"oauth": []}], ((TOKEN,), (BearerCredential(secret="SHOP_OAUTH", scheme="OAuth"),)),
         {"SHOP_TOKEN": False, "SHOP_OAUTH": False}),
        (None, [{"Token": [], "mtls": []}], ((TOKEN, MUTUAL),), PAIR | {"SHOP_TOKEN": True}),
        (None, [{"mtls": [], "bearerAuth": []}], ((MUTUAL, BEARER),), PAIR | {"SHOP_BEARER_TOKEN": True}),
        (None, [{"mtls": [], "digest": [], "apiKey": []}], ((MUTUAL, DIGEST, KEY),),
         PAIR | {"SHOP_API_KEY": True, "SHOP_DIGEST_USERNAME": True, "SHOP_DIGEST_PASSWORD": True}),
        (None, [{"mtls": [], "apiKey": []}, {"mtls": [], "digest": []}, {"mtls": []}], ((MUTUAL, KEY), (MUTUAL, DIGEST), (MUTUAL,)),
         PAIR | {"SHOP_API_KEY": False, "SHOP_DIGEST_USERNAME": False, "SHOP_DIGEST_PASSWORD": False}),
        (None, [{"mtls": []}, {}], ((MUTUAL,), ()), {"SHOP_MTLS_CERTIFICATE": False, "SHOP_MTLS_PRIVATE_KEY": False}),
        (None, [{"bearerAuth": [], "digest": []}], ((BEARER,),), {"SHOP_BEARER_TOKEN": True}),
        (None, [{"oauth2": [], "bearerAuth": []}], ((BearerCredential(secret="SHOP_OAUTH2_TOKEN"),),), {"SHOP_OAUTH2_TOKEN": True}),
        (None, [{"nobody": []}], ((),), {}),
        (None, [{"Api-Key": []}], ((KEY,),), {"SHOP_API_KEY": True}),
        (None, {"apiKey": []}, ((KEY,),), {"SHOP_API_KEY": True}),
        (None, None, (), {}),
    ],
)  # fmt: skip
def test_security_becomes_credentials_and_secrets(root: Any, own: Any, auth: Any, secrets: dict[str, bool]) -> None:
    value = operation(root={"components": {"securitySchemes": SCHEMES}} | ({} if root is None else {"security": root}))
    if own is not None:
        value["paths"]["/x"]["get"]["security"] = own
    found = compiled(value)
    assert isinstance(found.spec.tools[0], HttpTool)
    assert found.spec.tools[0].auth == auth
    assert {need.key: need.required for need in found.spec.secrets} == secrets


def test_hints_tell_where_a_secret_comes_from_and_goes_to() -> None:
    requirement: list[Json] = [{name: [] for name in ("bearerAuth", "query")}]
    found = compiled(operation(security=requirement, root={"components": {"securitySchemes": SCHEMES}}))
    assert [need.hint for need in found.spec.secrets] == [
        "An API key. Sent as the query parameter token.",
        "From settings. Sent as Authorization: Bearer.",
    ]
    found = compiled(operation(security=[{"digest": []}], root={"components": {"securitySchemes": SCHEMES}}))
    assert {need.hint for need in found.spec.secrets} == {"As in the console. For HTTP Digest authentication; the password itself is not sent."}


@pytest.mark.parametrize(
    "scheme", ["negotiate", "NTLM", "hoba", "mutual", "SCRAM-SHA-256", "vapid", "DPoP", "gnap", "hawk", "AWS4-HMAC-SHA256", "concealed"]
)
def test_schemes_that_sign_each_request_are_refused_by_name(scheme: str) -> None:
    schemes = {"components": {"securitySchemes": {"way": {"type": "http", "scheme": scheme}}}}
    with pytest.raises(UnusableDocument, match=f"http {scheme.lower()}', which signs or negotiates each request"):
        compiled(operation(security=[{"way": []}], root=schemes))


def test_of_another_scheme_the_secret_is_what_stands_behind_its_name() -> None:
    found = compiled(operation(security=[{"Token": []}], root={"components": {"securitySchemes": SCHEMES}}))
    assert [need.hint for need in found.spec.secrets] == [
        "A credential. Sent as Authorization: Token, a blank and this value; give what stands behind the word Token."
    ]


def test_a_client_certificate_needs_https() -> None:
    plain = {"components": {"securitySchemes": SCHEMES}, "servers": [{"url": "http://a.test"}]}
    found = compiled(operation(security=[{"mtls": []}, {"apiKey": []}], root=plain))
    assert found.spec.tools[0].auth == ((KEY,),)  # type: ignore[union-attr]
    assert [each.message for each in found.findings if "mtls" in each.message] == [
        "the security scheme 'mtls' is a client certificate, which only https can show; this way to sign in is left out"
    ]
    with pytest.raises(UnusableDocument):
        compiled(operation(security=[{"mtls": []}], root=plain))


@pytest.mark.parametrize(
    ("title", "scheme", "key"),
    [
        ("Shop", "api_key", "SHOP_API_KEY"),
        ("Shop API", "ApiKeyAuth", "SHOP_API_KEY"),
        ("Swagger Petstore - OpenAPI 3.0", "petstore_auth", "PETSTORE_AUTH"),
        ("日本", "鍵", "SECRET"),
        ("3D", "key", "API_3D_KEY"),
        ("A" * 80, "key", None),
    ],
)
def test_secret_keys_are_upper_snake(title: str, scheme: str, key: str | None) -> None:
    schemes = {scheme: {"type": "apiKey", "in": "header", "name": "K"}}
    found = compiled(
        operation(security=[{scheme: []}], root={"components": {"securitySchemes": schemes}, "info": {"title": title, "version": "1"}})
    )
    if key is None:
        assert len(found.spec.secrets[0].key) == 64
    else:
        assert found.spec.secrets[0].key == key


def test_names_are_legal_unique_and_do_not_depend_on_their_neighbours() -> None:
    ids = ["listPets", "list pets!", "list.pets", "9lives", "宠物", "listPets", "a" * 70, None, None, None]
    paths: Json = {f"/p{n}": {"get": {"operationId": each} if each else {}} for n, each in enumerate(ids)}
    paths |= {"/users/{id}": {"get": {"parameters": [{"name": "id", "in": "path"}]}}, "/users/id": {"get": {}}, "/": {"get": {}}}
    found = compiled(document(paths))
    names = [tool.name for tool in found.spec.tools]
    assert len(set(names)) == len(names)
    assert names[:2] == ["listPets", "list_pets"]
    assert names[2].startswith("list_pets_")
    assert names[3:5] == ["op_9lives", "get_p4"]
    assert names[5].startswith("listPets_")
    assert len(names[6]) == 64
    assert names[7] == "get_p7"
    assert names[10] == "get_users_id"
    assert names[11].startswith("get_users_id_")
    assert names[12] == "get"
    assert {level for level, _ in remarks(found)} == {"note", "warning"}
    shorter = compiled(document({path: item for path, item in paths.items() if path != "/p1"}))
    kept = [tool.name for tool in shorter.spec.tools]
    assert [name for name in kept if name not in names] == []


def test_odd_text_is_cleaned_and_bounded() -> None:
    about = "Line<br>two &amp; three\u202e <script>x</script>{id} <id> a < b\n\n\n\nend. " + "word " * 1000
    tool = tool_of(operation(summary=" Do  it ", description=about))
    assert tool.title == "Do it"
    assert tool.description.startswith("Do it.\n\nLine\ntwo & three {id} <id> a < b\n\nend. word")
    assert len(tool.description) <= 1024
    assert tool.description.endswith("…")
    assert tool_of(operation()).description == "GET /x"
    assert tool_of(operation(summary="List pets.", description="List pets that are free.")).description == "List pets that are free."


def test_a_lone_surrogate_costs_one_operation_not_the_document() -> None:
    value = document({"/a": {"get": {"parameters": [{"name": "a", "in": "query", "schema": {"enum": ["\ud800"]}}]}}, "/b": {"get": {}}})
    found = compile_openapi(json.dumps(value).encode())
    assert [tool.name for tool in found.spec.tools] == ["get_b"]
    assert remarks(found) == [("error", "/paths/~1a/get")]


def test_more_operations_than_tools_are_allowed() -> None:
    found = compiled(document({f"/p{n}": {"get": {}} for n in range(1001)}))
    assert len(found.spec.tools) == 1000
    assert remarks(found) == [("warning", "/paths")]
