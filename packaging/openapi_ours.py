"""Our side of the comparison: a document through `compile_openapi`, and the dry-run requests of its tools."""

import json
from pathlib import Path
from typing import Any

from openapi_worker import LOCATION, Job, Outcome, Tried, measured

from bmm.sources import UnusableDocument, compile_openapi
from bmm.sources.openapi.options import Options
from runner.contract import HttpTool, ServerSpec
from runner.tools.errors import RequestError
from runner.tools.request import build_request, prepare

EVERYTHING = Options(deprecated=True)
SECRET = "123e4567-e89b-42d3-a456-426614174000"  # also where a document asks for a key of a form


def handle(job: Job) -> Outcome:
    data = Path(job.path).read_bytes()
    outcome = Outcome()
    try:
        with measured(outcome):
            compiled = compile_openapi(data, location=LOCATION, options=EVERYTHING)
    except UnusableDocument as error:
        outcome.state, outcome.reason = "refused", error.user_message
        return outcome
    outcome.tools = len(compiled.spec.tools)
    outcome.skipped = [each.message for each in compiled.findings if each.level == "error"]
    if job.task == "requests":
        outcome.tried = _tried(compiled.spec, json.loads(data), seconds=job.seconds * 0.8)
    return outcome


def _tried(spec: ServerSpec, document: dict[str, Any], *, seconds: float) -> list[Tried]:
    from openapi_trial import Trial

    trial = Trial(document, secured=True, seconds=seconds)
    secrets = {need.key: SECRET for need in spec.secrets}
    for tool in spec.tools:
        assert isinstance(tool, HttpTool)
        trial.tool(_sender(tool, secrets), schema=tool.input_schema, method=tool.method, path=tool.path, operation_id=tool.name)
    return trial.tried


def _sender(tool: HttpTool, secrets: dict[str, str]) -> Any:
    from openapi_requests import Sent
    from openapi_trial import Refused

    ready = prepare(tool)

    def send(arguments: dict[str, Any]) -> Sent:
        try:
            request = build_request(ready, arguments, secrets)
        except RequestError as error:
            raise Refused(error.message) from error
        return Sent(method=request.method, url=request.url, headers=request.headers, body=request.body)

    return send
