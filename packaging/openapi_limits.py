"""What openapi-core cannot check, each shown by a request that is right and not accepted: why these count neither for nor against anyone."""

from typing import Any

from msgspec import Struct
from openapi_requests import Checked, Sent

Schema = dict[str, Any]
_FORM, _PARTS = "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"
_NUMBER: Schema = {"type": "object", "properties": {"R": {"type": "integer"}}}


class Limit(Struct, frozen=True, kw_only=True):
    """A limit, an operation and a request that OpenAPI's own rules give for it."""

    label: str
    operation: Schema
    url: str = "/x"
    path: str = "/x"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None


def _parameter(place: str, schema: Schema, **more: Any) -> Schema:
    return {"parameters": [{"in": place, "name": "p", "required": True, "schema": schema, **more}]}


def _body(media_type: str, schema: Schema) -> Schema:
    return {"requestBody": {"required": True, "content": {media_type: {"schema": schema}}}}


LIMITS = (
    Limit(
        label="looks for an object in style form, exploded, under its own name",
        operation=_parameter("query", _NUMBER),
        url="/x?R=100",
    ),
    Limit(
        label="reads one level of deepObject",
        operation=_parameter("query", {"type": "object", "properties": {"a": _NUMBER}}, style="deepObject", explode=True),
        url="/x?p%5Ba%5D%5BR%5D=1",
    ),
    Limit(
        label="does not read path parameters of style label and matrix",
        operation=_parameter("path", {"type": "string"}, style="label"),
        url="/x/.b",
        path="/x/{p}",
    ),
    Limit(
        label="looks at a header parameter that OpenAPI says to ignore (Accept, Content-Type, Authorization)",
        operation={"parameters": [{"in": "header", "name": "Accept", "schema": {"type": "string", "enum": ["a/b"]}}]},
        headers=(("Accept", "*/*"),),
    ),
    Limit(
        label="knows times only without a zone",
        operation=_parameter("query", {"type": "string", "format": "time"}),
        url="/x?p=12%3A34%3A56Z",
    ),
    Limit(
        label="reads numbers, truth values and lists in multipart bodies as text",
        operation=_body("multipart/form-data", _NUMBER),
        headers=(("Content-Type", _PARTS),),
        body=b'--b\r\nContent-Disposition: form-data; name="R"\r\n\r\n5\r\n--b--\r\n',
    ),
    Limit(label="takes a form without fields for no body", operation=_body(_FORM, _NUMBER), headers=(("Content-Type", _FORM),), body=b""),
    Limit(
        label="makes no values of XML",
        operation=_body("application/xml", {**_NUMBER, "xml": {"name": "O"}}),
        headers=(("Content-Type", "application/xml"),),
        body=b"<O><R>1</R></O>",
    ),
    Limit(
        label="reads a body of a media type it does not know as bytes, and bytes are no text to it",
        operation=_body("application/jwt", {"type": "string"}),
        headers=(("Content-Type", "application/jwt"),),
        body=b"a.b.c",
    ),
)


def shown() -> dict[str, str]:
    """By label: what the validator says of a right request; empty where the limit is gone."""
    return {limit.label: "; ".join(_said(limit)) for limit in LIMITS}


def _said(limit: Limit) -> list[str]:
    method = "post" if "requestBody" in limit.operation else "get"
    document = {
        "openapi": "3.0.3",
        "info": {"title": "limits", "version": "1"},
        "servers": [{"url": "https://api.example"}],
        "paths": {limit.path: {method: {**limit.operation, "responses": {}}}},
    }
    sent = Sent(method=method.upper(), url=f"https://api.example{limit.url}", headers=limit.headers, body=limit.body)
    return [each.detail for each in Checked(document, secured=False).problems(sent, path=limit.path, operation_id="")]
