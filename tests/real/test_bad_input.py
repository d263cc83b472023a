"""Whatever is sent wrong gets a clear error, on the command line and from a tool; nothing hangs, nothing is half deployed."""

import json
import time

import pytest

from tests.real.appliance import Box, call
from tests.waiting import at_best


def complaint(box: Box, *words: str, stdin: bytes = b"") -> str:
    done = box.bmm(*words, stdin=stdin, check=False)
    assert done.returncode in (1, 2), done.stdout
    return done.stderr


def test_documents_that_are_none(box: Box) -> None:
    assert "line " in complaint(box, "compile", "openapi", "-", stdin=b"openapi: 3.1.0\ninfo: [")
    assert "operations" in complaint(
        box, "compile", "openapi", "-", stdin=b'{"openapi": "3.1.0", "info": {"title": "x", "version": "1"}, "paths": {}}'
    )
    assert "cannot be read" in complaint(box, "deploy", "/nowhere.json", "--slug", "x")
    assert "empty" in complaint(box, "deploy", "-", "--slug", "x")
    assert "JSON" in complaint(box, "deploy", "-", "--slug", "x", stdin=b"<html>")


def test_a_spec_with_a_mistake_is_told_where(box: Box) -> None:
    spec = box.spec("listProducts")
    spec["tools"][0]["colour"] = "red"
    stderr = complaint(box, "deploy", "-", "--slug", "x", "--json", stdin=json.dumps(spec).encode())
    assert json.loads(stderr)["error"]["pointer"] == "/tools/0"
    assert "x" not in {one["slug"] for one in json.loads(box.bmm("ps", "--json").stdout)}


@pytest.mark.parametrize("slug", ["Shop", "a_b", "-a", "admin", "xn--a", "a" * 64, "../x", "a/b"])
def test_illegal_and_reserved_slugs(box: Box, slug: str) -> None:
    stderr = complaint(box, "deploy", "-", f"--slug={slug}", stdin=json.dumps(box.spec("listProducts")).encode())
    assert "slug" in stderr


def test_missing_and_superfluous_secrets(box: Box) -> None:
    spec = json.dumps(box.spec("listProducts")).encode()
    stderr = complaint(box, "deploy", "-", "--slug", "unkeyed", stdin=spec)
    assert "bmm secret set unkeyed" in stderr
    box.deploy("keyed", box.spec("listProducts"))
    assert "does not use" in complaint(box, "secret", "set", "keyed", "OTHER", stdin=b"v")
    assert box.bmm("secret", "set", "keyed", "OTHER", "--next", stdin=b"v").stdout == "OTHER set\n"
    assert "which is not deployed yet" in box.bmm("secret", "set", "keyyed", "OTHER", stdin=b"v").stdout
    box.bmm("secret", "rm", "keyed", "OTHER")
    assert "capital letters" in complaint(box, "secret", "set", "keyed", "lower", stdin=b"v")
    assert "needs" in complaint(box, "secret", "rm", "keyed", box.spec()["secrets"][0]["key"])


def test_a_destination_the_operator_has_not_allowed(box: Box) -> None:
    spec = box.spec("listProducts")
    spec["hosts"] = [{"name": "other.test", "port": 80, "plain": True}]
    spec["tools"][0]["server"] = "http://other.test/v1"
    assert "egress_plain_http" in complaint(box, "deploy", "-", "--slug", "plain", stdin=json.dumps(spec).encode())


@pytest.fixture(scope="module")
def odd(box: Box) -> tuple[str, str]:
    return box.deploy("odd", box.spec()), box.token("odd")


@pytest.mark.parametrize(
    ("tool", "words"),
    [("oddRedirect", "redirect"), ("oddFail", "500"), ("oddHtml", "web page"), ("oddHuge", "large")],
)
def test_an_upstream_that_misbehaves_is_a_tool_error_a_model_can_act_on(odd: tuple[str, str], tool: str, words: str) -> None:
    begun = time.monotonic()
    result = call(*odd, tool)
    assert result["isError"], result
    assert words.lower() in result["content"][0]["text"].lower()
    assert "Traceback" not in result["content"][0]["text"]
    assert time.monotonic() - begun < 60


def test_a_slow_upstream_ends_within_30_seconds(odd: tuple[str, str]) -> None:
    def took() -> float:
        begun = time.monotonic()
        result = call(*odd, "oddSlow")
        assert result["isError"]
        assert "30 s" in result["content"][0]["text"]
        seconds = time.monotonic() - begun
        assert seconds > 25
        return seconds

    at_best(took, within=33, tries=3)


@pytest.mark.parametrize("host", ["gone.test", "private.test"])
def test_an_upstream_that_is_down_or_has_no_address(box: Box, host: str) -> None:
    port = 9 if host == "gone.test" else 80
    spec = box.spec("listProducts")
    spec["hosts"] = [{"name": host, "port": port, "plain": True}]
    spec["tools"][0]["server"] = f"http://{host}:{port}/v1"
    slug = host.replace(".", "-")
    result = call(box.deploy(slug, spec), box.token(slug), "listProducts")
    assert result["isError"]
    assert host in result["content"][0]["text"]
