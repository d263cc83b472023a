"""From a small document and arguments to the whole request: what the document says is what is sent."""

import json
from typing import Any

import pytest

from runner.tools.request import ACCEPT, USER_AGENT, HttpRequest, build_request
from tests.unit.sources.documents import Json, compiled, document, operation, tool_of

FORM = "application/x-www-form-urlencoded"
SWAGGER: Json = {
    "swagger": "2.0",
    "info": {"title": "Old", "version": "1"},
    "host": "old.test",
    "basePath": "/v2",
    "schemes": ["http", "https"],
}


def sent(value: Json, arguments: Json, *, url: str, method: str = "GET", body: tuple[str, str] | None = None, **headers: str) -> None:
    """Checks that the arguments fit the published schema and give exactly this request."""
    from jsonschema_rs import Draft202012Validator

    tool = tool_of(value)
    Draft202012Validator(tool.input_schema).validate(arguments)
    always: dict[str, str] = {"Accept": ACCEPT, "User-Agent": USER_AGENT}
    if body:
        always["Content-Type"] = body[0]
    content = body[1].encode() if body else None
    expected = HttpRequest(method=method, url=url, headers=(*always.items(), *_dashed(headers).items()), body=content)
    assert build_request(tool, arguments, {need.key: "s3cret" for need in compiled(value).spec.secrets}) == expected


def _dashed(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): text for name, text in headers.items()}


def swagger(method: str, path: str, parameters: list[Json], **more: Any) -> Json:
    node: Json = {key: more.pop(key) for key in ("consumes", "security") if key in more}
    return SWAGGER | {"paths": {path: {method: {"parameters": parameters, **node}}}} | more


def array(name: str, place: str, **more: Any) -> Json:
    return {"name": name, "in": place, "type": "array", "items": {"type": "string"}, **more}


@pytest.mark.parametrize(
    ("given", "query"),
    [
        (None, "?q=a,b%20c"), ("csv", "?q=a,b%20c"), ("ssv", "?q=a%20b%20c"), ("tsv", "?q=a%09b%20c"), ("pipes", "?q=a%7Cb%20c"),
        ("multi", "?q=a&q=b%20c"),
    ],
)  # fmt: skip
def test_swagger_collections(given: str | None, query: str) -> None:
    more = {} if given is None else {"collectionFormat": given}
    sent(swagger("get", "/x", [array("q", "query", **more)]), {"q": ["a", "b c"]}, url=f"https://old.test/v2/x{query}")


def test_swagger_in_path_and_header() -> None:
    parameters: list[Json] = [
        array("ids", "path", required=True),
        array("X-Tags", "header"),
        {"name": "n", "in": "query", "type": "integer"},
    ]
    sent(
        swagger("get", "/x/{ids}", parameters), {"ids": ["a", "b"], "X-Tags": ["p", "q"], "n": 5},
        url="https://old.test/v2/x/a,b?n=5", X_Tags="p,q",
    )  # fmt: skip


def test_a_swagger_body_follows_references() -> None:
    value = swagger("post", "/pets", [{"$ref": "#/parameters/Pet"}])
    value |= {
        "parameters": {"Pet": {"in": "body", "name": "pet", "required": True, "schema": {"$ref": "#/definitions/Pet"}}},
        "definitions": {"Pet": {
            "type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "id": {"type": "integer", "readOnly": True}},
        }},
    }  # fmt: skip
    sent(value, {"name": "Rex"}, method="POST", url="https://old.test/v2/pets", body=("application/json", '{"name":"Rex"}'))


def test_swagger_form_data_and_files() -> None:
    fields: list[Json] = [
        {"name": "title", "in": "formData", "type": "string", "required": True}, array("tags", "formData"), array("more", "formData", collectionFormat="multi"),
    ]  # fmt: skip
    arguments: Json = {"title": "a b", "tags": ["x", "y"], "more": ["p", "q"]}
    body = (FORM, "title=a%20b&tags=x,y&more=p&more=q")
    sent(swagger("post", "/f", fields), arguments, method="POST", url="https://old.test/v2/f", body=body)
    tool = tool_of(swagger("post", "/f", [*fields, {"name": "upload", "in": "formData", "type": "file"}], consumes=["multipart/form-data"]))
    assert tool.body is not None
    assert (tool.body.media_type, tool.body.parts["upload"].file) == ("multipart/form-data", True)
    assert tool.input_schema["properties"]["upload"]["contentEncoding"] == "base64"


def test_swagger_security() -> None:
    value = swagger("get", "/x", [], securityDefinitions={"b": {"type": "basic"}, "k": {"type": "apiKey", "in": "query", "name": "key"}})
    sent(value | {"security": [{"k": []}]}, {}, url="https://old.test/v2/x?key=s3cret")
    sent(value | {"security": [{"b": []}]}, {}, url="https://old.test/v2/x", Authorization="Basic czNjcmV0OnMzY3JldA==")


def test_swagger_without_a_host_is_relative_to_where_it_was() -> None:
    value = {key: each for key, each in swagger("get", "/x", []).items() if key != "host"}
    assert tool_of(value, location="https://docs.test/api/swagger.json").server == "https://docs.test/v2"


def body_of(media_type: str, schema: Json, **more: Any) -> Json:
    return operation("post", requestBody={"required": True, "content": {media_type: {"schema": schema, **more}}})


OBJECT: Json = {
    "type": "object",
    "properties": {"a": {"type": "string"}, "b": {"type": "array", "items": {"type": "integer"}}, "c": {"type": "object"}},
}


@pytest.mark.parametrize(
    ("media_type", "schema", "more", "arguments", "expected"),
    [
        ("application/json;charset=utf-8", OBJECT, {}, {"a": "x", "c": {"d": None}}, '{"a":"x","c":{"d":null}}'),
        (FORM, OBJECT, {}, {"a": "x y", "b": [1, 2], "c": {"d": 1}}, "a=x%20y&b=1&b=2&c=%7B%22d%22%3A1%7D"),
        (FORM, OBJECT, {"encoding": {"c": {"style": "deepObject", "explode": True}, "b": {"explode": False}}},
         {"b": [1, 2], "c": {"d": {"e": 1}}}, "b=1,2&c%5Bd%5D%5Be%5D=1"),
        (FORM, {"type": "object", "additionalProperties": {"type": "string"}}, {}, {"body": {"k": "v"}}, "k=v"),
        ("text/plain", {"type": "string"}, {}, {"body": "hello"}, "hello"),
        ("application/jwt", {"type": "string", "format": "base64"}, {}, {"body": "eyJh.eyJz.c2ln"}, "eyJh.eyJz.c2ln"),
        ("application/at+jwt", {"type": "string", "contentEncoding": "base64"}, {}, {"body": "eyJh.eyJz.c2ln"}, "eyJh.eyJz.c2ln"),
        ("application/octet-stream", {"type": "string", "format": "binary"}, {}, {"body": "aGk="}, "hi"),
        ("application/vnd.git-lfs+json", {"type": "array", "items": {}}, {}, {"body": [1]}, "[1]"),
    ],
)  # fmt: skip
def test_bodies_by_media_type(media_type: str, schema: Json, more: Json, arguments: Json, expected: str) -> None:
    sent(body_of(media_type, schema, **more), arguments, method="POST", url="https://api.test/v1/x", body=(media_type, expected))


def test_an_xml_body_by_its_schema() -> None:
    order = {
        "type": "object", "xml": {"name": "Order", "namespace": "http://shop/"},
        "properties": {
            "id": {"type": "integer", "xml": {"attribute": True}},
            "lines": {"type": "array", "xml": {"name": "Lines", "wrapped": True}, "items": {"$ref": "#/components/schemas/Line"}},
            "tags": {"type": "array", "items": {"type": "string", "xml": {"name": "Tag"}}},
        },
    }  # fmt: skip
    line = {"type": "object", "xml": {"name": "Line"}, "properties": {"sku": {"type": "string"}}}
    value = operation(
        "post",
        requestBody={"required": True, "content": {"application/xml": {"schema": order}}},
        root={"components": {"schemas": {"Line": line}}},
    )
    xml = '<?xml version="1.0" encoding="UTF-8"?>\n<Order xmlns="http://shop/" id="7">'
    xml += '<Lines><Line><sku>A&amp;B</sku></Line></Lines><Tag>x</Tag><Tag>y</Tag></Order>'
    arguments = {"id": 7, "lines": [{"sku": "A&B"}], "tags": ["x", "y"]}
    sent(value, arguments, method="POST", url="https://api.test/v1/x", body=("application/xml", xml))


@pytest.mark.parametrize(
    ("offered", "best"),
    [
        (["text/plain", FORM, "application/json"], "application/json"),
        (["application/vnd.x+json", "application/json"], "application/json"),
        (["application/xml", "multipart/form-data"], "multipart/form-data"),
        (["application/octet-stream", "text/csv"], "text/csv"),
        (["*/*"], "application/json"),
        (["application/*+json"], "application/json"),
        (["application/json-patch+json", "application/merge-patch+json"], "application/merge-patch+json"),
        (["application/json-patch+json", "application/vnd.x+json"], "application/vnd.x+json"),
        (["application/merge-patch+json", "application/json"], "application/json"),
        (["json"], "application/json"),
        (["image/png"], "image/png"),
    ],
)
def test_the_best_media_type_is_sent(offered: list[str], best: str) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    tool = tool_of(operation("post", requestBody={"content": {each: {"schema": schema} for each in offered}}))
    assert tool.body is not None
    assert tool.body.media_type == best


@pytest.mark.parametrize(("schema", "media_type"), [({}, "multipart/form-data"), ({"description": "fields"}, FORM)])
def test_a_body_of_parts_asks_for_an_object_where_the_document_does_not_say(schema: Json, media_type: str) -> None:
    tool = tool_of(operation("post", requestBody={"content": {media_type: {"schema": schema}}}))
    assert tool.input_schema["properties"]["body"]["type"] == "object"


def test_files_make_multipart_better_than_json() -> None:
    schema = {"type": "object", "properties": {"f": {"type": "string", "format": "binary"}}}
    tool = tool_of(
        operation("post", requestBody={"content": {"application/json": {"schema": schema}, "multipart/form-data": {"schema": schema}}})
    )
    assert tool.body is not None
    assert (tool.body.media_type, tool.body.parts["f"].file) == ("multipart/form-data", True)


PLACES: list[tuple[str, Json, Any, str]] = [
    ("/x/{p}", {"in": "path", "style": "matrix", "explode": True, "schema": {"type": "array"}}, ["a", "b"], "/x/;p=a;p=b"),
    ("/x/{p}", {"in": "path", "style": "label", "schema": {"type": "object"}}, {"a": 1}, "/x/.a,1"),
    ("/x/{p}.json", {"in": "path", "schema": {"type": "string"}}, "../a", "/x/..%2Fa.json"),
    ("/x/{+p}", {"in": "path", "schema": {"type": "string"}}, "a/b c", "/x/a/b%20c"),
    ("/x/{p:[a-z]+}", {"in": "path", "schema": {"type": "string"}}, "ab", "/x/ab"),
    ("/x/:p/y", {"in": "path", "schema": {"type": "string"}}, "a/b", "/x/a%2Fb/y"),
    ("/x/{p*}", {"in": "path", "schema": {"type": "string"}}, "a/b", "/x/a/b"),
    (
        "/x",
        {"in": "query", "style": "deepObject", "explode": True, "schema": {"type": "object"}},
        {"a": {"b": "c"}},
        "/x?p%5Ba%5D%5Bb%5D=c",
    ),
    ("/x", {"in": "query", "style": "pipeDelimited", "explode": False, "schema": {"type": "array"}}, ["a", "b"], "/x?p=a%7Cb"),
    ("/x", {"in": "query", "allowReserved": True, "schema": {"type": "string"}}, "a/b?c&d", "/x?p=a/b?c%26d"),
    ("/x", {"in": "query", "content": {"application/json": {"schema": {"type": "object"}}}}, {"a": [1]}, "/x?p=%7B%22a%22%3A%5B1%5D%7D"),
    ("/x", {"in": "querystring", "content": {FORM: {"schema": {"type": "object"}}}}, {"a": 1, "b": "c d"}, "/x?a=1&b=c%20d"),
    ("/x", {"in": "query", "type": "array", "items": {"type": "string"}}, ["a", "b"], "/x?p=a&p=b"),
    ("/x?fixed=1#frag", {"in": "query", "schema": {"type": "boolean"}}, False, "/x?fixed=1&p=false"),
]


@pytest.mark.parametrize(("path", "parameter", "value", "target"), PLACES)
def test_parameters_in_every_place(path: str, parameter: Json, value: Any, target: str) -> None:
    sent(operation(path=path, parameters=[{"name": "p", **parameter}]), {"p": value}, url=f"https://api.test/v1{target}")


def test_the_query_method_sends_a_body() -> None:
    value = document(
        {"/find": {"query": {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "array"}}}}}}},
        openapi="3.2.0",
    )
    sent(value, {"body": [1]}, method="QUERY", url="https://api.test/v1/find", body=("application/json", "[1]"))
    others = document({"/x": {"additionalOperations": {"COPY": {}, "PATCH": {"operationId": "p"}}}}, openapi="3.2.0")
    assert [tool.name for tool in compiled(others).spec.tools] == ["p"]


def test_headers_that_choose_a_version_are_fixed_and_authorization_is_a_secret() -> None:
    parameters = [
        {"name": "Accept", "in": "header", "schema": {"type": "string", "default": "application/vnd.x.v3+json"}},
        {"name": "Content-Type", "in": "header", "required": True, "schema": {"type": "string"}},
        {"name": "authorization", "in": "header", "required": True, "description": "Token from settings", "schema": {"type": "string"}},
    ]
    value = operation(parameters=parameters)
    found = compiled(value)
    assert [(need.key, need.required) for need in found.spec.secrets] == [("SHOP_AUTHORIZATION", True)]
    assert "Token from settings" in found.spec.secrets[0].hint
    request = build_request(tool_of(value), {}, {"SHOP_AUTHORIZATION": "Token t"})
    assert dict(request.headers) == {
        "Accept": "application/vnd.x.v3+json", "User-Agent": USER_AGENT, "Content-Type": "application/json", "Authorization": "Token t",
    }  # fmt: skip


def test_pins_are_sent_and_not_published() -> None:
    from bmm.sources.openapi.options import Options

    value = document(
        {
            "/accounts/{account}/pets": {
                "parameters": [{"name": "account", "in": "path", "required": True, "schema": {"type": "integer"}}],
                "post": {
                    "operationId": "add",
                    "parameters": [{"name": "api-version", "in": "query", "required": True, "schema": {"type": "string"}}],
                    "requestBody": {"required": True, "content": {"application/json": {"schema": {
                        "type": "object", "required": ["shop", "name"],
                        "properties": {"shop": {"type": "integer"}, "name": {"type": "string"}},
                    }}}},
                },
            }
        }
    )  # fmt: skip
    tool = tool_of(value, options=Options(pins={"account": "7", "api-version": "2026-01", "shop": "3"}))
    assert list(tool.input_schema["properties"]) == ["name"]
    request = build_request(tool, {"name": "Rex"}, {})
    assert (request.url, request.body) == ("https://api.test/v1/accounts/7/pets?api-version=2026-01", b'{"name":"Rex","shop":3}')


def test_published_schemas_are_json_that_a_client_can_read() -> None:
    tool = tool_of(body_of("application/json", OBJECT))
    assert json.loads(json.dumps(tool.input_schema)) == tool.input_schema


def test_a_credential_among_the_parameters_is_a_secret_where_nothing_else_signs_in() -> None:
    parameters = [{"name": "api_key", "in": "query", "required": True, "schema": {"type": "string"}}]
    found = compiled(operation(parameters=parameters))
    assert [(need.key, need.hint) for need in found.spec.secrets] == [("SHOP_API_KEY", "A credential. Sent as the query parameter api_key.")]
    assert build_request(tool_of(operation(parameters=parameters)), {}, {"SHOP_API_KEY": "k"}).url == "https://api.test/v1/x?api_key=k"
