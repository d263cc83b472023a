"""Trials in real containers: what was tried is kept with the version, and a tool that breaks its word never goes live."""

import itertools
import json
from typing import Any

import msgspec
import pytest

from bmm.cli.parts.client import Client, server_target
from bmm.core.build import Build, BuildEvent
from bmm.core.trial import Trial
from bmm.http.shapes import Accepted
from tests.real.appliance import Box, call
from tests.waiting import at_best

NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}


def python(code: str, **changes: Any) -> dict[str, Any]:
    return {"kind": "python", "name": "think", "description": "Thinks", "input_schema": NUMBER, "code": code} | changes


def spec(*tools: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"name": "Tried", "tools": list(tools)} | changes


def built(box: Box, slug: str, document: dict[str, Any]) -> tuple[Build, list[BuildEvent]]:
    """A build at its end, and its story."""
    client = Client(box.config)
    build_id = client.post(server_target(slug, "builds"), json.dumps(document).encode(), Accepted).build_id
    told = list(client.events(f"/api/builds/{build_id}/events"))
    return msgspec.json.decode(told[-1][1], type=Build), [msgspec.json.decode(data, type=BuildEvent) for _, data in told[:-1]]


def refused(box: Box, slug: str, document: dict[str, Any]) -> tuple[Build, Trial]:
    """A build that has to fail, and what was tried in it."""
    build, story = built(box, slug, document)
    assert (build.status, build.error_code) == ("failed", "trial_failed")
    assert (story[-1].step, story[-1].message) == ("failed", build.error)
    trial = box.api(f"/api/builds/{build.id}/trial", Trial)
    assert str(trial) in [each.message for each in story]
    return build, trial


def test_what_was_tried_is_told_and_kept_with_the_version(box: Box) -> None:
    document = box.spec()
    box.bmm("secret", "set", "tried", document["secrets"][0]["key"], "--next", stdin=b"a-real-value")
    deployed = json.loads(box.bmm("deploy", "-", "--slug", "tried", "--json", stdin=json.dumps(document).encode()).stdout)
    assert deployed["trial"]["tools"] == deployed["trial"]["of"] == len(document["tools"])
    assert {each["outcome"] for each in deployed["trial"]["calls"]} == {"promised"}
    kept = box.api(f"/api/builds/{deployed['build']}/trial", Trial)
    assert len(kept.calls) == len(deployed["trial"]["calls"])
    sent = {each.tool: each.sent for each in kept.calls if each.case == "valid"}
    assert all(len(each) == 1 for each in sent.values())
    assert sent["getProduct"][0].url == f"http://shop.test:{box.shop_port}/v1/products/p-100"
    assert sent["getProduct"][0].headers["x-api-key"] == "<SHOP_API_KEY>"
    assert not any(each.sent for each in kept.calls if each.case != "valid")
    assert b"a-real-value" not in (box.data / "bmm.db").read_bytes()


def test_an_https_host_meets_the_recorder_without_a_certificate(box: Box) -> None:
    tool = {
        "kind": "http", "name": "look", "description": "Looks", "input_schema": NUMBER, "method": "GET",
        "server": "https://api.example.com", "path": "/{n}", "parameters": [{"name": "n", "place": "path", "argument": "n"}],
    }  # fmt: skip
    coded = python("async def run(args, ctx):\n    return (await ctx.http.get('https://api.example.com/code')).json()")
    stdin = json.dumps(spec(tool, coded, hosts=[{"name": "api.example.com", "reason": "to look"}])).encode()
    deployed = json.loads(box.bmm("deploy", "-", "--slug", "secure", "--json", stdin=stdin).stdout)
    urls = [each["sent"][0]["url"] for each in deployed["trial"]["calls"] if each["case"] == "valid"]
    assert urls == ["https://api.example.com/1", "https://api.example.com/code"]
    # The live one speaks TLS as ever: the name does not lead anywhere from here.
    assert call(f"{box.origin}/s/secure/mcp", box.token("secure"), "look", n=1)["isError"]


@pytest.mark.parametrize(
    ("slug", "tool", "found", "words"),
    [
        ("named", python("async def run(args, ctx):\n    n = 1\n    return {'n': m}"), "contract.code", "name 'm' is not defined"),
        ("hanging", python("async def run(args, ctx):\n    while True:\n        pass"), "contract.hang", "was still running"),
        (
            "examples",
            python("async def run(args, ctx):\n    return {'n': 1}", output_schema={**NUMBER, "examples": [{"n": "one"}]}),
            "contract.example",
            "does not fit its own schema",
        ),
    ],
)
def test_a_tool_that_breaks_its_word_fails_the_build(box: Box, slug: str, tool: dict[str, Any], found: str, words: str) -> None:
    build, trial = refused(box, slug, spec(tool))
    assert words in (build.error or "")
    assert [(each.level, each.id) for each in trial.findings] == [("block", found)]
    assert any(each["id"] == found for each in json.loads(build.findings))


def test_a_path_that_needs_what_the_schema_lacks_fails_the_build(box: Box) -> None:
    document = box.spec("getProduct")
    document["tools"][0]["parameters"] = [
        {**each, "argument": "product"} if each["place"] == "path" else each for each in document["tools"][0]["parameters"]
    ]
    box.bmm("secret", "set", "lacking", document["secrets"][0]["key"], "--next", stdin=b"value")
    build, trial = refused(box, "lacking", document)
    assert "needs product, which its input schema does not have" in (build.error or "")
    assert [each.id for each in trial.findings] == ["contract.request"]


def test_twenty_tools_are_tried_in_a_moment(box: Box) -> None:
    versions = itertools.count(1)

    def took() -> float:
        code = f"async def run(args, ctx):\n    return {{'n': args['n'] * {next(versions)}}}"
        build, story = built(box, "twenty", spec(*(python(code, name=f"tool_{number}") for number in range(20))))
        assert build.status == "live"
        assert "20 tools tried: 60 calls, 60 as promised, 0 notes" in [each.message for each in story]
        listed, tried = (next(each.at for each in story if words in each.message) for words in ("answers and lists", "tools tried"))
        return (tried - listed).total_seconds()

    # Alone it takes a quarter of a second; a process for each call would take five and more.
    at_best(took, within=2)
