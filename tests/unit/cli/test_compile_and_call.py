"""`bmm compile` and `bmm call` as processes: a document in, a spec and requests out, against the real shop."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
SHOP = ROOT / "tests/documents/shop.yaml"
KEY = "k-0123456789"


def bmm(*words: str, stdin: bytes = b"", **environ: str) -> subprocess.CompletedProcess[str]:
    script = "import sys; from bmm.cli import main; sys.exit(main(sys.argv[1:]))"
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    done = subprocess.run(
        [sys.executable, "-c", script, *words], input=stdin, capture_output=True, cwd=ROOT, env=kept | environ, timeout=120, check=False
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture(scope="module")
def shop() -> Iterator[int]:
    """The port of a shop of our own."""
    command = [sys.executable, str(ROOT / "packaging/shop.py"), "--port", "0", "--key", KEY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        try:
            yield int(port)
        finally:
            process.terminate()
            assert process.wait(10) == 0


@pytest.fixture(scope="module")
def spec(shop: int, tmp_path_factory: pytest.TempPathFactory) -> str:
    done = bmm("compile", "openapi", f"http://127.0.0.1:{shop}/openapi.yaml")
    assert done.returncode == 0
    assert f"fetched http://127.0.0.1:{shop}/openapi.yaml" in done.stderr
    path = tmp_path_factory.mktemp("spec") / "spec.json"
    path.write_text(done.stdout)
    return str(path)


def call(spec: str, shop: int, tool: str, arguments: Any, *more: str, **environ: str) -> subprocess.CompletedProcess[str]:
    environ = {"SHOP_API_KEY": KEY, "BMM_EGRESS_EXCEPTIONS": json.dumps({f"shop.test:{shop}": "127.0.0.1"})} | environ
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return bmm("call", "--spec", spec, tool, text, *more, stdin=b"", **environ)


def test_a_file_a_pipe_and_a_url_give_the_same_tools(shop: int, spec: str) -> None:
    from_file = bmm("compile", "openapi", str(SHOP))
    from_pipe = bmm("compile", "openapi", "-", stdin=SHOP.read_bytes())
    from_json = bmm("compile", "openapi", f"http://127.0.0.1:{shop}/openapi.json")
    assert (from_file.returncode, from_file.stderr) == (0, "13 tools, 0 findings\nnext: bmm secret set SLUG SHOP_API_KEY\n")
    assert from_file.stdout == from_pipe.stdout
    assert json.loads(from_json.stdout) == json.loads(Path(spec).read_text())


def test_server_and_name_replace_those_of_the_document() -> None:
    done = bmm("compile", "openapi", str(SHOP), "--server", "https://real.test/api", "--name", "Mine")
    made = json.loads(done.stdout)
    assert (made["name"], made["hosts"][0]["name"], made["tools"][0]["server"]) == ("Mine", "real.test", "https://real.test/api")
    assert made["secrets"][0]["key"] == "MINE_API_KEY"


@pytest.mark.parametrize(
    ("stdin", "words"),
    [
        (b"", "is empty"),
        (b"a: [1,\nb: }", "not valid YAML"),
        (b'{"openapi": "3.0.0",\n "paths": ]}', "(line 2)"),
        (b"\x7fELF\x00\x01", "not a text document"),
        (b"openapi: 3.0.0\npaths: {}\n", "no operations (at /paths)"),
        (b"swagger: '1.2'\n", "'1.2' is not supported"),
        (b"openapi: 3.0.0\npaths: {/a: {get: {}}}\n", "pass --server URL (at /servers/0)"),
    ],
)
def test_an_unusable_document_is_one_line_and_exit_2(stdin: bytes, words: str) -> None:
    done = bmm("compile", "openapi", "-", stdin=stdin)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_several_documents_become_one_spec(tmp_path: Path) -> None:
    other = {"swagger": "2.0", "info": {"title": "Old"}, "host": "old.test", "paths": {"/s": {"get": {"operationId": "getStatus"}}}}
    path = tmp_path / "old.json"
    path.write_text(json.dumps(other))
    done = bmm("compile", "openapi", str(SHOP), str(path), "--name", "Both")
    made = json.loads(done.stdout)
    assert (done.returncode, made["name"], len(made["tools"])) == (0, "Both", 14)
    assert {"shop_getStatus", "old_getStatus"} <= {tool["name"] for tool in made["tools"]}
    assert [host["name"] for host in made["hosts"]] == ["shop.test", "old.test"]
    fewer = json.loads(bmm("compile", "openapi", str(SHOP), str(path), "--max-tools", "6").stdout)
    assert [host["name"] for host in fewer["hosts"]] == ["shop.test", "old.test"]
    assert len(fewer["tools"]) == 6


def test_a_choice_of_operations_and_a_pin() -> None:
    done = bmm("compile", "openapi", str(SHOP), "--operation", "list*", "--method", "GET", "--pin", "limit=5")
    made = json.loads(done.stdout)
    assert [tool["name"] for tool in made["tools"]] == ["listProducts", "listOrders"]
    assert all("limit" not in tool["input_schema"]["properties"] for tool in made["tools"])
    assert {"name": "limit", "place": "query", "value": 5} in made["tools"][0]["parameters"]
    assert [tool.get("answer", {}).get("pick") for tool in made["tools"]] == [None, None]
    picked = json.loads(bmm("compile", "openapi", str(SHOP), "--pick", "listOrders=items/*/id,/total", "--pick", "getOrder=status").stdout)
    picks = {tool["name"]: tool["answer"]["pick"] for tool in picked["tools"] if "pick" in tool.get("answer", {})}
    assert picks == {"listOrders": ["/items/*/id", "/total"], "getOrder": ["/status"]}
    for words in (("--operation", "list*", str(SHOP)), (str(SHOP), "--operation", "list*"), ("--operation", "list*", "--", str(SHOP))):
        assert len(json.loads(bmm("compile", "openapi", *words).stdout)["tools"]) == 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--max-tools", "0"), "--max-tools must be from 1 to 1,000"),
        (("--max-tools", "1001"), "--max-tools must be"),
        (("--pin", "x"), "--pin x must be NAME=VALUE"),
        (("--pin", "nope=1"), "no operation has a parameter"),
        (("--pick", "listOrders"), "--pick listOrders must be NAME=VALUE"),
        (("--pick", "listOrders=id,"), "--pick listOrders=id, must name fields"),
        (("--pick", "nope=id"), "--pick nope: no operation that becomes a tool has this id or tool name"),
        (("--pick", "getOrder=id", "--operation", "list*"), "--pick getOrder: no operation that becomes a tool"),
        (("--server-var", "nope=1"), "no server that is used has this variable"),
        (("--max-size", "lots"), "--max-size lots must be"),
        (("--max-size", "1K"), "larger than 1,024 bytes, the limit for documents"),
        (("--tag", "nope"), "No operation passes the filters"),
    ],
)
def test_an_option_that_cannot_be_is_exit_2(words: tuple[str, ...], sentence: str) -> None:
    done = bmm("compile", "openapi", str(SHOP), *words)
    assert (done.returncode, done.stdout, sentence in done.stderr) == (2, "", True)


def test_a_private_address_needs_the_flag() -> None:
    done = bmm("compile", "openapi", "http://10.255.255.1:1/openapi.json")
    assert (done.returncode, "pass --allow-private" in done.stderr) == (2, True)


def test_findings_are_lines_on_standard_error_or_json() -> None:
    document = {
        "openapi": "3.1.0",
        "servers": [{"url": "https://a.test"}],
        "paths": {"/a": {"get": {}, "post": {"security": [{"x\n": []}]}}},
        "components": {"securitySchemes": {"x\n": {"type": "http", "scheme": "hawk"}}},
    }
    done = bmm("compile", "openapi", "-", stdin=json.dumps(document).encode())
    assert done.returncode == 0
    assert [line.partition(" ")[0] for line in done.stderr.splitlines()] == ["error:", "1"]
    as_json = bmm("compile", "openapi", "-", "--json", stdin=json.dumps(document).encode())
    assert [json.loads(line)["pointer"] for line in as_json.stderr.splitlines()] == ["/paths/~1a/post/security/0/x\n"]


@pytest.mark.parametrize("document", ["/nonexistent/file.yaml", "ftp://a.test/x", "http://127.0.0.1:1/x", "http://[bad/x", "/"])
def test_a_document_that_cannot_be_had_is_exit_2(document: str) -> None:
    done = bmm("compile", "openapi", document)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "Traceback" not in done.stderr


def test_redirects_are_followed_three_times_and_told() -> None:
    class Redirecting(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            left = int(self.path.rpartition("/")[2])
            body = SHOP.read_bytes()
            self.send_response(302 if left else 200)
            if left:
                self.send_header("Location", str(left - 1))
            self.send_header("Content-Length", str(0 if left else len(body)))
            self.end_headers()
            self.wfile.write(b"" if left else body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Redirecting)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        base = f"http://127.0.0.1:{server.server_address[1]}/d"
        done = bmm("compile", "openapi", f"{base}/3")
        assert (done.returncode, done.stderr.count("redirects"), f"fetched {base}/0" in done.stderr) == (0, 3, True)
        done = bmm("compile", "openapi", f"{base}/4")
        assert (done.returncode, "More than 3 redirects" in done.stderr) == (2, True)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_dry_run_shows_the_request_and_sends_nothing(spec: str, shop: int) -> None:
    arguments = {"items": [{"product_id": "p-100", "quantity": 2}], "note": "für dich", "Idempotency-Key": "i-1"}
    done = call(spec, shop, "createOrder", arguments, "--dry-run", SHOP_API_KEY="")
    assert done.returncode == 0
    assert json.loads(done.stdout) == {
        "method": "POST",
        "url": f"http://shop.test:{shop}/v1/orders",
        "headers": {
            "Accept": "application/json, text/*;q=0.9, */*;q=0.5",
            "User-Agent": "BuildMyMCPServer/0.1",
            "Content-Type": "application/json",
            "Idempotency-Key": "i-1",
            "X-Api-Key": "<SHOP_API_KEY>",
        },
        "body": '{"items":[{"product_id":"p-100","quantity":2}],"note":"für dich"}',
    }
    assert json.loads(call(spec, shop, "getOrder", {"orderId": "a/../b"}, "--dry-run").stdout) == {
        "method": "GET",
        "url": f"http://shop.test:{shop}/v1/orders/a%2F..%2Fb",
        "headers": {"Accept": "application/json, text/*;q=0.9, */*;q=0.5", "User-Agent": "BuildMyMCPServer/0.1", "X-Api-Key": KEY},
        "body": None,
    }
    first = bmm("call", "--spec", spec, "getOrder", "--dry-run", '{"orderId": "7"}')
    assert json.loads(first.stdout)["url"].endswith("/orders/7")


def test_missing_secrets_are_readable_wherever_they_are_sent(tmp_path: Path) -> None:
    schemes = {
        "basic": {"type": "http", "scheme": "basic"},
        "inQuery": {"type": "apiKey", "in": "query", "name": "k"},
        "inCookie": {"type": "apiKey", "in": "cookie", "name": "c"},
    }
    document = {"openapi": "3.1.0", "info": {"title": "A"}, "servers": [{"url": "https://a.test"}], "paths": {"/x": {"get": {}}}}
    document |= {"components": {"securitySchemes": schemes}, "security": [{name: [] for name in schemes}]}
    path = tmp_path / "spec.json"
    path.write_text(bmm("compile", "openapi", "-", stdin=json.dumps(document).encode()).stdout)
    shown = json.loads(bmm("call", "--spec", str(path), "get_x", "--dry-run", A_BASIC_USERNAME="me").stdout)
    assert shown["url"] == "https://a.test/x?k=<A_IN_QUERY>"
    assert shown["headers"]["Authorization"] == "Basic me:<A_BASIC_PASSWORD>"
    assert shown["headers"]["Cookie"] == "c=<A_IN_COOKIE>"
    refused = bmm("call", "--spec", str(path), "get_x")
    assert refused.returncode == 2
    assert "needs A_BASIC_USERNAME and A_BASIC_PASSWORD and A_IN_QUERY and A_IN_COOKIE" in refused.stderr


def test_reads_and_writes_reach_the_shop(spec: str, shop: int) -> None:
    placed = call(spec, shop, "createOrder", {"items": [{"product_id": "p-101", "quantity": 1}]}, "--json")
    assert placed.returncode == 0
    answered = json.loads(placed.stdout)
    order = json.loads(answered["body"])
    assert (answered["status"], answered["reason"], order["total"]) == (201, "Created", 590)
    assert json.loads(json.loads(call(spec, shop, "getOrder", {"orderId": order["id"]}, "--json").stdout)["body"]) == order
    listed = call(spec, shop, "listProducts", {"category": ["tea", "cups"], "max_price": 1000, "query": "cup"})
    assert listed.stdout.startswith("200 OK\n")
    assert '"Blue cup"' in listed.stdout
    assert call(spec, shop, "cancelOrder", {"orderId": order["id"]}).stdout.startswith("204 No Content\n")
    assert call(spec, shop, "cancelOrder", {"orderId": order["id"]}).returncode == 1


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        ("oddRedirect", "redirects (302) to elsewhere.test"),
        ("oddFail", "answered with 500 Internal Server Error"),
        ("oddHtml", "a web page instead of data (200)"),
        ("oddHuge", "larger than 10 MiB"),
    ],
)
def test_an_odd_upstream_is_a_sentence_and_exit_1(spec: str, shop: int, tool: str, words: str) -> None:
    done = call(spec, shop, tool, {})
    assert (done.returncode, len(done.stderr.splitlines()) in (1, 2)) == (1, True)
    assert done.stderr.startswith("error: ")
    assert words in done.stderr


def test_a_slow_upstream_ends_at_the_tool_s_own_limit(spec: str, shop: int, tmp_path: Path) -> None:
    made = json.loads(Path(spec).read_text())
    slow = next(tool for tool in made["tools"] if tool["name"] == "oddSlow")
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(made | {"tools": [slow | {"timeout": 0.5}]}))
    done = call(str(path), shop, "oddSlow", {})
    assert (done.returncode, "did not answer within 0.5 seconds" in done.stderr) == (1, True)


def test_an_upstream_that_is_down_or_rejects_the_key(spec: str, shop: int) -> None:
    down = call(spec, shop, "getStatus", {}, BMM_EGRESS_EXCEPTIONS=json.dumps({f"shop.test:{shop}": "127.0.0.2"}))
    assert (down.returncode, f"shop.test:{shop} cannot be reached" in down.stderr) == (1, True)
    denied = call(spec, shop, "listOrders", {}, SHOP_API_KEY="wrong-key-1")
    assert (denied.returncode, "must check its secret" in denied.stderr, "wrong-key-1" in denied.stderr) == (1, True, False)


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("getProdukt", {}, "Near it: getProduct"),
        ("xyz", {}, "It has getStatus"),
        ("getProduct", {}, "`productId` is missing"),
        ("getProduct", {"productId": 1}, "`productId`"),
        ("getProduct", {"productId": "p-1", "more": 1}, "`more`: there is no such argument"),
        ("getProduct", "{", "not JSON"),
        ("getProduct", "[]", "must be a JSON object"),
        ("getOrder", {"orderId": ".."}, "must not make the path segment"),
        ("createOrder", {"items": [{"product_id": "p-1", "quantity": 0}]}, "items[0].quantity"),
    ],
)
def test_arguments_that_do_not_fit_are_exit_2(spec: str, shop: int, tool: str, arguments: Any, words: str) -> None:
    done = call(spec, shop, tool, arguments, "--dry-run")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert done.stderr.startswith("error: ")
    assert words in done.stderr


@pytest.mark.parametrize(
    ("content", "words"), [(None, "cannot be read"), ("{", "not a JSON document: line 1, column 2"), ('{"name": "x"}', "not a usable spec")]
)
def test_a_spec_that_is_none_is_exit_2(tmp_path: Path, content: str | None, words: str) -> None:
    path = tmp_path / "spec.json"
    if content is not None:
        path.write_text(content)
    done = bmm("call", "--spec", str(path), "x")
    assert (done.returncode, words in done.stderr) == (2, True)


def test_a_folder_named_runner_in_the_way_is_not_run(tmp_path: Path, spec: str) -> None:
    (tmp_path / "runner").mkdir()
    (tmp_path / "runner/__init__.py").write_text("raise SystemExit('hijacked')")
    script = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from bmm.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-P", "-c", script, "call", "--spec", spec, "getStatus", "--dry-run"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120, check=False)
    assert (done.returncode, b"hijacked" in done.stderr) == (0, False)


def test_a_call_without_its_secret_names_the_variable_to_set(spec: str, shop: int) -> None:
    done = bmm("call", "--spec", spec, "listOrders")
    assert (done.returncode, done.stderr) == (
        2, "error: listOrders needs SHOP_API_KEY; set the environment variable of this name, or look at the request with --dry-run\n"
    )  # fmt: skip


def test_what_the_api_refuses_is_json_for_a_program(spec: str, shop: int) -> None:
    done = call(spec, shop, "getProduct", {"productId": "p-0"}, "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["status"] == 404
    assert "there is no product" in json.loads(done.stderr)["error"]["message"]
