"""A recording → tools: only the API's own calls, recordings of one endpoint together, and nothing secret."""

import json
import time
from base64 import b64encode
from typing import Any

import msgspec
import pytest

from bmm.errors import BadInput
from bmm.sources.finding import Compiled
from bmm.sources.har import compile_har
from bmm.sources.openapi.options import Options
from runner.contract import HttpTool, KeyCredential, Paging
from runner.tools.request import build_request

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl"


def entry(method: str, url: str, answer: Any = None, *, status: int = 200, mime: str = "application/json", **more: Any) -> dict[str, Any]:
    headers = [{"name": name, "value": value} for name, value in more.pop("headers", {}).items()]
    request: dict[str, Any] = {"method": method, "url": url, "headers": headers, "cookies": more.pop("cookies", []), "queryString": []}
    if "body" in more:
        request["postData"] = {"mimeType": more.pop("kind", "application/json"), "text": more.pop("body")}
    content = {"mimeType": mime, "size": 1} | ({} if answer is None else {"text": answer if isinstance(answer, str) else json.dumps(answer)})
    return {"request": request, "response": {"status": status, "headers": more.pop("answered", []), "content": content}, **more}


def made(*entries: dict[str, Any], hosts: tuple[str, ...] = (), **options: Any) -> Compiled:
    data = json.dumps({"log": {"version": "1.2", "creator": {}, "entries": list(entries)}}).encode()
    return compile_har(data, options=Options(**options), hosts=hosts)


def order(number: int, **more: Any) -> dict[str, Any]:
    return {"id": number, "total": 9.5, "placed": "2024-01-31T10:00:00Z", "note": None, **more}


SHOP = (
    entry("GET", "https://shop.test/", "<html>", mime="text/html", _resourceType="document"),
    entry("GET", "https://shop.test/app.js", "x", mime="application/javascript", _resourceType="script"),
    entry("GET", "https://shop.test/manifest.json", {"a": 1}),
    entry("POST", "https://www.google-analytics.com/collect", {}, _resourceType="xhr", body="{}"),
    entry("OPTIONS", "https://api.shop.test/orders", _resourceType="preflight", status=204),
    entry("GET", "https://api.shop.test/orders?page=1&limit=20", {"items": [order(1)], "total": 40}, headers={"Authorization": f"Bearer {JWT}"},
          _resourceType="fetch", cookies=[{"name": "sid", "value": "s3cr3t-cookie"}, {"name": "_ga", "value": "x"}]),
    entry("GET", "https://api.shop.test/orders?page=2&limit=20&state=open", {"items": [order(2, note="late")], "total": 40},
          headers={"authorization": f"Bearer {JWT}", "sec-fetch-mode": "cors", ":authority": "api.shop.test"}, _resourceType="xhr"),
    entry("GET", "https://api.shop.test/orders/1", b64encode(json.dumps(order(1)).encode()).decode()),
    entry("GET", "https://api.shop.test/orders/2", order(2, note="late"), headers={"X-API-Key": "k-s3cr3t"}),
    entry("GET", "https://api.shop.test/orders/3", {"error": "gone"}, status=404),
    entry("POST", "https://api.shop.test/orders", order(3), status=201, body='{"sku": "a", "count": 1}'),
    entry("POST", "https://api.shop.test/orders", order(4), status=201, body='{"sku": "b", "count": 1, "gift": true}'),
    entry("DELETE", "https://api.shop.test/orders/2", status=204, mime="x-unknown"),
    entry("POST", "https://api.shop.test/login", {"token": JWT}, body='{"user": "ann", "password": "s3cr3t-word"}'),
    entry("GET", "https://api.shop.test/me?token=s3cr3t-word", {"name": "Ann", "email": "ann@x.test"}),
)  # fmt: skip
SHOP[7]["response"]["content"]["encoding"] = "base64"


def test_only_calls_of_the_api_become_tools_one_for_each_endpoint() -> None:
    found = made(*SHOP)
    assert [tool.name for tool in found.spec.tools] == ["list_orders", "create_order", "get_order", "delete_order", "get_me"]
    assert [(host.name, host.reason) for host in found.spec.hosts] == [("api.shop.test", "5 tools")]
    left_out = [each.message for each in found.findings if "left out:" in each.message]
    assert left_out == [
        "3 of 15 requests are left out: pages, scripts, styles and images",
        "1 of 15 requests are left out: they report to trackers or load a provider's own parts",
        "1 of 15 requests are left out: a browser's own questions (OPTIONS, HEAD)",
        "1 of 15 requests are left out: they failed, were cached or led elsewhere",
    ]  # fmt: skip


def test_recordings_of_one_endpoint_share_their_arguments_and_answers() -> None:
    listed, create, one, _, _ = (tool for tool in made(*SHOP).spec.tools if isinstance(tool, HttpTool))
    assert listed.input_schema == {
        "type": "object", "additionalProperties": False, "required": ["page"],
        "properties": {
            "page": {"type": "integer", "examples": [1, 2]}, "limit": {"type": "integer", "examples": [20]},
            "state": {"type": "string", "examples": ["open"]},
        },
    }  # fmt: skip
    assert listed.answer.paging == Paging(kind="page", argument="page", items="/items")
    assert listed.output_schema is not None
    item = listed.output_schema["properties"]["items"]["items"]["properties"]
    assert set(item) == {"id", "total", "placed", "note"}
    assert one.output_schema is not None
    assert set(one.output_schema["properties"]) == {"id", "total", "placed", "note"}
    assert create.input_schema["required"] == ["sku"]
    assert create.input_schema["properties"]["gift"] == {"type": "boolean", "examples": [True]}
    assert json.loads(build_request(create, {"sku": "c", "count": 2}, made(*SHOP).seen).body or b"") == {"sku": "c", "count": 2}


def test_no_credential_survives_in_spec_or_findings() -> None:
    found = made(*SHOP)
    written = msgspec.json.encode(found.spec).decode() + " ".join(map(str, found.findings)) + repr(found)
    for secret in (JWT, "s3cr3t", "ann@x.test"):
        assert secret not in written
    assert sorted(found.seen) == ["SHOP_API_KEY", "SHOP_SID", "SHOP_TOKEN", "SHOP_TOKEN_2"]
    assert any("signs in" in each.message for each in found.findings)
    me = found.spec.tools[-1]
    assert isinstance(me, HttpTool)
    assert me.auth == ((KeyCredential(place="query", name="token", secret="SHOP_TOKEN_2"),),)
    assert build_request(me, {}, found.seen).url == "https://api.shop.test/me?token=s3cr3t-word"


def test_hosts_can_be_chosen_and_several_are_told_apart() -> None:
    two = (entry("GET", "https://a.test/x", {}), entry("GET", "https://b.other.test/x", {}))
    assert [host.name for host in made(*two).spec.hosts] == ["a.test", "b.other.test"]
    for glob in ("*.other.test", "B.Other.test", "b.other.test:443"):
        assert [host.name for host in made(*two, hosts=(glob,)).spec.hosts] == ["b.other.test"]
    with pytest.raises(BadInput, match=r"at c\.test .* requests to a\.test, b\.other\.test"):
        made(*two, hosts=("c.test",))
    assert [tool.name for tool in made(*two).spec.tools] == ["a_get_x", "other_get_x"]


def test_names_of_things_become_an_argument_where_enough_were_seen() -> None:
    found = made(*(entry("GET", f"https://a.test/users/{name}/posts", []) for name in ("ann", "bob", "eve", "me")))
    assert [(tool.name, list(tool.input_schema["properties"])) for tool in found.spec.tools] == [("list_posts", ["user_id"]), ("list_me_posts", [])]
    found = made(*(entry("GET", f"https://a.test/users/{name}", {}) for name in ("active", "banned")))
    assert [tool.name for tool in found.spec.tools] == ["get_active", "get_banned"]


def test_maps_and_deep_or_huge_answers_stay_small() -> None:
    deep: Any = 1
    for _ in range(60):
        deep = {"a": deep}
    many = {str(number): {"n": number} for number in range(3000)}
    found = made(entry("GET", "https://a.test/x", {"deep": deep, "map": many}), entry("GET", "https://a.test/y", {f"p{n}": n for n in range(3000)}))
    for tool in found.spec.tools:
        assert len(msgspec.json.encode(tool)) < 25_000
    assert found.spec.tools[0].output_schema is not None


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no HAR file"), (b"[]", "no HAR file"), (b'{"log": {}}', "no HAR file"), (b'{"log": {"entries": []}}', "No call of an API"),
        (b"\xff\xfe", "no HAR file"), (b'{"log": {"entries": [1, {"request": 2}]}}', "No call of an API"), (b"[" * 100_000, "no HAR file"),
    ],
)  # fmt: skip
def test_what_is_no_recording_says_so(data: bytes, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        compile_har(data)


def test_limits_have_names() -> None:
    with pytest.raises(BadInput, match="--max-size"):
        compile_har(b" " * 100, options=Options(max_bytes=99))
    with pytest.raises(BadInput, match="limit for HAR files"):
        compile_har(json.dumps({"log": {"entries": [{}] * 20_001}}).encode())
    large = entry("GET", "https://a.test/x", {"x": "y" * 3_000_000})
    assert made(large).spec.tools[0].output_schema is None


def test_an_address_that_no_server_takes_is_left_out_alone() -> None:
    odd = ("https://a.test:99999/x", "https://a.test/" + "x/" * 101, "https://a.test/x?q=" + "y" * 20_000)
    found = made(entry("GET", "https://a.test/x", {}), *(entry("GET", url, {}) for url in odd))
    assert [tool.name for tool in found.spec.tools] == ["get_x"]
    assert "3 of 4 requests are left out" in str(found.findings[0])


def test_forms_and_files_of_a_recording_become_arguments() -> None:
    form = entry("POST", "https://a.test/form", {}, body="a=1&b=x+y", kind="application/x-www-form-urlencoded; charset=UTF-8")
    upload = entry("POST", "https://a.test/upload", {})
    upload["request"]["postData"] = {
        "mimeType": "multipart/form-data; boundary=x", "params": [{"name": "title", "value": "t"}, {"name": "doc", "fileName": "a.pdf", "value": "%PDF"}],
    }  # fmt: skip
    first, second = (tool for tool in made(form, upload).spec.tools if isinstance(tool, HttpTool))
    assert build_request(first, {"a": 2, "b": "x y"}, {}).body == b"a=2&b=x%20y"
    assert second.body is not None
    assert second.body.parts["doc"].file
    assert "%PDF" not in msgspec.json.encode(second).decode()
    text = '--x\r\nContent-Disposition: form-data; name="n"\r\n\r\n7\r\n--x\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n%PDF\r\n--x--\r\n'
    (third,) = made(entry("POST", "https://a.test/upload", {}, body=text, kind="multipart/form-data; boundary=x")).spec.tools
    assert third.input_schema["properties"]["n"] == {"type": "integer", "examples": [7]}
    assert "f" in third.input_schema["properties"]
    assert "%PDF" not in msgspec.json.encode(third).decode()


def test_what_a_program_does_not_know_may_be_null() -> None:
    request = {"method": "POST", "url": "https://a.test/orders", "headers": None, "cookies": None, "postData": {"mimeType": None, "text": "x", "params": None}}
    response = {"status": 200, "headers": None, "content": {"mimeType": "application/json", "text": "{}", "encoding": None}}
    bare = {"request": request, "response": response}
    form = entry("POST", "https://a.test/people", {})
    form["request"]["postData"] = {"mimeType": "application/x-www-form-urlencoded", "text": None, "params": [{"name": "a", "value": None}]}
    assert [list(tool.input_schema["properties"]) for tool in made(bare, form).spec.tools] == [["body"], ["a"]]


def test_a_long_recording_is_read_in_time() -> None:
    begun = time.thread_time()
    found = made(*(entry("GET", f"https://a.test/orders/{number}?page={number}", {"id": number}) for number in range(3000)))
    assert len(found.spec.tools) == 1
    assert len(made(*(entry("GET", f"https://a.test/r{number}x", {}) for number in range(4000)), max_tools=5).spec.tools) == 5
    made(entry("POST", "https://a.test/x", {}, body='Content-Disposition: form-data; name="a"\r\n' * 20_000, kind="multipart/form-data"))
    assert time.thread_time() - begun < 10, "something grows with the square of the requests"
