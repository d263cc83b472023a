"""`python -m runner call`: one call of a spec's tool from a command line, with the code the container uses."""

import argparse
import asyncio
import difflib
import os
import sys
import time
from base64 import b64encode
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

import msgspec
from msgspec import Struct

from runner.contract import (
    BasicCredential,
    CertificateCredential,
    DigestCredential,
    HttpTool,
    ServerSpec,
    SpecError,
    Tool,
    decode_spec,
    keys_of,
    secrets_used,
)
from runner.tools.answer import Reading, answer, reading
from runner.tools.arguments import Checker
from runner.tools.connection import MAX_BODY, Response
from runner.tools.credentials import choose
from runner.tools.identity import not_accepted, presenting
from runner.tools.registry import SchemaUnusable
from runner.tools.request import HttpRequest, MissingSecret, PreparedTool, RequestError, build_request, prepare
from runner.tools.result import ToolAnswer, timed_out, too_large, unreachable
from runner.tools.signer import Signer


class Problem(Exception):
    """What the person has to change; printed as it is, exit code 2."""


class Shown(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a dry run prints. `certificate` names the secrets of the client certificate that the connection shows."""

    method: str
    url: str
    headers: dict[str, str]
    body: str | dict[str, str] | None
    certificate: tuple[str, ...] = ()


class Answered(Struct, frozen=True, kw_only=True):
    """What came back."""

    status: int
    reason: str
    headers: dict[str, str]
    body: str | dict[str, str] | None


def main(argv: list[str]) -> int:
    """0: sent and answered, or shown. 1: the answer is an error. 2: not possible as asked; standard error says why."""
    args = _arguments().parse_args(argv)
    try:
        return _call(args)
    except MissingSecret as error:
        several = len(error.keys) > 1
        variables = f"environment variable{'s' if several else ''} of {'these names' if several else 'this name'}"
        print(f"{args.tool} needs {' and '.join(error.keys)}; set the {variables}, or look at the request with --dry-run.", file=sys.stderr)  # noqa: T201
        return 2
    except (Problem, RequestError) as error:
        print(error, file=sys.stderr)  # noqa: T201  a command line
        return 2


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m runner call", description="Secrets come from environment variables of the same name.")
    parser.add_argument("--spec", required=True)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--resolve", action="append", default=[], metavar="NAME:PORT=ADDRESS")
    parser.add_argument("tool")
    parser.add_argument("arguments", nargs="?", default="{}")
    return parser


def _call(args: argparse.Namespace) -> int:
    tool = _tool(_spec(args.spec), args.tool)
    values = _checked(tool, args.arguments)
    ready = prepare(tool)
    if args.dry_run:
        _print(_pretty(shown(ready, values, os.environ)))
        return 0
    how = reading(tool, {key: os.environ[key] for key in secrets_used(tool) if key in os.environ})
    request = build_request(ready, values, os.environ)
    if how.pager is not None:
        request = how.pager.applied(request, values)
    resolve = dict(pair.split("=", 1) for pair in args.resolve)
    chosen = choose(tool.auth, os.environ)
    digest = next((each for each in chosen if isinstance(each, DigestCredential)), None)
    signer = None if digest is None else Signer(digest, os.environ)
    certificate = next((each for each in chosen if isinstance(each, CertificateCredential)), None)
    found, read = asyncio.run(_sent(request, tool.timeout, resolve, how, values, signer, certificate))
    if found is not None:
        _print(_pretty(found) if args.json else _as_text(found))
    if read.is_error:
        print(f"error: {read.text}", file=sys.stderr)  # noqa: T201
    if read.note is not None:
        print(f"note: {read.note}", file=sys.stderr)  # noqa: T201
    return int(read.is_error)


def shown(ready: PreparedTool, arguments: Mapping[str, object], secrets: Mapping[str, str]) -> Shown:
    """The request; where secrets are missing, `<KEY>` stands in their place, readable."""
    missing: tuple[str, ...] = ()
    try:
        request = build_request(ready, arguments, secrets)
    except MissingSecret as error:
        missing = error.keys
        request = build_request(ready, arguments, {**secrets, **{key: f"<{key}>" for key in missing}})
    headers, certificate = dict(request.headers), tuple[str, ...]()
    for key in missing:
        request = msgspec.structs.replace(request, url=request.url.replace(quote(f"<{key}>", safe=""), f"<{key}>"))
    for credential in choose(ready.tool.auth, {**secrets, **{key: f"<{key}>" for key in missing}}):
        if isinstance(credential, BasicCredential) and set(keys_of(credential)) & set(missing):
            pair = [f"<{key}>" if key in missing else secrets[key] for key in keys_of(credential)]
            headers["Authorization"] = f"Basic {':'.join(pair)}"
        elif isinstance(credential, DigestCredential):
            headers["Authorization"] = f"Digest <what the host asks, answered with {' and '.join(keys_of(credential))}>"
        elif isinstance(credential, CertificateCredential):
            certificate = tuple(f"<{key}>" for key in keys_of(credential))
    return Shown(method=request.method, url=request.url, headers=headers, body=_body(request.body), certificate=certificate)


async def _sent(
    request: HttpRequest,
    seconds: float,
    resolve: Mapping[str, str],
    how: Reading,
    values: dict[str, object],
    signer: Signer | None,
    certificate: CertificateCredential | None,
) -> tuple[Answered | None, ToolAnswer]:
    import httpx2

    url = httpx2.URL(request.url)
    port = url.port or (443 if url.scheme == "https" else 80)
    address = resolve.get(f"{url.host}:{port}")

    trust = httpx2.create_ssl_context() if certificate is None else presenting(certificate, os.environ, httpx2.create_ssl_context)

    async def send(one: HttpRequest) -> Response:
        headers = [(b"Host", url.netloc), *one.raw_headers]
        sent = httpx2.Request(one.method, url.copy_with(host=address) if address else url, headers=headers, content=one.body)
        sent.extensions = {**sent.extensions, "sni_hostname": url.host, "timeout": httpx2.Timeout(seconds).as_dict()}
        response = await client.send(sent, stream=True, follow_redirects=False)
        try:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_BODY:
                    return Response(status=response.status_code, headers=dict(response.headers), body=None)
        finally:
            await response.aclose()
        return Response(status=response.status_code, headers=dict(response.headers), body=bytes(body))

    try:
        async with asyncio.timeout(seconds), httpx2.AsyncClient(verify=trust) as client:
            response = await send(request) if signer is None else (await signer.exchange(request, send))[0]
    except (TimeoutError, httpx2.TimeoutException):
        return None, timed_out(seconds)
    except httpx2.HTTPError as error:
        if (refused := not_accepted(f"{url.host}:{port}", error, how.keys)) is not None:
            return None, refused
        return None, unreachable(f"{url.host}:{port}", str(error) or type(error).__name__)
    if response.body is None:
        return None, too_large(MAX_BODY)
    read = answer(
        response.status,
        response.headers,
        response.body,
        method=request.method,
        url_shown=request.shown_url,
        read=how,
        arguments=values,
        now=time.time(),
    )
    return Answered(status=response.status, reason=_reason(response.status), headers=response.headers, body=_body(response.body)), read


def _spec(path: str) -> ServerSpec:
    try:
        return decode_spec(sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes())
    except OSError as error:
        raise Problem(f"{path} cannot be read: {error.strerror or error}.") from error
    except SpecError as error:
        raise Problem(f"{path} is not a usable spec: {error}.") from error


def _tool(spec: ServerSpec, name: str) -> HttpTool:
    tools: dict[str, Tool] = {tool.name: tool for tool in spec.tools}
    if name not in tools:
        near = difflib.get_close_matches(name, tools, n=5, cutoff=0.5) or [each for each in tools if name.lower() in each.lower()][:5]
        hint = f"Near it: {', '.join(near)}." if near else f"It has {', '.join(list(tools)[:10])}{' …' if len(tools) > 10 else ''}."
        raise Problem(f"The spec has no tool {name!r}. {hint}")
    tool = tools[name]
    if not isinstance(tool, HttpTool):
        raise Problem(f"{name} is not an HTTP tool; `bmm dev` calls it.")
    return tool


def _checked(tool: HttpTool, text: str) -> dict[str, object]:
    try:
        values = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise Problem(f"The arguments are not JSON: {error}.") from error
    if not isinstance(values, dict):
        raise Problem('The arguments must be a JSON object, such as {"id": 1}.')
    try:
        problems = Checker(tool.input_schema).problems(values)
    except SchemaUnusable as error:
        raise Problem(f"The input schema of {tool.name} cannot be used: {error}.") from error
    if problems:
        raise Problem(f"The arguments of {tool.name} are not right: {'; '.join(problems)}.")
    return values


def _body(body: bytes | None) -> str | dict[str, str] | None:
    if body is None:
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(body).decode()}


def _as_text(found: Answered) -> str:
    lines = [f"{found.status} {found.reason}".strip(), *(f"{name}: {value}" for name, value in found.headers.items()), ""]
    body = found.body if isinstance(found.body, str) else f"(binary, base64) {found.body['base64']}" if found.body else ""
    return "\n".join([*lines, body])


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _pretty(value: Struct) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
