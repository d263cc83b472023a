"""Whose fault it is that openapi-core does not accept a request: the document's, the validator's own, or the sender's.

Only what is recognised here is taken off the sender's account, by what the document says of the parameter or body in question; each
limit of the validator is shown by an example in openapi_limits.py.
"""

import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct

SENDER, VALIDATOR, DOCUMENT = "the sender", "the validator", "the document"
_PLACES = {
    "ServerNotFound": "sends to a server that the document does not name for the operation",
    "PathNotFound": "sends to a path that is not the operation's",
}
_OBJECT = "describes a body of bytes or plain text as an object"
_PARAMETER = re.compile(r"(?:Missing required|Invalid) (\w+) parameter: (\S+)|(\w+) parameter error: (\S+)")


class Failure(Struct, frozen=True, kw_only=True):
    """One class of failures; `detail` is the validator's sentence about this one."""

    blame: str
    label: str
    detail: str = ""


class Explainer:
    """Explains the problems of one document's requests."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document

    def explain(self, problem: str, *, item: Any, method: str, url: str, content_type: str) -> Failure:
        operation = self._at(self._at(item).get(method))
        if problem.startswith("validator:"):
            found = _stumbled(problem, content_type)
        elif match := _PARAMETER.search(problem):
            place, name = (match.group(1) or match.group(3)).lower(), match.group(2) or match.group(4)
            found = self._parameter(problem, self._declared(item, operation, place, name), place, name, url)
        elif problem.startswith(("InvalidSecurity", "SecurityValidationError", "SecurityNotFound")):
            found = (SENDER, "meets no security requirement")
        elif "equestBody" in problem:
            found = self._body(problem, operation, content_type)
        else:
            found = (SENDER, _PLACES.get(problem.partition(":")[0], problem.partition(":")[0]))
        return Failure(blame=found[0], label=found[1], detail=problem)

    def _parameter(self, problem: str, node: dict[str, Any], place: str, name: str, url: str) -> tuple[str, str]:
        schema = self._at(node.get("schema"))
        style, explode = node.get("style", "form" if place in ("query", "cookie") else "simple"), node.get("explode")
        members = [self._at(each) for each in self._at(schema.get("properties")).values()]
        kind = schema.get("type") or ("object" if members else None)
        if place == "header" and name.lower() in ("accept", "content-type", "authorization"):
            return VALIDATOR, "looks at a header parameter that OpenAPI says to ignore (Accept, Content-Type, Authorization)"
        if place == "path" and style in ("label", "matrix"):
            return VALIDATOR, "does not read path parameters of style label and matrix"
        if kind == "object" and style == "form" and explode is not False:
            return VALIDATOR, "looks for an object in style form, exploded, under its own name"
        if kind == "object" and style == "deepObject" and any(each.get("type") in ("object", "array") for each in members):
            return VALIDATOR, "reads one level of deepObject"
        if kind == "array" and self._kind(self._at(schema.get("items"))) in ("object", "array"):
            return DOCUMENT, "asks for a list of objects or lists in a parameter, whose form OpenAPI leaves open"
        if "cannot be empty" in problem:
            return DOCUMENT, "its schema allows the empty text, but not allowEmptyValue"
        if "default" in schema and place == "query" and name not in dict(parse_qsl(urlsplit(url).query, keep_blank_values=True)):
            return DOCUMENT, "the default of a parameter is not what its schema allows (the validator puts it in)"
        return self._value(problem, schema, "parameter")

    def _body(self, problem: str, operation: dict[str, Any], content_type: str) -> tuple[str, str]:
        bare = content_type.partition(";")[0].strip().lower()
        content = self._at(self._at(operation.get("requestBody")).get("content"))
        media = next((self._at(each) for name, each in content.items() if name.partition(";")[0].strip().lower() == bare), {})
        schema = self._at(media.get("schema"))
        if "MissingRequired" in problem:
            form = bare.endswith("urlencoded") or not bare
            return (
                (VALIDATOR, "takes a form without fields for no body")
                if form and "urlencoded" in str(list(content))
                else (SENDER, "sends no body where one is required")
            )
        if "MediaTypeNotFound" in problem:
            return SENDER, "sends a media type that the document does not offer"
        if "xml" in bare:
            return VALIDATOR, "makes no values of XML"
        if re.search(r"b'[^']*' is not of type|b\".*\" is not of type", problem) and "json" not in bare:
            if schema.get("type") == "object" or schema.get("format") == "file":
                return DOCUMENT, _OBJECT
            return VALIDATOR, "reads a body of a media type it does not know as bytes, and bytes are no text to it"
        if bare.startswith("text/") and self._kind(schema) == "object":
            return DOCUMENT, _OBJECT
        if bare == "multipart/form-data" and re.search(r"'[^']*' is not of type '(integer|number|boolean|array|object)'", problem):
            return VALIDATOR, "reads numbers, truth values and lists in multipart bodies as text"
        forbidden = re.findall(r"\('(.*?)' was unexpected\)", problem)
        if any(name in schema.get("required", []) and name not in self._at(schema.get("properties")) for name in forbidden):
            return DOCUMENT, "requires a property that it forbids"
        return self._value(problem, schema, "body")

    def _value(self, problem: str, schema: dict[str, Any], where: str) -> tuple[str, str]:
        if "could not be resolved" in problem:
            return DOCUMENT, "refers to what it does not hold"
        if "read-only property" in problem:
            if where == "parameter":
                return DOCUMENT, "marks the schema of a parameter as readOnly"
            return SENDER, "sends a property that is readOnly"
        if re.search(r"' is not a 'time'", problem):
            return VALIDATOR, "knows times only without a zone"
        if re.search(r"is not one of \[|is not of type|Failed to cast", problem) and self._contradictory_enum(schema, 0):
            return DOCUMENT, "lists values that are not of the type it names"
        if found := re.search(
            r"(?:is not (?:a|of type)|does not match|is too|is less|is greater|is not one of|not valid under any)", problem
        ):
            return SENDER, f"a {where}: value {found.group()}"
        return SENDER, f"a {where}: {problem.partition(':')[0]}"

    def _contradictory_enum(self, schema: dict[str, Any], depth: int) -> bool:
        kinds = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list}
        named = schema.get("type")
        if isinstance(named, str) and named in kinds and isinstance(schema.get("enum"), list):
            expected: Any = kinds[named]
            if any(not isinstance(each, expected) for each in schema["enum"] if each is not None):
                return True
        inner = [*self._at(schema.get("properties")).values(), schema.get("items")]
        for key in ("allOf", "anyOf", "oneOf"):
            inner += schema.get(key, []) if isinstance(schema.get(key), list) else []
        return depth < 6 and any(self._contradictory_enum(self._at(each), depth + 1) for each in inner)

    def _kind(self, schema: dict[str, Any]) -> Any:
        return schema.get("type") or ("object" if "properties" in schema or "allOf" in schema else None)

    def _declared(self, item: Any, operation: dict[str, Any], place: str, name: str) -> dict[str, Any]:
        for level in (operation, self._at(item)):
            for each in level.get("parameters", []) if isinstance(level.get("parameters"), list) else []:
                node = self._at(each)
                if node.get("in") == place and node.get("name") == name:
                    return node
        return {}

    def _at(self, node: Any) -> dict[str, Any]:
        """The object, or what its `$ref` leads to; empty for anything else."""
        for _ in range(20):
            if not isinstance(node, dict) or not isinstance(node.get("$ref"), str):
                break
            target: Any = self._document
            for step in node["$ref"].removeprefix("#").split("/")[1:]:
                target = target.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(target, dict) else None
            node = target
        return node if isinstance(node, dict) else {}


def _stumbled(problem: str, content_type: str) -> tuple[str, str]:
    if "UnknownType" in problem or "'type'" in problem:
        return DOCUMENT, "names a type that does not exist"
    if "PointerToNowhere" in problem or "resolv" in problem.lower():
        return DOCUMENT, "refers to what it does not hold"
    if "AssertionError" in problem and content_type.startswith("multipart"):
        return SENDER, "sends a multipart body without parts"
    return VALIDATOR, f"stumbles: {problem.removeprefix('validator: ')[:60]}"
