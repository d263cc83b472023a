"""One endpoint and the requests to it → an OpenAPI operation, and what stands beside it: credentials and values that never change."""

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

from msgspec import Struct

from bmm.sources.credentials import CLOSE, OPEN, VARIABLE, in_path, is_cookie, is_doubtful_member, is_header, is_member, is_query, value_of
from bmm.sources.endpoints import Endpoint
from bmm.sources.finding import Remarks
from bmm.sources.inferred import schema_of, schema_of_texts, shown_of
from bmm.sources.openapi.names import secret_key
from bmm.sources.openapi.security import CERTIFICATE_HINT, PRIVATE_KEY_HINT
from bmm.sources.seen import FORM, JSON, MULTIPART, FormPart, Seen, Sent, json_of, query_of
from runner.contract import (
    BasicCredential,
    BearerCredential,
    CertificateCredential,
    Credential,
    DigestCredential,
    JsonSchema,
    KeyCredential,
    SecretNeed,
    keys_of,
    place_of,
)

Fixed = tuple[Literal["header", "query"], str, str]

# What a browser, a proxy or curl adds by itself, and what frames the message.
_NOISE = re.compile(
    r"(?i)^(:.*|accept-(language|encoding|charset)|user-agent|referer|origin|host|connection|content-length|cache-control|pragma|dnt|te|trailer"
    r"|priority|upgrade.*|keep-alive|expect|transfer-encoding|if-(none-match|modified-since|range|match|unmodified-since)|sec-.*|save-data|viewport-width"
    r"|x-(requested-with|client-data|forwarded-.*|real-ip|b3-.*|datadog-.*|amzn-trace-id|request-id|correlation-id|newrelic.*)|traceparent"
    r"|tracestate|baggage|sentry-.*|newrelic|cf-.*|purpose|proxy-.*|via|range|content-type|cookie|x-amz-(date|content-sha256)|date|alt-used)$"
)
CERTIFICATE_WITH_KEY = "A client certificate in PEM form, its chain behind it, and its private key, not encrypted. Shown to the API when a connection is made."
_UNKNOWN = f"{OPEN}{CLOSE}"
_TYPED = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+")
# Parameters that say how the answer is to be written, or which version of the API is meant.
_SAYS_HOW = re.compile(r"(?i)^(format|fmt|output|outputformat|alt|response_?format|responsetype|f|datatype|wt)$")
_HOW = re.compile(r"(?i)^(json(v?2)?|geojson|application/json)$")
_SAYS_VERSION = re.compile(r"(?i)^(api[-_]?version|formatversion|ver|version|v)$")
_VERSION = re.compile(r"v?\d+(\.\d+){0,2}|\d{4}-\d\d-\d\d(-preview)?")


class Observed(Struct, frozen=True, kw_only=True):
    """`operation` is an Operation Object; `names` are those of its parameters and body members; `dropped` those that were credentials."""

    operation: dict[str, Any]
    auth: tuple[Credential, ...] = ()
    fixed: tuple[Fixed, ...] = ()
    fixed_body: dict[str, Any] = {}
    media_type: str = "application/json"
    names: frozenset[str] = frozenset()
    dropped: tuple[str, ...] = ()


class Secrets:
    """What the owner will be asked for: one key for each place a credential is sent to, its hint, and the value where one was seen."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self._hints: dict[str, str] = {}
        self._keys: dict[tuple[str, str, str], str] = {}

    def key(self, title: str, place: str, name: str, text: str, hint: str) -> str:
        """The key for a place; a shell variable that stood there gives it its name."""
        value = value_of(text)
        key = self._keys.get((title, place, name))
        if key is None:
            named = re.sub(r"[^A-Z0-9_]", "", value.variable.upper()) if value.variable else ""
            plain = secret_key(title, re.sub(r"(?i)^x-", "", name))
            key = named if re.fullmatch(r"[A-Z][A-Z0-9_]{2,63}", named) else plain
            number = 2
            while key in self._hints:
                key, number = f"{plain[:60]}_{number}", number + 1
            self._keys[title, place, name] = key
            self._hints[key] = hint
        if value.text:
            self.values.setdefault(key, value.text)
        return key

    def needs(self, auth: dict[str, tuple[Credential, ...]]) -> tuple[SecretNeed, ...]:
        used = {key for each in auth.values() for credential in each for key in keys_of(credential)}
        return tuple(SecretNeed(key=key, hint=hint) for key, hint in self._hints.items() if key in used)


def observed(endpoint: Endpoint, title: str, secrets: Secrets, remarks: Remarks) -> Observed | None:
    """What the requests to one endpoint have in common; None, with a finding, where no server could send them."""
    name = endpoint.name
    if any(in_path(f"/{'/'.join(place.segments)}") for _, place in endpoint.seen):
        remarks.error("", f"{name}: its address holds a credential in the path, where no secret can be sent; it is skipped",
                      "use an address that takes the key in a header")  # fmt: skip
        return None
    requests = [each for each, _ in endpoint.seen]
    auth = {place_of(each): each for request in requests for each in _auth(request, title, secrets, name, remarks)}
    parameters = [_in_path(hole, values) for hole, values in endpoint.holes.items()]
    fixed: list[Fixed] = []
    query = _collected(place.query for _, place in endpoint.seen)
    for key, values in query.items():
        if (key == "p" and "u" in query) or any(is_query(key, text) for each in values for text in each):
            where = f"Sent as the query parameter {key}."
            secret = secrets.key(title, "query", key, values[0][0], f"An API key. {where}")
            auth.setdefault(("query", key), KeyCredential(place="query", name=key, secret=secret))
        elif (how := _constant(key, values)) is not None:
            fixed.append(("query", key, how))
            remarks.note("", f"{name}: {key} is always {how}; it is no argument")
        else:
            parameters.append(_parameter("query", key, values, always=len(values) == len(requests)))
    for key, texts in _headers(requests).items():
        if len(set(texts)) == 1 and not VARIABLE.search(texts[0]):
            fixed.append(("header", key, texts[0]))
        else:
            parameters.append(_parameter("header", key, [[each] for each in texts], always=len(texts) == len(requests)))
    body = _Body(requests, name, remarks)
    words = re.findall(r"[A-Za-z0-9]+", name)
    operation: dict[str, Any] = {"operationId": name, "parameters": parameters, "responses": _responses(requests)}
    operation |= {"requestBody": body.node} if body.node else {}
    if len(words) == 1 or endpoint.operation:
        operation["description"] = f"{' '.join(words).capitalize()}: {endpoint.method} {endpoint.path} of {title}."
    return Observed(
        operation=operation, auth=tuple(auth.values()), fixed=tuple(fixed), fixed_body=body.fixed, media_type=body.media_type,
        names=frozenset(each["name"] for each in parameters) | body.names, dropped=body.dropped,
    )  # fmt: skip


def _in_path(name: str, values: list[str]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema_of_texts(values)}


def _parameter(place: str, name: str, values: list[list[str]], *, always: bool) -> dict[str, Any]:
    texts = [text for each in values for text in each]
    several = any(len(each) > 1 for each in values) or name.endswith("[]")
    schema = schema_of_texts(texts)
    if several:
        given = schema.pop("examples", [])
        schema = {"type": "array", "items": schema, **({"examples": [given]} if given else {})}
    left_open = any(VARIABLE.search(each) or re.fullmatch(r"<[\w -]+>|\{\{?\w+\}?\}", each) for each in texts)
    # Several requests that all have it, each with a value of its own: that is what the request is about.
    required = left_open or (always and len(values) > 1 and len({str(each) for each in values}) > 1)
    return {"name": name, "in": place, "required": required, "schema": schema}


def _collected(pairs: Iterable[Iterable[tuple[str, str]]]) -> dict[str, list[list[str]]]:
    """Name → the values of each request that has it."""
    found: dict[str, list[list[str]]] = {}
    for each in pairs:
        one: dict[str, list[str]] = {}
        for name, value in each:
            one.setdefault(name, []).append(value)
        for name, values in one.items():
            if name:
                found.setdefault(name, []).append(values)
    return found


def _constant(name: str, values: list[list[str]]) -> str | None:
    texts = {text for each in values for text in each}
    if len(texts) != 1:
        return None
    (text,) = texts
    how = _SAYS_HOW.match(name) and _HOW.match(text)
    return text if how or (_SAYS_VERSION.match(name) and _VERSION.fullmatch(text)) else None


def _headers(requests: Sequence[Seen]) -> dict[str, list[str]]:
    """The headers that are for the API: what tools add by themselves is left out."""
    found: dict[str, tuple[str, list[str]]] = {}
    for request in requests:
        for name, value in request.headers:
            if _NOISE.match(name) or is_header(name, value) or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
                continue
            if name.lower() == "accept" and (request.recorded or "*/*" in value or "html" in value or value.startswith("application/json")):
                continue
            found.setdefault(name.lower(), (name, []))[1].append(value)
    return dict(found.values())


def _auth(request: Seen, title: str, secrets: Secrets, name: str, remarks: Remarks) -> Iterator[Credential]:
    bearer = request.bearer
    for header, value in request.headers:
        if not is_header(header, value) or _NOISE.match(header):
            continue
        scheme, _, rest = value.partition(" ")
        if header.lower() == "authorization" and scheme.lower() == "bearer" and rest:
            bearer = rest
        elif header.lower() == "authorization" and scheme.lower() == "basic":
            yield _basic(*_decoded(rest), title, secrets)
        elif header.lower() == "authorization" and scheme.lower() == "digest":
            # It answered one question that will not be asked again: only the user's name in it is of use.
            named = re.search(r'\busername="([^"\\]*)"', rest[:2000])
            yield _digest(named[1] if named else "", "", title, secrets)
        else:
            whole = f" Give the whole value, beginning with {scheme}." if rest and len(scheme) < 20 else ""
            hint = f"A credential. Sent as the header {header}.{whole}"
            yield KeyCredential(place="header", name=header, secret=secrets.key(title, "header", header, value, hint))
    if bearer is not None:
        yield BearerCredential(secret=secrets.key(title, "header", "TOKEN", bearer, "A token. Sent as Authorization: Bearer."))
    elif request.basic is not None:
        yield _digest(*request.basic, title, secrets) if request.digest else _basic(*request.basic, title, secrets)
    if request.certificate is not None:
        both = request.certificate == "file"
        certificate = secrets.key(title, "connection", "CERTIFICATE", "", CERTIFICATE_WITH_KEY if both else f"A client certificate. {CERTIFICATE_HINT}")
        private = None if both else secrets.key(title, "connection", "PRIVATE_KEY", "", f"Its private key. {PRIVATE_KEY_HINT}")
        yield CertificateCredential(certificate=certificate, key=private)
    for cookie, value in request.cookies:
        if is_cookie(cookie):
            hint = f"What a browser that is signed in has; it ends when that sign-in does. Sent as the cookie {cookie}."
            yield KeyCredential(place="cookie", name=cookie, secret=secrets.key(title, "cookie", cookie, value, hint))
        else:
            remarks.note("", f"{name}: the cookie {cookie} says nothing to the API as far as its name tells; it is left out")


def _basic(name: str, password: str, title: str, secrets: Secrets) -> Credential:
    if not password:
        # A secret cannot be empty; some APIs take their key as user name and nothing as password.
        whole = value_of(name)
        text = f"Basic {b64encode(f'{whole.text}:'.encode()).decode()}" if whole.text else name
        hint = "The word Basic, a space, and the key followed by a colon in base64. Sent as the header Authorization."
        return KeyCredential(place="header", name="Authorization", secret=secrets.key(title, "header", "AUTHORIZATION", text, hint))
    where = "Sent with HTTP Basic authentication."
    user = secrets.key(title, "basic", "USERNAME", name, f"User name. {where}")
    return BasicCredential(username=user, password=secrets.key(title, "basic", "PASSWORD", password, f"Password. {where}"))


def _digest(name: str, password: str, title: str, secrets: Secrets) -> Credential:
    where = "For HTTP Digest authentication; the password itself is not sent."
    user = secrets.key(title, "digest", "USERNAME", name, f"User name. {where}")
    return DigestCredential(username=user, password=secrets.key(title, "digest", "PASSWORD", password, f"Password. {where}"))


def _decoded(text: str) -> tuple[str, str]:
    try:
        name, _, password = b64decode(text, validate=True).decode().partition(":")
    except ValueError:
        return text if VARIABLE.search(text) else "", ""
    return name, password


def _responses(requests: Sequence[Seen]) -> dict[str, Any]:
    answers = [each.answer for each in requests if each.answer is not None]
    if not answers:
        return {"200": {"description": "not recorded"}}
    schema = schema_of([each.value for each in answers], examples=False)
    headers: dict[str, Any] = {name: {} for each in answers for name in each.headers & {"link"}}
    return {str(answers[0].status): {"description": "as recorded", "headers": headers, "content": {"application/json": {"schema": schema}}}}


class _Body:
    """What the bodies of several requests have in common: a Request Body Object, and members that are always the same (GraphQL)."""

    def __init__(self, requests: Sequence[Seen], name: str, remarks: Remarks) -> None:
        self._name, self._remarks = name, remarks
        self._requests = len(requests)
        self.node: dict[str, Any] = {}
        self.fixed: dict[str, Any] = {}
        self.names: frozenset[str] = frozenset()
        self.dropped: tuple[str, ...] = ()
        sent = [each.body for each in requests if each.body is not None]
        self.media_type = sent[0].media_type if sent else "application/json"
        if sent:
            schema = self._schema(sent)
            properties = schema.get("properties", {}) if schema else {}
            self.names = frozenset(properties)
            for each in filter(is_doubtful_member, self.names):
                message = f"{name}: the body's member {each} may be a credential; it is an argument, and the value that was seen is not kept"
                remarks.warn("", message, f"fix it with --pin {each}=VALUE only where it is none")
            if schema is not None and not (self.fixed and not properties):
                self.node = {"required": len(sent) == len(requests), "content": {self._key(): {"schema": schema}}}

    def _key(self) -> str:
        found = _TYPED.match(self.media_type)
        kind = found.group() if found else "application/octet-stream"
        return kind.lower()

    def _schema(self, sent: list[Sent]) -> JsonSchema | None:
        if all(each.file for each in sent):
            return {} if JSON.match(self.media_type) else {"type": "string", "format": "binary"}
        if JSON.match(self.media_type):
            try:
                values = [json_of(each.text) for each in sent if each.text.strip() and not each.file]
            except ValueError as error:
                self._remarks.warn("", f"{self._name}: its body is no JSON ({str(error)[:100]}); it is one argument of any value")
                return {}
            return self._json(values)
        if self._key() == FORM:
            return self._fields([query_of(each.text) for each in sent])
        if self._key() == MULTIPART:
            return self._parts(sent)
        return {"type": "string", **({"examples": shown} if (shown := shown_of(each.text for each in sent)) else {})}

    def _json(self, values: list[object]) -> JsonSchema:
        values = [self._without(each, "") for each in values]
        objects = [each for each in values if isinstance(each, dict)]
        if not objects or len(objects) < len(values):
            return schema_of(values)
        if self._is_graphql(objects):
            self.fixed = {key: objects[0][key] for key in ("query", "operationName", "extensions") if objects[0].get(key) is not None}
            objects = [{"variables": each["variables"]} for each in objects if each.get("variables")]
        schema = schema_of(objects) if objects else {"type": "object", "properties": {}}
        needed = [] if not objects else [key for key in schema.get("properties", {}) if self._needed(key, objects)]
        return {**schema, **({"required": needed} if needed else {})}

    def _is_graphql(self, objects: list[dict[str, Any]]) -> bool:
        first = objects[0]
        return (isinstance(first.get("query"), str) and "{" in first["query"]) or "persistedQuery" in str(first.get("extensions", ""))[:200]

    def _needed(self, key: str, objects: list[dict[str, Any]]) -> bool:
        values = [each.get(key) for each in objects]
        left_open = any(isinstance(each, str) and VARIABLE.search(each) for each in values)
        together = len(objects) == self._requests > 1 and all(key in each for each in objects)
        return left_open or key == "variables" or (together and len({str(each) for each in values}) > 1)

    def _fields(self, forms: list[tuple[tuple[str, str], ...]]) -> JsonSchema:
        found = {key: values for key, values in _collected(forms).items() if not self._is_credential(key, values[0][0])}
        found = {key: [[_UNKNOWN]] if is_doubtful_member(key) else values for key, values in found.items()}
        schemas = {key: _parameter("query", key, values, always=len(values) == self._requests) for key, values in found.items()}
        needed = [key for key, each in schemas.items() if each["required"]]
        properties = {key: each["schema"] for key, each in schemas.items()}
        return {"type": "object", "properties": properties, **({"required": needed} if needed else {})}

    def _parts(self, sent: list[Sent]) -> JsonSchema:
        named: dict[str, list[FormPart]] = {}
        for part in (part for each in sent for part in each.parts):
            if not self._is_credential(part.name, part.text):
                named.setdefault(part.name, []).append(part)
        properties: JsonSchema = {}
        for name, parts in named.items():
            texts = [each.text for each in parts if each.text and not is_doubtful_member(name)]
            properties[name] = {"type": "string", "format": "binary"} if parts[-1].file else schema_of_texts(texts)
        return {"type": "object", "properties": properties}

    def _without(self, value: object, path: str) -> object:
        """The value without its credentials, at any depth."""
        if isinstance(value, list):
            return [self._without(each, path) for each in value]
        if not isinstance(value, dict):
            return value
        kept = {key: each for key, each in value.items() if not self._is_credential(f"{path}{key}", each, key)}
        return {
            key: _UNKNOWN if is_doubtful_member(key) and isinstance(each, str) else self._without(each, f"{path}{key}.") for key, each in kept.items()
        }

    def _is_credential(self, shown: str, value: object, key: str | None = None) -> bool:
        if not is_member(key if key is not None else shown, value):
            return False
        self.dropped = (*self.dropped, shown)
        message = f"{self._name}: the body's member {shown} is a credential; a body cannot carry a secret, so it is left out"
        self._remarks.warn("", message, "use an API that takes it in a header")
        return True

