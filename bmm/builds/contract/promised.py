"""What a declared request promises, held against what was sent: worked out from the spec alone, not with the code that sends it."""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import msgspec

from bmm.builds.contract.recorder import Received
from runner.contract import (
    BasicCredential,
    BearerCredential,
    Body,
    CertificateCredential,
    Credential,
    DigestCredential,
    HttpTool,
    KeyCredential,
    Parameter,
    keys_of,
    reached_host,
)

# Neither an argument nor a document may set these, so a parameter of that name is never sent.
_FRAMING = frozenset(
    {"accept", "authorization", "connection", "content-length", "content-type", "cookie", "expect", "host", "keep-alive"}
    | {"proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
FORM = "application/x-www-form-urlencoded"


def differences(tool: HttpTool, arguments: Mapping[str, Any], secrets: Mapping[str, str], sent: Received) -> list[str]:
    """In what the request differs from what the tool declares for these arguments; each a sentence about the request."""
    credentials = chosen(tool, secrets)
    return [
        *_address(tool, arguments, sent),
        *_pairs(tool, arguments, credentials, sent),
        *_headers(tool, arguments, sent),
        *_credentials(tool, credentials, secrets, sent),
        *_body(tool.body, arguments, sent),
    ]


def chosen(tool: HttpTool, secrets: Mapping[str, str]) -> tuple[Credential, ...]:
    """The first alternative whose secrets are all there."""
    return next((each for each in tool.auth if each and all(key in secrets for one in each for key in keys_of(one))), ())


def unmet(tool: HttpTool) -> list[str]:
    """Arguments that the address or the body needs and the input schema does not have."""
    known = tool.input_schema.get("properties", {})
    needed = [each.argument for each in tool.parameters if each.place == "path" and each.argument is not None]
    if tool.body is not None and tool.body.required and tool.body.argument is not None:
        needed.append(tool.body.argument)
    return [name for name in needed if name not in known]


def _address(tool: HttpTool, arguments: Mapping[str, Any], sent: Received) -> Iterator[str]:
    host, port, plain = reached_host(tool.server)
    if sent.method != tool.method:
        yield f"its method is {sent.method}, the tool declares {tool.method}"
    if (sent.host, sent.port) != (host, port):
        yield f"it went to {sent.host}:{sent.port}, the tool declares {host}:{port}"
    authority = host if port == (80 if plain else 443) else f"{host}:{port}"
    if sent.header("host") != authority:
        yield f"it names the host {sent.header('host')!r}, the tool declares {authority}"
    in_path = {each.name: each for each in tool.parameters if each.place == "path"}
    base, template = urlsplit(tool.server).path.rstrip("/"), tool.path.partition("?")[0].removeprefix("/")
    pieces = re.split(r"\{([^{}]+)\}", template)
    shape = "".join(
        ("(.+)" if in_path[each].allow_reserved else "([^/]+)") if number % 2 else re.escape(quote(each, safe="!$&'()*+,;=:@/?%[]"))
        for number, each in enumerate(pieces)
    )
    path = sent.target.partition("?")[0]
    found = re.fullmatch(f"{re.escape(base)}/{shape}", path)
    if found is None:
        yield f"its path is {path[:200]}, the tool declares {base}/{template[:200]}"
        return
    for name, text in zip(pieces[1::2], found.groups(), strict=True):
        value = in_path[name].value if in_path[name].argument is None else arguments.get(in_path[name].argument or "")
        if _is_plain(in_path[name]) and _is_scalar(value) and unquote(text) != _written(value):
            yield f"{{{name}}} of its path is {text[:100]}, the argument is {_written(value)[:100]}"


def _pairs(tool: HttpTool, arguments: Mapping[str, Any], credentials: tuple[Credential, ...], sent: Received) -> Iterator[str]:
    pairs = parse_qsl(sent.target.partition("?")[2], keep_blank_values=True)
    named = {name for name, _ in parse_qsl(tool.path.partition("?")[2], keep_blank_values=True)}
    named |= {each.name for each in credentials if isinstance(each, KeyCredential) and each.place == "query"}
    for parameter, value in _given(tool, "query", arguments):
        if parameter.name in _reserved(tool, "query"):
            continue
        found = [text for name, text in pairs if name == parameter.name]
        own = {parameter.name, *_members(value)}
        named |= own
        if _is_scalar(value) and _is_plain(parameter) and not parameter.allow_reserved and _written(value) not in found:
            yield (
                f"its query has {found[0]!r} for {parameter.name}, the argument is {_written(value)!r}"
                if found
                else f"its query lacks {parameter.name}"
            )
        elif not _is_scalar(value) and _says_something(value) and not any(_belongs(name, own) for name, _ in pairs):
            yield f"its query lacks {parameter.name}"
    for name, _ in pairs:
        if not _belongs(name, named):
            yield f"its query has {name[:100]!r}, which the tool does not declare"


def _headers(tool: HttpTool, arguments: Mapping[str, Any], sent: Received) -> Iterator[str]:
    reserved = {name.lower() for name in _reserved(tool, "header")}
    for parameter, value in _given(tool, "header", arguments):
        name = parameter.name.lower()
        if name in _FRAMING or name in reserved:
            continue
        found = sent.header(name)
        if found is None:
            yield f"it lacks the header {parameter.name}"
        elif _is_scalar(value) and _is_plain(parameter) and found != _written(value).strip(" \t"):
            yield f"its header {parameter.name} is {found[:100]!r}, the argument is {_written(value)[:100]!r}"
    cookies = sent.header("cookie") or ""
    for parameter, value in _given(tool, "cookie", arguments):
        if _is_scalar(value) and parameter.name not in _reserved(tool, "cookie") and f"{parameter.name}=" not in unquote(cookies):
            yield f"it lacks the cookie {parameter.name}"


def _credentials(tool: HttpTool, credentials: tuple[Credential, ...], secrets: Mapping[str, str], sent: Received) -> Iterator[str]:
    for each in credentials:
        if isinstance(each, CertificateCredential):
            continue  # The recorder is reached without TLS.
        if isinstance(each, DigestCredential):
            # The recorder asks for nothing, and to a host that does not ask nothing is said.
            if sent.header("authorization") is not None:
                yield "its header Authorization is there before the host has asked for HTTP Digest"
            continue
        if isinstance(each, BasicCredential):
            pair = f"{secrets[each.username]}:{secrets[each.password]}"
            place, found, wanted = "the header Authorization", sent.header("authorization"), f"Basic {b64encode(pair.encode()).decode()}"
        elif isinstance(each, BearerCredential):
            place, found, wanted = "the header Authorization", sent.header("authorization"), f"{each.scheme} {secrets[each.secret]}"
        elif each.place == "header":
            place, found, wanted = f"the header {each.name}", sent.header(each.name.lower()), secrets[each.secret]
        else:
            text = sent.target.partition("?")[2] if each.place == "query" else (sent.header("cookie") or "").replace("; ", "&")
            place, found, wanted = f"the {each.place} {each.name}", dict(parse_qsl(text)).get(each.name), secrets[each.secret]
        if found != wanted:
            yield f"{place} does not hold {' and '.join(keys_of(each))}"
    sending = {key for each in credentials if not isinstance(each, DigestCredential | CertificateCredential) for key in keys_of(each)}
    everything = "\n".join((sent.target, *(value for _, value in sent.headers), sent.body.decode("latin-1")))
    for key, value in secrets.items():
        # A value that begins another one's is not there because that one is.
        if key not in sending and re.search(rf"{re.escape(value)}(?![A-Z0-9_])", everything):
            yield f"it holds the secret {key}, which this tool does not declare"


def _body(body: Body | None, arguments: Mapping[str, Any], sent: Received) -> Iterator[str]:
    if body is None:
        if sent.body:
            yield "it has a body, and the tool declares none"
        return
    if body.argument is not None:
        whole = arguments.get(body.argument)
        given = body.argument in arguments
        value = {**whole, **body.fixed} if body.fixed and isinstance(whole, dict) else whole
    else:
        value = {name: arguments[argument] for argument, name in body.fields.items() if argument in arguments} | body.fixed
        given = bool(value) or body.required
    if not given:
        if sent.body:
            yield "it has a body, and the arguments give none"
        return
    kind, declared = (
        (sent.header("content-type") or "").partition(";")[0].strip().lower(),
        body.media_type.partition(";")[0].strip().lower(),
    )
    if kind != declared and "*" not in declared and not body.binary:
        yield f"its content is {kind or 'of no type'}, the tool declares {declared}"
    elif declared.endswith(("/json", "+json")) and not body.binary:
        if _decoded(sent.body) != value:
            yield "its JSON body is not what the arguments say"
    elif declared == FORM and isinstance(value, dict):
        pairs = parse_qsl(sent.body.decode("latin-1"), keep_blank_values=True)
        for name, each in value.items():
            whole_value = name not in body.parts and _is_scalar(each)
            is_there = any(_belongs(found, {name, *_members(each)}) for found, _ in pairs)
            if (name, _written(each)) not in pairs if whole_value else _says_something(each) and not is_there:
                yield f"its form lacks {name} as the arguments give it"
    elif declared.startswith("multipart/") and isinstance(value, dict):
        parts = re.findall(r'[; ]name="([^"]*)"', sent.body.decode("latin-1"))
        for name, each in value.items():
            if _says_something(each) and not any(_belongs(part, {name, *_members(each)}) for part in parts):
                yield f"its multipart body lacks the part {name}"
    elif not sent.body and _says_something(value):
        yield "its body is empty"


def _given(tool: HttpTool, place: str, arguments: Mapping[str, Any]) -> Iterator[tuple[Parameter, Any]]:
    for each in tool.parameters:
        value = each.value if each.argument is None else arguments.get(each.argument)
        if each.place == place and value is not None:
            yield each, value


def _reserved(tool: HttpTool, place: str) -> set[str]:
    """Names there that belong to credentials, of whatever alternative."""
    return {each.name for one in tool.auth for each in one if isinstance(each, KeyCredential) and each.place == place}


def _is_plain(parameter: Parameter) -> bool:
    """Whether a scalar stands there as it is."""
    return parameter.content is None and parameter.style in (None, "simple", "form")


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _written(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _says_something(value: Any) -> bool:
    """Whether anything of it can be sent: not null, not empty, and not only of such."""
    if isinstance(value, dict | list):
        return any(map(_says_something, value.values() if isinstance(value, dict) else value))
    return value is not None


def _members(value: Any) -> list[str]:
    return list(value) if isinstance(value, dict) else []


def _belongs(name: str, known: set[str]) -> bool:
    """Whether it is one of these, or a member of one: `filter[name]`."""
    return name in known or name.partition("[")[0] in known or any(name.startswith(f"{each}[") for each in known)


def _decoded(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
