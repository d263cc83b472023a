"""FastMCP's side of the comparison: a document through `FastMCP.from_openapi`, and the requests of its tools."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
from fastmcp import FastMCP
from openapi_worker import LOCATION, Job, Outcome, Tried, measured


def handle(job: Job) -> Outcome:
    data = Path(job.path).read_bytes()
    outcome, seen = Outcome(), list[httpx2.Request]()
    with measured(outcome):
        document = json.loads(data)
        client = httpx2.AsyncClient(base_url=_base(document), transport=_recorder(seen))
        server = FastMCP.from_openapi(document, client=client)
    tools = asyncio.run(server.list_tools())
    outcome.tools = len(tools)
    if job.task == "requests":
        outcome.tried = _tried(tools, json.loads(data), seen, seconds=job.seconds * 0.8)
    return outcome


def _base(document: dict[str, Any]) -> str:
    """What its user has to give it: the first server, its variables filled in, absolute."""
    servers = document.get("servers") or [{"url": "/"}]
    url = str(servers[0].get("url", "/"))
    for name, variable in (servers[0].get("variables") or {}).items():
        url = url.replace(f"{{{name}}}", str(variable.get("default", "")))
    return url if "://" in url else str(httpx2.URL(LOCATION).join(url))


def _recorder(seen: list[httpx2.Request]) -> httpx2.MockTransport:
    def answer(request: httpx2.Request) -> httpx2.Response:
        request.read()
        seen.append(request)
        return httpx2.Response(200, json={})

    return httpx2.MockTransport(answer)


def _tried(tools: Any, document: dict[str, Any], seen: list[httpx2.Request], *, seconds: float) -> list[Tried]:
    from openapi_requests import Sent
    from openapi_trial import Refused, Trial

    # Credentials are the business of whoever makes the client, so its requests need none.
    trial = Trial(document, secured=False, seconds=seconds)
    loop = asyncio.new_event_loop()

    def sender(tool: Any) -> Any:
        def send(arguments: dict[str, Any]) -> Sent:
            seen.clear()
            reason = "no request was sent"
            try:
                loop.run_until_complete(tool.run(arguments))
            except Exception as error:  # also about the recorder's answer, which is no matter here
                reason = f"{type(error).__name__}: {error}"
            if not seen:
                raise Refused(reason)
            request = seen[-1]
            headers = tuple(request.headers.multi_items())
            return Sent(method=request.method, url=str(request.url), headers=headers, body=request.content or None)

        return send

    for tool in tools:
        route = tool._route
        path, name = route.path.partition("#")[0], route.operation_id or ""
        trial.tool(sender(tool), schema=tool.parameters, method=route.method, path=path, operation_id=name)
    return trial.tried
