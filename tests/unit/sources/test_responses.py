"""What a tool promises about its answers, and how pages are recognised."""

from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from runner.contract import HttpTool, Paging
from tests.unit.sources.documents import Json, compiled, document, operation, remarks, tool_of


def answering(schema: Any, *, status: str = "200", media_type: str = "application/json", **more: Any) -> Json:
    return operation(responses={status: {"description": "x", "content": {media_type: {"schema": schema}}, **more}})


def test_the_output_schema_is_lenient() -> None:
    pet = {
        "type": "object", "required": ["id"], "additionalProperties": False, "description": "A pet",
        "properties": {
            "id": {"type": "integer", "minimum": 1, "readOnly": True}, "secret": {"type": "string", "writeOnly": True},
            "kind": {"type": "string", "enum": ["cat"], "format": "x"}, "tags": {"type": "array", "maxItems": 2, "items": {"type": "string", "nullable": True}},
            "any": {"oneOf": [{"type": "string"}, {"$ref": "#/components/schemas/Node"}]}, "map": {"additionalProperties": {"type": "number"}},
        },
    }  # fmt: skip
    node = {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Node"}, "n": {"type": "integer"}}}
    value = answering({"$ref": "#/components/schemas/Pet"}) | {"components": {"schemas": {"Pet": pet, "Node": node}}}
    schema = tool_of(value).output_schema
    assert schema == {
        "type": "object",
        "description": "A pet",
        "properties": {
            "id": {"type": ["integer", "null"]},
            "kind": {"type": ["string", "null"]},
            "tags": {"type": ["array", "null"], "items": {"type": ["string", "null"]}},
            "any": {
                "anyOf": [
                    {"type": ["string", "null"]},
                    {"type": ["object", "null"], "properties": {"next": {}, "n": {"type": ["integer", "null"]}}},
                ]
            },
            "map": {"additionalProperties": {"type": ["number", "null"]}},
        },
    }
    assert Draft202012Validator(schema).is_valid({"id": None, "kind": "new", "more": 1})


@pytest.mark.parametrize(
    "value",
    [
        answering({"type": "array", "items": {}}),
        answering({"type": "string"}),
        answering({}),
        answering({"type": "object"}),
        answering({"$ref": "#/nowhere"}),
        answering({"type": "object", "properties": {"a": {}}}, media_type="text/csv"),
        answering({"type": "object", "properties": {"a": {}}}, status="404"),
        operation(responses={"200": {"content": {"application/json": {"schema": {"type": "object", "properties": {"a": {}}}}}}, "204": {}}),
        operation(),
    ],
)
def test_no_promise_where_an_answer_may_be_something_else(value: Json) -> None:
    found = compiled(value)
    assert found.spec.tools[0].output_schema is None
    assert found.findings == ()


@pytest.mark.parametrize("status", ["200", "201", "2XX", "default"])
def test_the_answer_of_any_success(status: str) -> None:
    assert tool_of(answering({"type": "object", "properties": {"a": {}}}, status=status)).output_schema is not None


def test_a_promise_that_is_too_long_is_left_out_with_a_note() -> None:
    found = compiled(answering({"type": "object", "properties": {f"property{n}": {"type": "string"} for n in range(2000)}}))
    assert found.spec.tools[0].output_schema is None
    assert [level for level, _ in remarks(found)] == ["note"]


def test_swagger_answers() -> None:
    node = {"produces": ["application/json"], "responses": {200: {"schema": {"type": "object", "properties": {"a": {"type": "string"}}}}}}
    value = {"swagger": "2.0", "info": {"title": "x"}, "host": "h.test", "paths": {"/x": {"get": node}}}
    assert tool_of(value).output_schema == {"type": "object", "properties": {"a": {"type": ["string", "null"]}}}


def listing(properties: Json | None, *names: str, headers: Json | None = None) -> Json:
    item: Json = {"type": "array", "items": {"type": "object"}}
    schema = item if properties is None else {"type": "object", "properties": {"data": item, **properties}}
    parameters = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in names]
    return operation(
        parameters=parameters, responses={"200": {"headers": headers or {}, "content": {"application/json": {"schema": schema}}}}
    )


TEXT = {"type": "string"}


@pytest.mark.parametrize(
    ("value", "paging"),
    [
        (listing(None, "page", "per_page"), Paging(kind="page", argument="page", items="")),
        (listing({}, "pageNumber"), Paging(kind="page", argument="pageNumber", items="/data")),
        (listing({}, "page[number]", "page[size]"), Paging(kind="page", argument="page_number", items="/data")),
        (listing({"total": TEXT}, "limit", "offset"), Paging(kind="offset", argument="offset", items="/data")),
        (listing({}, "$skip", "$top"), Paging(kind="offset", argument="skip", items="/data")),
        (listing({"next_cursor": TEXT}, "cursor"), Paging(kind="cursor", argument="cursor", next="/next_cursor", items="/data")),
        (listing({"nextPageToken": TEXT}, "pageToken"), Paging(kind="cursor", argument="pageToken", next="/nextPageToken", items="/data")),
        (listing({"meta": {"properties": {"next_cursor": TEXT}}}, "cursor", "limit"),
         Paging(kind="cursor", argument="cursor", next="/meta/next_cursor", items="/data")),
        (listing({"response_metadata": {"properties": {"next_cursor": TEXT}}}, "cursor"),
         Paging(kind="cursor", argument="cursor", next="/response_metadata/next_cursor", items="/data")),
        (listing({"meta": {"properties": {"cursors": {"properties": {"after": TEXT}}}}}, "after"),
         Paging(kind="cursor", argument="after", next="/meta/cursors/after", items="/data")),
        (listing({"has_more": {"type": "boolean"}}, "starting_after", "limit"), Paging(kind="cursor", argument="starting_after", items="/data")),
        (listing({"metadata": {"properties": {"continue": TEXT}}}, "continue", "limit"),
         Paging(kind="cursor", argument="continue", next="/metadata/continue", items="/data")),
        (listing(None, "since", headers={"Link": {"schema": TEXT}}), Paging(kind="link", argument="next_link", items="")),
        (listing({}, "page", headers={"link": {}}), Paging(kind="page", argument="page", items="/data")),
        (listing({}, "from"), None),
        (listing({}, "status", "limit"), None),
    ],
)  # fmt: skip
def test_pages_are_recognised(value: Json, paging: Paging | None) -> None:
    assert tool_of(value).answer.paging == paging


def test_a_link_is_offered_as_an_argument() -> None:
    tool = tool_of(listing(None, "next_link", headers={"Link": {}}))
    assert tool.answer.paging == Paging(kind="link", argument="next_link_answer", items="")
    assert list(tool.input_schema["properties"]) == ["next_link", "next_link_answer"]
    assert [each.argument for each in tool.parameters] == ["next_link"]


@pytest.mark.parametrize(
    ("method", "header", "required", "retry"),
    [
        ("get", "X", False, True), ("put", "X", False, True), ("delete", "X", False, True), ("post", "X", True, False), ("patch", "X", True, False),
        ("post", "Idempotency-Key", True, True), ("post", "idempotency-key", False, False),
    ],
)  # fmt: skip
def test_only_what_may_be_sent_twice_is_retried(method: str, header: str, required: bool, retry: bool) -> None:
    parameters = [{"name": header, "in": "header", "required": required, "schema": TEXT}]
    tool = compiled(document({"/x": {method: {"parameters": parameters}}})).spec.tools[0]
    assert isinstance(tool, HttpTool)
    assert tool.retry is retry


def test_a_stream_is_told() -> None:
    content = {"text/event-stream": {"itemSchema": {"type": "object"}}}
    found = compiled(operation(responses={"200": {"content": content}}, root={"openapi": "3.2.0"}))
    assert [(each.level, each.message[:23]) for each in found.findings] == [("note", "the answer is a stream;")]
    both = {**content, "application/json": {"schema": {"type": "object"}}}
    assert compiled(operation(responses={"200": {"content": both}})).findings == ()
