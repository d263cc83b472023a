"""One operation -> one tool, compared whole."""

from typing import Any

import pytest

from runner.contract import Annotations, Body, HttpTool, KeyCredential, Parameter
from tests.unit.sources.documents import arguments_of, body, compiled, document, operation, remarks, tool_of

PETS = {
    "/pets/{id}": {
        "parameters": [
            {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
            {"name": "expand", "in": "query", "schema": {"type": "boolean"}},
        ],
        "put": {
            "operationId": "put pet",
            "summary": "Replace a pet",
            "description": "<p>All of it.</p>",
            "parameters": [
                {"name": "expand", "in": "query", "description": "Again", "style": "form", "explode": False, "schema": {"type": "array"}},
                {"name": "id", "in": "header", "schema": {"type": "integer"}},
                {"name": "X-Key", "in": "header", "schema": {"type": "string"}},
                {"name": "Accept", "in": "header", "schema": {"type": "string"}},
            ],
            "security": [{"key": []}],
            "requestBody": body({"$ref": "#/components/schemas/Pet"}),
        },
    }
}
COMPONENTS = {
    "schemas": {"Pet": {"type": "object", "required": ["name"], "properties": {"id": {"type": "string"}, "name": {"type": "string"}}}},
    "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}},
}


def test_a_whole_tool() -> None:
    found = compiled(document(PETS, components=COMPONENTS))
    assert found.spec.tools == (
        HttpTool(
            name="put_pet",
            title="Replace a pet",
            description="Replace a pet.\n\nAll of it.",
            input_schema={
                "type": "object",
                "properties": {
                    "id": {"type": "string"},
                    "expand": {"type": "array", "description": "Again"},
                    "id_header": {"type": "integer"},
                    "id_body": {"type": "string"},
                    "name": {"type": "string"},
                },
                "required": ["id", "name"],
                "additionalProperties": False,
            },
            annotations=Annotations(destructive=True, idempotent=True),
            scopes=("write",),
            method="PUT",
            server="https://api.test/v1",
            path="/pets/{id}",
            parameters=(
                Parameter(name="id", place="path", argument="id"),
                Parameter(name="expand", place="query", argument="expand", style="form", explode=False),
                Parameter(name="id", place="header", argument="id_header"),
            ),
            body=Body(media_type="application/json", fields={"id_body": "id", "name": "name"}, required=True),
            auth=((KeyCredential(place="header", name="X-Key", secret="SHOP_KEY"),),),
            retry=True,
        ),
    )
    assert remarks(found) == [("note", "/paths/~1pets~1{id}/put/parameters/3"), ("note", "/paths/~1pets~1{id}/put")]


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("get", "/x", Annotations(read_only=True, destructive=False, idempotent=True)),
        ("get", "/auth.revoke", Annotations(destructive=True)),
        ("head", "/x", Annotations(read_only=True, destructive=False, idempotent=True)),
        ("post", "/x", Annotations(destructive=False)),
        ("post", "/x/cancel", Annotations(destructive=True)),
        ("put", "/x", Annotations(idempotent=True)),
        ("patch", "/x", Annotations()),
        ("delete", "/x", Annotations(idempotent=True)),
    ],
)
def test_annotations_follow_the_method(method: str, path: str, expected: Annotations) -> None:
    tool = tool_of(operation(method, path))
    assert tool.annotations == expected
    assert tool.scopes == (("read",) if expected.read_only else ("write",))


@pytest.mark.parametrize(
    ("schema", "required", "fields"),
    [
        ({"properties": {"a": {}, "b": {}}, "required": ["a"]}, True, {"a": "a", "b": "b"}),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": False, "x-y": 1}, False, {"a": "a"}),
        ({"type": "object", "properties": {"a b[c]": {}}}, True, {"a_b_c": "a b[c]"}),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": True}, True, None),
        ({"type": "object", "properties": {"a": {}}, "allOf": []}, True, {"a": "a"}),
        ({"allOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}, {"required": ["a"]}]}, True, {"a": "a", "b": "b"}),
        ({"allOf": [{"properties": {"a": {}}}, {"properties": {"a": {"type": "string"}}}]}, True, None),
        ({"allOf": [{"properties": {"a": {}}}, {"oneOf": [{}]}]}, True, None),
        ({"type": ["object", "null"], "properties": {"a": {}}}, True, None),
        ({"type": "object"}, True, None),
        ({"allOf": [{"properties": {"a": {}}}, {"deprecated": True, "example": {"a": 1}}]}, True, {"a": "a"}),
        ({"allOf": [{"properties": {"a": {}, "b": {"readOnly": True}}}, {"properties": {"b": {}}}]}, True, {"a": "a"}),
        ({"type": "array", "items": {}}, True, None),
        (True, True, None),
    ],
)
def test_only_a_plain_object_is_spread(schema: Any, required: bool, fields: dict[str, str] | None) -> None:
    tool = tool_of(operation("post", requestBody=body(schema, required=required)))
    if fields is None:
        assert tool.body == Body(media_type="application/json", argument="body", required=required)
        assert tool.input_schema.get("required") == (["body"] if required else None)
    else:
        assert tool.body == Body(media_type="application/json", fields=fields, required=required)


def test_a_body_that_forgot_to_say_required_is_required_in_its_members() -> None:
    schema = {"type": "object", "properties": {"a": {}}, "required": ["a"]}
    found = compiled(operation("post", requestBody=body(schema, required=False)))
    assert found.spec.tools[0].input_schema["required"] == ["a"]
    assert remarks(found) == [("note", "/paths/~1x/post/requestBody")]
    assert tool_of(operation("delete", requestBody=body(schema, required=False))).body == Body(
        media_type="application/json", argument="body"
    )


@pytest.mark.parametrize("media_type", ["application/json; charset=latin1", "Application/JSON", "*/*"])
def test_json_by_its_other_names(media_type: str) -> None:
    found = tool_of(operation("post", requestBody=body({}, media_type)))
    assert found.body == Body(media_type="application/json", argument="body", required=True)
    patch = tool_of(operation("patch", requestBody=body({}, "application/merge-patch+json")))
    assert patch.body == Body(media_type="application/merge-patch+json", argument="body", required=True)


def test_a_body_without_members_is_no_argument() -> None:
    empty = {"type": "object", "properties": {}, "additionalProperties": False}
    found = compiled(operation("get", requestBody=body(empty, "application/x-www-form-urlencoded", required=False)))
    assert found.spec.tools[0].input_schema["properties"] == {}
    assert remarks(found) == [("note", "/paths/~1x/get/requestBody")]
    for other, required in (({"type": "object"}, False), ({**empty, "additionalProperties": True}, False), (empty, True)):
        assert list(arguments_of(operation("post", requestBody=body(other, required=required)))) == ["body"]


def test_head_has_no_body() -> None:
    found = compiled(document({"/x": {"head": {"operationId": "h", "requestBody": body({})}, "get": {}}}))
    assert [tool.name for tool in found.spec.tools] == ["get_x"]
    assert remarks(found) == [("error", "/paths/~1x/head/requestBody")]
    assert tool_of(operation("head", requestBody=body({}, required=False))).body is None


def test_a_recursive_body_is_spread_and_keeps_its_definition() -> None:
    node = {"type": "object", "properties": {"name": {"type": "string"}, "child": {"$ref": "#/components/schemas/Node"}}}
    tool = tool_of(
        operation("post", requestBody=body({"$ref": "#/components/schemas/Node"}), root={"components": {"schemas": {"Node": node}}})
    )
    assert tool.input_schema["properties"] == {"name": {"type": "string"}, "child": {"$ref": "#/$defs/Node"}}
    assert tool.input_schema["$defs"] == {
        "Node": {"type": "object", "properties": {"name": {"type": "string"}, "child": {"$ref": "#/$defs/Node"}}}
    }


def test_references_are_followed_everywhere() -> None:
    root = {
        "components": {
            "pathItems": {"P": {"get": {"parameters": [{"$ref": "#/components/parameters/A"}], "requestBody": {"$ref": "#/components/requestBodies/B"}}}},
            "parameters": {"A": {"$ref": "#/components/parameters/A2"}, "A2": {"name": "a", "in": "query", "required": True, "schema": {"type": "integer"}}},
            "requestBodies": {"B": body({"type": "object", "properties": {"b": {"type": "string"}}}, required=False)},
            "securitySchemes": {"S": {"$ref": "#/components/securitySchemes/S2"}, "S2": {"type": "http", "scheme": "Bearer"}},
        },
        "security": [{"S": []}],
    }  # fmt: skip
    tool = tool_of(document({"/x": {"$ref": "#/components/pathItems/P"}}, **root))
    assert tool.input_schema == {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    assert [type(each).__name__ for each in tool.auth[0]] == ["BearerCredential"]


def test_parameters_in_content_with_reserved_characters_and_with_examples() -> None:
    parameters = [
        {"name": "filter", "in": "query", "content": {"application/json": {"schema": {"type": "object"}}}},
        {"name": "url", "in": "query", "allowReserved": True, "schema": {"type": "string"}, "examples": {"e": {"value": "a"}}},
        {"name": "deep", "in": "query", "style": "deepObject", "explode": True, "deprecated": True},
        {"name": "bad", "in": "query", "style": "matrix"},
    ]
    found = compiled(operation(parameters=parameters))
    tool = found.spec.tools[0]
    assert isinstance(tool, HttpTool)
    assert tool.parameters == (
        Parameter(name="filter", place="query", argument="filter", content="application/json"),
        Parameter(name="url", place="query", argument="url", allow_reserved=True),
        Parameter(name="deep", place="query", argument="deep", style="deepObject", explode=True),
        Parameter(name="bad", place="query", argument="bad"),
    )
    assert tool.input_schema["properties"] == {
        "filter": {"type": "object"},
        "url": {"type": "string", "examples": ["a"]},
        "deep": {"type": "string", "deprecated": True},
        "bad": {"type": "string"},
    }
    assert remarks(found) == [("warning", "/paths/~1x/get/parameters/3/style")]


def test_a_path_and_its_parameters_are_made_to_agree() -> None:
    more = [{"name": name, "in": "path"} for name in "zyc"]
    found = compiled(operation(path="/a/{b}/{c}#op", parameters=more))
    tool = found.spec.tools[0]
    assert isinstance(tool, HttpTool)
    assert tool.path == "/a/{b}/{c}"
    assert tool.input_schema["required"] == ["b", "c"]
    assert [level for level, _ in remarks(found)] == ["warning", "warning", "warning"]


@pytest.mark.parametrize(
    "broken",
    [
        {"parameters": [{"$ref": "#/components/parameters/None"}]},
        {"parameters": [{"in": "query"}]},
        {"parameters": [{"name": "b", "in": "elsewhere"}]},
        {"requestBody": body({}, "no media type at all")},
        {"requestBody": body({"type": "string"}, "multipart/form-data")},
        {"requestBody": body({"type": "string", "format": "binary"}, "multipart/form-data")},
        {"requestBody": body({"type": "array", "items": {}}, "multipart/mixed")},
        {"requestBody": body({"$ref": "#/nowhere"})},
        {"security": [{"signed": []}]},
        {"servers": [{"url": "/relative"}]},
        {"servers": [{"url": "https://10.0.0.1/"}]},
        {"servers": [{"url": "ftp://x.test"}]},
    ],
)
def test_a_broken_operation_is_skipped_with_a_finding_and_the_others_stay(broken: dict[str, Any]) -> None:
    paths = {"/x": {"get": {"operationId": "good"}, "post": {"operationId": "broken", **broken}}}
    found = compiled(document(paths, components={"securitySchemes": {"signed": {"type": "http", "scheme": "hawk"}}}))
    assert [tool.name for tool in found.spec.tools] == ["good"]
    assert [(each.level, each.pointer.startswith("/paths/~1x/post"), "broken is skipped" in each.message) for each in found.findings] == [
        ("error", True, True)
    ]


@pytest.mark.parametrize("path", ["/a/../b", "/a/{b", "/a/{}", "https://x.test/y", "/{a/b}"])
def test_a_path_that_is_none_is_skipped(path: str) -> None:
    found = compiled(document({path: {"get": {}}, "/good": {"get": {}}}))
    assert [tool.name for tool in found.spec.tools] == ["get_good"]


def test_a_tool_of_endless_schemas_is_cut() -> None:
    def ref(n: int) -> dict[str, str]:
        return {"$ref": f"#/components/schemas/s{n}"}

    many = {f"s{n}": {"type": "object", "properties": {str(i): ref(n - 1) for i in range(5)}} for n in range(1, 12)}
    tool = tool_of(operation("post", requestBody=body(ref(11)), root={"components": {"schemas": {"s0": {"type": "string"}, **many}}}))
    assert tool.input_schema["properties"]["0"] == {"$ref": "#/$defs/s10"}  # written once each
    wide = {f"w{n}": {"type": "object", "properties": {"a": {"description": str(n)}}} for n in range(6000)}
    schema = {"type": "object", "properties": {f"p{n}": {"$ref": f"#/components/schemas/w{n}"} for n in range(6000)}}
    found = compiled(operation("post", requestBody=body(schema), root={"components": {"schemas": wide}}))
    assert found.spec.tools[0].input_schema["properties"]["p1"] in ({}, {"type": "object"})
    assert remarks(found) == [("warning", "/paths/~1x/post")]


def test_arguments_keep_the_order_of_the_document() -> None:
    assert list(arguments_of(operation("post", requestBody=body({"properties": {"z": {}, "a": {}, "m": {}}})))) == ["z", "a", "m"]


def test_what_is_nearest_to_the_top_stays_when_a_schema_is_cut() -> None:
    from bmm.sources.openapi.pruned import pruned

    node = {"type": "object", "description": "A node", "required": ["n"], "properties": {"n": {"type": "integer"}, "next": {"$ref": "#/$defs/Node"}}}
    assert pruned({"a": {"$ref": "#/$defs/Node"}, "b": True}, {"Node": node}.__getitem__, limit=7) == {
        "a": {
            "type": "object",
            "description": "A node",
            "required": ["n"],
            "properties": {
                "n": {"type": "integer"},
                "next": {"type": "object", "description": "A node", "required": ["n"], "properties": {"n": {"type": "integer"}}},
            },
        },
        "b": True,
    }
    either: dict[str, Any] = {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}], "examples": ["long"]}
    both: dict[str, Any] = {"type": "object", "properties": {"e": either, "t": {"type": "string", "maxLength": 3}}}
    assert pruned({"a": both}, {"Node": node}.__getitem__, limit=7) == {
        "a": {
            "type": "object",
            "properties": {
                "e": {
                    "anyOf": [
                        {"type": "object", "description": "A node", "required": ["n"], "properties": {"n": {"type": "integer"}}},
                        {"type": "null"},
                    ]
                },
                "t": {"type": "string", "maxLength": 3},
            },
        }
    }
    endless = {"Self": {"allOf": [{"$ref": "#/$defs/Self"}]}}
    assert pruned({"a": {"$ref": "#/$defs/Self"}}, endless.__getitem__, limit=50) == {"a": {}}
