"""Is this HTTP request what an OpenAPI document asks for? openapi-core says so: a validator that is not ours."""

import json
import re
import warnings
from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from jsonschema_path import SchemaPath
from msgspec import Struct
from openapi_core import V30RequestValidator, V31RequestValidator, V32RequestValidator
from openapi_core.templating.paths.datatypes import Path
from openapi_core.templating.paths.finders import APICallPathFinder
from openapi_core.templating.paths.parsers import PathParser
from openapi_failures import Explainer, Failure
from openapi_worker import LOCATION
from werkzeug.datastructures import Headers, ImmutableMultiDict

_VALIDATORS = {"3.0": V30RequestValidator, "3.1": V31RequestValidator, "3.2": V32RequestValidator}
MAX_REASON = 300
_MARK = "\N{MUSIC SHARP SIGN}"


class Sent(Struct, frozen=True, kw_only=True):
    """A request as it goes over the wire."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None


class Places(Struct, kw_only=True):
    """Where the validator finds what a request carries. Path values arrive percent-encoded, cut out of the URL; they are decoded here."""

    query: Any
    header: Any
    cookie: Any
    path: Any = None

    def __getitem__(self, place: str) -> Any:
        if place == "path":
            return {name: unquote(value) for name, value in (self.path or {}).items()}
        return getattr(self, place)


class _Found(Struct, frozen=True):
    """A path as it was found in a URL (openapi-core's `TemplateResult`)."""

    resolved: str
    variables: dict[str, str]


class Received(Struct, kw_only=True):
    """A request as openapi-core wants to see it (its protocol `Request`)."""

    host_url: str
    path: str
    method: str
    body: bytes | None
    content_type: str
    parameters: Places


class Checked:
    """The operations of one document. Each is looked at on its own, so that another path's template cannot claim its requests."""

    def __init__(self, document: dict[str, Any], *, secured: bool) -> None:
        # Its way of addressing parts of a document gives # a meaning of its own.
        self._paths: dict[str, Any] = {name.replace("#", _MARK): item for name, item in document["paths"].items()}
        self._templates: dict[str, list[str]] = {}
        for name in self._paths:
            self._templates.setdefault(name.partition(_MARK)[0], []).append(name)
        readable = _readable({**document, "paths": self._paths})
        self._spec = SchemaPath.from_dict(readable if secured else _unsecured(readable))
        self._type = self._template = ""
        readers = {name: _without_parameters(read) for name, read in self._readers(readable).items()}
        validator = _VALIDATORS[str(document.get("openapi", ""))[:3]]
        self._validator = validator(self._spec, base_url=LOCATION, path_finder_cls=self._finder, extra_media_type_deserializers=readers)
        self._explainer = Explainer(readable)

    def problems(self, sent: Sent, *, path: str, operation_id: str) -> list[Failure]:
        """One per problem; `path` is the template, as in the document but for a fragment, which only the operation tells apart."""
        method = sent.method.lower()
        candidates = [name for name in self._templates.get(path, [path]) if method in self._paths.get(name, {})]
        named = [name for name in candidates if self._paths[name][method].get("operationId") == operation_id]
        return min((self._problems(sent, name) for name in named or candidates[:5] or [path]), key=len)

    def _problems(self, sent: Sent, template: str) -> list[Failure]:
        self._template, self._type = template, dict(sent.headers).get("Content-Type") or dict(sent.headers).get("content-type") or ""
        self._validator.__dict__.pop("path_finder", None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                lines = [_line(error) for error in self._validator.iter_errors(_received(sent))]
            except Exception as error:  # what a document makes the validator stumble over
                lines = [f"validator: {type(error).__name__}: {error}"[:MAX_REASON]]
        item = self._paths.get(template)
        return [
            self._explainer.explain(line, item=item, method=sent.method.lower(), url=sent.url, content_type=self._type) for line in lines
        ]

    def _finder(self, spec: Any, base_url: str | None = None) -> Any:
        finder = APICallPathFinder(spec, base_url=base_url)
        finder.paths_iterator = self._only_path
        return finder

    def _only_path(self, name: str, spec: Any, base_url: str | None = None) -> Iterator[Any]:
        plain = self._template.partition(_MARK)[0].partition("?")[0]
        if result := PathParser(plain, post_expression="$").search(name):
            # Its variables filled in: the server is what stands before.
            resolved = re.sub(r"\{([^{}]+)\}", lambda match: result.named[match.group(1)], plain)
            yield Path(spec / "paths" / self._template, _Found(resolved, result.named))

    def _readers(self, document: dict[str, Any]) -> dict[str, Any]:
        """It knows only application/json as JSON, and reads a body under a wildcard as bytes whatever its Content-Type says."""
        names = _media_types(document)
        found: dict[str, Any] = {name: json.loads for name in names if name.endswith(("+json", "/json"))}
        found |= {name: _text for name in names if name.startswith("text/")}
        return found | dict.fromkeys(("*/*", "application/*"), self._under_wildcard)

    def _under_wildcard(self, value: bytes) -> Any:
        return json.loads(value) if "json" in self._type else value


def _readable(node: Any) -> Any:
    """A document as the validator can read it: patterns that only ECMA's regular expressions know are left out, because it compiles them
    with Python's and stops; server variables have their defaults, because it takes none with a slash in it."""
    if isinstance(node, list):
        return [_readable(each) for each in node]
    if not isinstance(node, dict):
        return node
    kept = {name: _readable(each) for name, each in node.items() if not _is_foreign_pattern(name, each)}
    if isinstance(kept.get("servers"), list):
        kept["servers"] = [_plain_server(each) for each in kept["servers"]]
    return kept


def _plain_server(server: Any) -> Any:
    if not isinstance(server, dict) or not isinstance(server.get("url"), str):
        return server
    url = server["url"]
    for name, variable in (server.get("variables") or {}).items():
        url = url.replace(f"{{{name}}}", str(variable.get("default", ""))) if isinstance(variable, dict) else url
    found = urlsplit(f"https:{url}" if url.startswith("//") else url)
    return {"url": urlunsplit(found._replace(netloc=found.netloc.lower(), path=re.sub("^//+", "/", found.path)))}


def _is_foreign_pattern(name: str, value: Any) -> bool:
    return name == "pattern" and isinstance(value, str) and not _fits_python(value)


@lru_cache(maxsize=10_000)
def _fits_python(pattern: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError):
            return False
    return True


def _unsecured(document: dict[str, Any]) -> dict[str, Any]:
    def without(node: Any) -> Any:
        return {name: each for name, each in node.items() if name != "security"} if isinstance(node, dict) else node

    paths = {
        path: {name: without(each) for name, each in item.items()} if isinstance(item, dict) else item
        for path, item in document["paths"].items()
    }
    return {**without(document), "paths": paths}


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _without_parameters(read: Any) -> Any:
    return lambda value, **_: read(value)


def _media_types(document: dict[str, Any]) -> set[str]:
    """The media types that request bodies name."""
    operations = [each for item in document["paths"].values() if isinstance(item, dict) for each in item.values() if isinstance(each, dict)]
    bodies = [each.get("requestBody") for each in operations] + list(document.get("components", {}).get("requestBodies", {}).values())
    names = {name for body in bodies if isinstance(body, dict) for name in body.get("content", {})}
    return {name.partition(";")[0].strip().lower() for name in names}


def _received(sent: Sent) -> Received:
    parts = urlsplit(sent.url)
    headers = Headers(list(sent.headers))
    headers.setdefault("Host", parts.netloc)
    headers.setdefault("Content-Length", str(len(sent.body or b"")))
    cookies = [pair.strip().partition("=") for pair in headers.get("Cookie", "").split(";") if pair.strip()]
    return Received(
        host_url=f"{parts.scheme}://{parts.netloc}",
        path=parts.path,
        method=sent.method.lower(),
        body=sent.body,
        content_type=headers.get("Content-Type", ""),
        parameters=Places(
            query=ImmutableMultiDict(parse_qsl(parts.query, keep_blank_values=True)),
            header=headers,
            cookie=ImmutableMultiDict((name, unquote(value)) for name, _, value in cookies),
        ),
    )


def _line(error: BaseException) -> str:
    """The error and what caused it, innermost last."""
    chain: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        details = [each.message for each in getattr(cause, "schema_errors", ())]
        chain.append("; ".join([f"{type(cause).__name__}: {cause}"[:MAX_REASON], *(each[:MAX_REASON] for each in details[:2])]))
        cause = cause.__cause__
    return " <- ".join(chain)
