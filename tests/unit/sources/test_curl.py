"""curl commands → tools: what is sent is what curl would have sent, and no value of a credential survives."""

import json
import subprocess
import threading
from base64 import b64decode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest

from bmm.errors import BadInput
from bmm.sources.curl import compile_curl
from bmm.sources.finding import Compiled
from bmm.sources.openapi.options import Options
from runner.contract import BasicCredential, BearerCredential, HttpTool, KeyCredential, Parameter
from runner.tools.request import build_request
from tests.waiting import at_best, processor_seconds

BROWSER = r"""curl 'https://app.shop.test/api/v2/orders?page=2&status=open' \
  -H 'accept: application/json, text/plain, */*' -H 'accept-language: en-GB,en;q=0.9' \
  -H 'authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl' \
  -b '_ga=GA1.1.1; session_id=s3cr3t-cookie; theme=dark' \
  -H 'priority: u=1, i' -H 'referer: https://app.shop.test/' -H 'sec-ch-ua: "Chromium";v="130"' -H 'sec-fetch-mode: cors' \
  -H 'user-agent: Mozilla/5.0' -H 'x-tenant: acme' --compressed ;
curl 'https://app.shop.test/api/v2/orders/7f9c2ba4-e88f-4dc1-9e44-ab0a1b2c3d4e/notes' \
  -X POST -H 'content-type: application/json' -b 'session_id=s3cr3t-cookie' \
  --data-raw $'{"text":"it\'s caf\u00e9","pinned":false,"tags":["a"]}'"""


def made(*commands: str, **options: Any) -> Compiled:
    return compile_curl(list(commands), options=Options(**options))


def tool_of(command: str, **options: Any) -> HttpTool:
    (tool,) = made(command, **options).spec.tools
    assert isinstance(tool, HttpTool)
    return tool


def examples(tool: HttpTool) -> dict[str, Any]:
    """The arguments that were seen."""
    properties = tool.input_schema["properties"]
    return {name: each["examples"][0] for name, each in properties.items() if isinstance(each, dict) and each.get("examples")}


@pytest.fixture(scope="module")
def echo() -> Iterator[str]:
    """A server that keeps what it was sent; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer = json.dumps({"method": self.command, "path": self.path, "headers": list(self.headers.items()), "body": body.decode("latin-1")})
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else answer.encode())

        do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

        def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "command",
    [
        "curl http://HOST/v1/users/42",
        "curl 'http://HOST/search?q=a%20b+c&tag=x&tag=y&empty='",
        "curl -G http://HOST/search -d q=shoes --data-urlencode 'where=a & b=c' --data-urlencode 'size=10'",
        "curl http://HOST/users -d name=Ann -d 'about=%C3%BC+1'",
        "curl http://HOST/users --data-urlencode 'about=a b&c' -d age=7",
        "curl --json '{\"a\": 1, \"b\": [true, null], \"c\": {\"d\": 1.5}}' http://HOST/things",
        "curl -XPUT http://HOST/things/9 -H 'Content-Type: application/json' --data-binary '{\"name\":\"x\"}'",
        "curl -X DELETE http://HOST/things/550e8400-e29b-41d4-a716-446655440000",
        "curl http://HOST/things/1 -X PATCH -H 'Content-Type: application/merge-patch+json' -d '{\"a\":\"b\"}' -sS -L --compressed -k -m 3",
        "curl -sXPOST http://HOST/text -H 'Content-Type: text/plain' --data-raw 'hello @ you'",
        "curl http://HOST/data -H 'X-Tenant: acme' -H 'Notion-Version: 2022-06-28'",
        "curl -u ann:s3cr3t-word http://HOST/private",
        "curl http://ann:s3cr3t-word@HOST/private",
        "curl http://HOST/private -H 'Authorization: Bearer s3cr3t-word' -H 'X-API-Key: s3cr3t-key'",
        "curl 'http://HOST/private?api_key=s3cr3t-key&q=x'",
        "curl http://HOST/private -b 'session=s3cr3t-cookie'",
        "curl --oauth2-bearer s3cr3t-word http://HOST/private --url-query 'a=b c'",
        "curl -I http://HOST/head",
        "curl http://HOST/orders/42/pay -d ''",
        "curl http://HOST/orders/42/pay -X PUT -H 'Content-Type: application/json' --data-raw ''",
        "curl -G http://HOST/orders -d ''",
    ],
)
def test_what_is_sent_is_what_curl_sends(echo: str, command: str) -> None:
    command = command.replace("HOST", echo)
    found = compile_curl(command, options=Options(server="http://named.test"))
    (tool,) = found.spec.tools
    assert isinstance(tool, HttpTool)
    assert "s3cr3t" not in msgspec.json.encode(found.spec).decode() + " ".join(map(str, found.findings)) + repr(found)
    request = build_request(tool, examples(tool), found.seen)
    done = subprocess.run(["bash", "-c", command.replace("curl", "curl --globoff", 1)], capture_output=True, check=True, timeout=60)
    if request.method == "HEAD":
        assert b"200 OK" in done.stdout
        return
    real = json.loads(done.stdout)
    headers = {name.lower(): value for name, value in real["headers"]}
    ours = {name.lower(): value for name, value in request.headers}
    assert request.method == real["method"]
    assert _pairs(request.url.removeprefix("http://named.test")) == _pairs(real["path"].replace("&empty=", ""))
    for name in set(headers) - {"host", "user-agent", "accept", "content-length", "accept-encoding", "content-type"}:
        assert ours[name] == headers[name], name
    sent = request.body.decode() if request.body else ""
    if "json" in ours.get("content-type", ""):
        assert json.loads(sent) == json.loads(real["body"])
        assert ours["content-type"].startswith(headers["content-type"])
    else:
        assert _pairs("?" + sent) == _pairs("?" + real["body"])


def _pairs(path: str) -> tuple[str, list[tuple[str, str]]]:
    from urllib.parse import parse_qsl

    before, _, query = path.partition("?")
    return before, sorted(parse_qsl(query))


def test_what_a_browser_copies_becomes_tools_without_its_noise() -> None:
    found = made(BROWSER)
    listed, note = found.spec.tools
    assert isinstance(listed, HttpTool)
    assert isinstance(note, HttpTool)
    assert (listed.name, note.name) == ("list_orders", "create_note")
    assert listed.parameters[-1] == Parameter(name="x-tenant", place="header", value="acme")
    assert [each.name for each in listed.parameters] == ["page", "status", "x-tenant"]
    session = KeyCredential(place="cookie", name="session_id", secret="SHOP_SESSION_ID")
    assert listed.auth == ((BearerCredential(secret="SHOP_TOKEN"), session),)
    assert note.auth == ((session,),)
    assert note.input_schema["required"] == ["order_id"]
    assert note.input_schema["properties"] == {
        "order_id": {"type": "string", "format": "uuid", "examples": ["7f9c2ba4-e88f-4dc1-9e44-ab0a1b2c3d4e"]},
        "text": {"type": "string", "examples": ["it's café"]},
        "pinned": {"type": "boolean", "examples": [False]},
        "tags": {"type": "array", "items": {"type": "string"}, "examples": [["a"]]},
    }
    assert dict(found.seen) == {
        "SHOP_TOKEN": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl", "SHOP_SESSION_ID": "s3cr3t-cookie",
    }  # fmt: skip
    for secret in found.seen.values():
        assert secret not in msgspec.json.encode(found.spec).decode() + " ".join(map(str, found.findings)) + repr(found)
    with pytest.raises(TypeError):
        msgspec.json.encode(found)


def test_the_method_says_what_a_tool_may_do() -> None:
    found = made(*(f"curl -X {method} https://x.test/things/1" for method in ("GET", "POST", "PUT", "PATCH", "DELETE")))
    marks = {tool.name: (tool.annotations.read_only, tool.annotations.destructive, tool.scopes) for tool in found.spec.tools}
    assert marks == {
        "get_thing": (True, False, ("read",)), "post_thing": (False, False, ("write",)), "replace_thing": (False, True, ("write",)),
        "update_thing": (False, True, ("write",)), "delete_thing": (False, True, ("write",)),
    }  # fmt: skip


def test_commands_for_one_endpoint_become_one_tool() -> None:
    (tool,) = made("curl 'https://x.test/users/1?expand=a&q=u'", "curl 'https://x.test/users/2?q=v'", "curl 'https://x.test/users/3?q=v'").spec.tools
    assert tool.name == "get_user"
    assert tool.input_schema["properties"]["user_id"] == {"type": "integer", "examples": [1, 2, 3]}
    assert tool.input_schema["required"] == ["user_id", "q"]
    assert "expand" in tool.input_schema["properties"]


@pytest.mark.parametrize(
    ("path", "name", "arguments"),
    [
        ("/v1/users", "list_users", []), ("/api/v2/users/42", "get_user", ["user_id"]), ("/2/tweets/1", "get_tweet", ["tweet_id"]),
        ("/companies/cus_Nff9A1bc/addresses", "list_addresses", ["company_id"]), ("/status", "get_status", []), ("/search", "search", []),
        ("/users/ann@x.test", "get_user", ["user_email"]), ("/days/2024-01-31", "get_day", ["date"]), ("/", "get_root", []),
        ("/repos/{owner}/{repo}/issues", "list_issues", ["owner", "repo"]), ("/u/<user id>/x", "get_x", ["user_id"]),
        ("/files/[1-9]", "get_file", ["file_id"]), ("/a/:id/b/:id", "get_b", ["id", "id_2"]), ("/507f1f77bcf86cd799439011", "get_root", ["id"]),
        ("/repos/OWNER/REPO/issues", "list_issues", ["owner", "repo"]), ("/rest/api/2/issue/AB-1", "get_issue", ["issue_id"]),
        ("/quote/AAPL", "get_quote", ["quote_id"]), ("/2010-04-01/Accounts/AC0123456789abcdef0123/Messages.json", "list_messages", ["account_id"]),
        ("/orders/42.json", "get_order", ["order_id"]), ("/api/chat.postMessage", "chat_post_message", []), ("/a/report-$ID.csv", "get_a", ["id"]),
    ],
)  # fmt: skip
def test_what_varies_in_a_path_becomes_an_argument(path: str, name: str, arguments: list[str]) -> None:
    tool = tool_of(f"curl 'https://x.test{path}'")
    assert (tool.name, list(tool.input_schema["properties"])) == (name, arguments)


def test_shell_variables_are_arguments_and_secrets_of_their_names() -> None:
    found = made('curl "https://x.test/users/$USER_ID/notes" -H "Authorization: Bearer $SHOP_KEY" --json "{\\"text\\": \\"${TEXT}\\", \\"n\\": $N}"')
    (tool,) = found.spec.tools
    assert [each.key for each in found.spec.secrets] == ["SHOP_KEY"]
    assert dict(found.seen) == {}
    assert set(tool.input_schema["required"]) == {"user_id", "text", "n"}
    assert "\ue000" not in msgspec.json.encode(found.spec).decode()


@pytest.mark.parametrize("placeholder", ["YOUR_API_KEY", "<token>", "{token}", "xxxx", "$TOKEN", "${TOKEN}", "…", "your-key-here"])
def test_a_placeholder_is_no_value(placeholder: str) -> None:
    found = made(f"curl https://x.test/a -H 'Authorization: Bearer {placeholder}'")
    assert dict(found.seen) == {}
    assert len(found.spec.secrets) == 1


def test_a_file_in_a_form_is_an_argument() -> None:
    tool = tool_of("curl https://x.test/docs -F file=@report.pdf -F 'title=Q1' -F 'kind=pdf;type=text/plain'")
    assert tool.body is not None
    assert (tool.body.media_type, tool.body.parts["file"].file) == ("multipart/form-data", True)
    request = build_request(tool, {"file": "aGVsbG8=", "title": "Q2"}, {})
    assert request.body is not None
    assert b'name="title"' in request.body
    assert b"hello" in request.body


def test_a_body_in_a_file_is_an_argument_and_the_file_is_not_read() -> None:
    found = made("curl https://x.test/docs --json @/etc/passwd")
    assert "root:" not in msgspec.json.encode(found.spec).decode()
    assert list(found.spec.tools[0].input_schema["properties"]) == ["body"]
    assert any("/etc/passwd is not read" in each.message for each in found.findings)


def test_basic_sign_in_becomes_two_secrets_and_a_key_without_password_one() -> None:
    found = made("curl -u 'ann:s3cr3t-word' https://api.shop.test/v1/charges")
    assert _auth(found) == ((BasicCredential(username="SHOP_USERNAME", password="SHOP_PASSWORD"),),)
    assert dict(found.seen) == {"SHOP_USERNAME": "ann", "SHOP_PASSWORD": "s3cr3t-word"}
    found = made("curl -u 'sk_test_abcdefghij:' https://api.stripe.test/v1/charges")
    assert _auth(found) == ((KeyCredential(place="header", name="Authorization", secret="STRIPE_AUTHORIZATION"),),)
    header = found.seen["STRIPE_AUTHORIZATION"]
    assert b64decode(header.removeprefix("Basic ")) == b"sk_test_abcdefghij:"
    assert _auth(made(f"curl -H 'Authorization: {header}' https://api.stripe.test/v1/charges")) == _auth(found)


def _auth(found: Compiled) -> object:
    (tool,) = found.spec.tools
    assert isinstance(tool, HttpTool)
    return tool.auth


def test_graphql_becomes_a_tool_for_each_operation() -> None:
    query = "query Orders($first: Int!) { orders(first: $first) { id } }"
    found = made(
        f"curl https://x.test/graphql --json '{json.dumps({'query': query, 'operationName': 'Orders', 'variables': {'first': 3}})}'",
        f"curl https://x.test/graphql --json '{json.dumps({'query': 'mutation Drop { dropOrder(id: 1) { id } }'})}'",
        f"curl https://x.test/graphql --json '{json.dumps({'query': '{ me { name } }'})}'",
    )
    tools = {tool.name: tool for tool in found.spec.tools if isinstance(tool, HttpTool)}
    assert {name: tool.annotations.read_only for name, tool in tools.items()} == {"orders": True, "drop": False, "me": True}
    request = build_request(tools["orders"], {"variables": {"first": 5}}, {})
    assert json.loads(request.body or b"") == {"query": query, "operationName": "Orders", "variables": {"first": 5}}
    assert request.url == "https://x.test/graphql"
    assert json.loads(build_request(tools["me"], {}, {}).body or b"") == {"query": "{ me { name } }"}


def test_pins_and_choices_work_as_for_documents() -> None:
    tool = tool_of("curl 'https://x.test/a?q=1&account=7' ", pins={"account": "9"})
    assert list(tool.input_schema["properties"]) == ["q"]
    assert build_request(tool, {}, {}).url == "https://x.test/a?account=9"
    with pytest.raises(BadInput, match="--pin nothing"):
        made("curl https://x.test/a", pins={"nothing": "1"})
    assert tool_of("curl https://x.test/orders/42", picks={"get_order": ("/id",)}).answer.pick == ("/id",)
    with pytest.raises(BadInput, match="--pick nothing: no request becomes a tool"):
        made("curl https://x.test/a", picks={"nothing": ("/id",)})
    assert [each.name for each in made("curl https://x.test/a", "curl -X DELETE https://x.test/a", methods=("get",)).spec.tools] == ["get_a"]


def test_what_says_how_to_answer_stays_as_it_is() -> None:
    tool = tool_of("curl 'https://x.test/w/api.php?action=query&format=json&api-version=2024-01-01&v=x'")
    assert list(tool.input_schema["properties"]) == ["action", "v"]
    assert build_request(tool, {"action": "query"}, {}).url == "https://x.test/w/api.php?format=json&api-version=2024-01-01&action=query"


def test_several_hosts_plain_http_and_ports() -> None:
    found = made("curl http://a.test:8080/x", "curl https://b.test/x https://b.test:8443/y", "curl a.test/z")
    assert [(each.name, each.port, each.plain) for each in found.spec.hosts] == [
        ("a.test", 8080, True), ("b.test", 443, False), ("b.test", 8443, False), ("a.test", 80, True),
    ]  # fmt: skip
    assert len({tool.name for tool in found.spec.tools}) == 4


def test_the_credential_of_one_host_never_goes_to_another() -> None:
    commands = [f"curl https://{host}/things -H 'Authorization: Bearer {value}'" for host, value in (("a.test", "s3cr3t-a"), ("b.example", "s3cr3t-b"))]
    for options in ({}, {"name": "Both"}):
        found = made(*commands, **options)
        keys = [tool.auth[0][0].secret for tool in found.spec.tools if isinstance(tool, HttpTool) and isinstance(tool.auth[0][0], BearerCredential)]
        assert [found.seen[key] for key in keys] == ["s3cr3t-a", "s3cr3t-b"]


@pytest.mark.parametrize("address", ["http://[::1]:8080/x", "http://127.0.0.1/x", "http://10.0.0.5:81/x"])
def test_an_address_needs_a_name(address: str) -> None:
    with pytest.raises(BadInput, match="an address cannot be an allowed host"):
        made(f"curl '{address}'")
    assert made(f"curl '{address}'", server="http://box.test").spec.hosts[0].name == "box.test"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Invoke-WebRequest -UseBasicParsing -Uri \"https://x.test\"", "PowerShell"), ("fetch('https://x.test')", "JavaScript"),
        ("curl 'https://x.test", "never closed"), ("curl", "names no URL"), ("curl -H", "needs a value"), ("wget https://x.test", "no curl command"),
        ("curl --frobnicate https://x.test", "--frobnicate is not known"), ("curl --negotiate -u : https://x.test", "Negotiate"),
        ("curl --ntlm -u a:b https://x.test", "NTLM"), ("curl -X BREW https://x.test", "BREW"), ("curl ftp://x.test/a", "no http or https"),
        ("curl https://$HOST/a", "is a variable"), ("curl --aws-sigv4 aws:amz https://x.test", "AWS"), ("", "no curl command"),
        ("curl https://api.telegram.test/bot123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/getMe", "credential in the path"),
        ("curl https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX -d x", "credential in the path"),
        ("curl 'https://[x/a'", "cannot be used"), ("curl https://x.test --data-u\ud83drl x", "not known"),
        ("curl -K secret.cfg https://x.test", "from a file"), ("curl http://x.test:99999/", "cannot be used"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_what_to_do(text: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        compile_curl(text)


def test_what_windows_copies_is_read() -> None:
    copied = (
        'curl ^"https://x.test/api/users?a=1^&b=50^%^25^" ^\r\n  -H ^"accept: */*^" ^\r\n  -H ^"x-api-key: abc-s3cr3t^" ^\r\n'
        '  --data-raw ^"^{^\\^"name^\\^":^\\^"A ^^ B^\\^"^}^" ^\r\n  -H ^"content-type: application/json^"'
    )
    found = compile_curl(copied)
    (tool,) = found.spec.tools
    assert isinstance(tool, HttpTool)
    request = build_request(tool, examples(tool), found.seen)
    assert (request.url, json.loads(request.body or b"")) == ("https://x.test/api/users?a=1&b=50%25", {"name": "A ^ B"})
    assert dict(found.seen) == {"X_API_KEY": "abc-s3cr3t"}


def test_a_caret_before_a_quote_is_only_windows_where_the_command_is() -> None:
    tool = tool_of("""curl https://x.test/search -d 'pattern=[^"]*'""")
    assert examples(tool) == {"pattern": '[^"]*'}


def test_a_remark_names_the_command_it_is_about() -> None:
    found = made("curl https://x.test/a https://x.test/b", "curl -L https://x.test/c")
    assert [each.message.partition(":")[0] for each in found.findings] == ["command 2"]


def test_a_sign_in_is_no_tool_and_its_password_is_nowhere() -> None:
    with pytest.raises(BadInput):
        made("curl https://x.test/oauth/token -d grant_type=client_credentials -d client_secret=s3cr3t-word")
    found = made("curl https://x.test/users --json '{\"name\": \"a\", \"profile\": {\"password\": \"s3cr3t-word\", \"x\": 1}}'")
    assert "s3cr3t" not in msgspec.json.encode(found.spec).decode() + " ".join(map(str, found.findings))
    assert any("profile.password is a credential" in each.message for each in found.findings)


def test_what_may_be_a_credential_in_a_body_is_an_argument_without_its_value() -> None:
    for found in (made("curl https://x.test/push -d 'token=s3cr3t-word&text=hi'"), made("curl https://x.test/push --json '{\"token\": \"s3cr3t-word\"}'")):
        assert found.spec.tools[0].input_schema["properties"]["token"] == {"type": "string"}
        assert "s3cr3t" not in msgspec.json.encode(found.spec).decode() + " ".join(map(str, found.findings))
        assert any("member token may be a credential" in each.message for each in found.findings)


def test_a_key_is_found_by_its_form_wherever_it_stands() -> None:
    key = "ghp_" + "a1B2" * 9
    found = made(f"curl 'https://x.test/a?q={key}' -H 'X-Odd: {key}' --json '{{\"note\": \"{key}\"}}'")
    assert key not in msgspec.json.encode(found.spec).decode() + " ".join(map(str, found.findings))
    with pytest.raises(BadInput, match="credential in the path"):
        made(f"curl https://x.test/a/{key}")


def test_limits_have_names() -> None:
    with pytest.raises(BadInput, match="limit for curl"):
        compile_curl("curl https://x.test/a\n" * 501)
    with pytest.raises(BadInput, match="limit for curl"):
        compile_curl("x" * 1024 * 1025)
    with pytest.raises(BadInput, match="limit for curl"):
        compile_curl("curl " + "https://x.test/a " * 501)
    for url in ("https://x.test/" + "1/" * 20_000, "https://x.test/" + "$A" * 10_000):
        with pytest.raises(BadInput, match="longer than"):
            compile_curl(f"curl {url}")


def test_many_parts_of_a_form_are_read_in_time() -> None:
    command = "curl https://x.test/a " + " ".join(f"-F a{number}={number}" for number in range(5000))
    at_best(lambda: processor_seconds(lambda: made(command)), within=5)  # else something grows with the square of the parts
