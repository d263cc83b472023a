"""The whole request value for each way a body can be written."""

import hashlib
from base64 import b64encode
from typing import Any

import pytest

from runner.contract import Body, HttpTool, Parameter, Part, XmlNode
from runner.tools.files import File, urls_in
from runner.tools.request import ACCEPT, USER_AGENT, ArgumentError, HttpRequest, build_request

ALWAYS = (("Accept", ACCEPT), ("User-Agent", USER_AGENT))
FORM = "application/x-www-form-urlencoded"


def a_tool(body: Body, **more: Any) -> HttpTool:
    return HttpTool(
        name="t", description="", input_schema={"type": "object"}, method="POST", server="https://h.test", path="/x", body=body, **more
    )


def request(media_type: str, content: bytes) -> HttpRequest:
    return HttpRequest(method="POST", url="https://h.test/x", headers=(*ALWAYS, ("Content-Type", media_type)), body=content)


@pytest.mark.parametrize(
    ("parts", "value", "content"),
    [
        ({}, {"v": "a b&c=d+e/é"}, b"v=a%20b%26c%3Dd%2Be%2F%C3%A9"),
        ({}, {"v": True, "n": 1.5, "z": None}, b"v=true&n=1.5"),
        ({}, {"v": ["a", "b c", None]}, b"v=a&v=b%20c"),
        ({}, {"v": {"a": [1]}}, b"v=%7B%22a%22%3A%5B1%5D%7D"),
        ({}, {"v": [{"a": 1}, {"a": 2}]}, b"v=%7B%22a%22%3A1%7D&v=%7B%22a%22%3A2%7D"),
        ({"v": Part(style="deepObject", explode=True)}, {"v": {"a": {"b": 1}, "c": ["x", "y"]}}, b"v%5Ba%5D%5Bb%5D=1&v%5Bc%5D%5B0%5D=x&v%5Bc%5D%5B1%5D=y"),
        ({"v": Part(style="deepObject", explode=True)}, {"v": ["x"]}, b"v%5B0%5D=x"),
        ({"v": Part(style="form", explode=True)}, {"v": {"a": 1, "b": "x y"}}, b"a=1&b=x%20y"),
        ({"v": Part(explode=False)}, {"v": ["a", "b,c"]}, b"v=a,b%2Cc"),
        ({"v": Part(style="spaceDelimited")}, {"v": ["a", "b"]}, b"v=a%20b"),
        ({"v": Part(style="tabDelimited")}, {"v": ["a", "b"]}, b"v=a%09b"),
        ({"v": Part(allow_reserved=True)}, {"v": "a/b?c&d"}, b"v=a/b?c%26d"),
        ({"v": Part(content_type="application/json")}, {"v": "text"}, b"v=%22text%22"),
        ({}, {"a[b]": 1, "$c": 2}, b"a%5Bb%5D=1&%24c=2"),
    ],
)  # fmt: skip
def test_a_form(parts: dict[str, Part], value: dict[str, Any], content: bytes) -> None:
    whole = a_tool(Body(media_type=FORM, argument="body", parts=parts))
    assert build_request(whole, {"body": value}, {}) == request(FORM, content)
    spread = a_tool(Body(media_type=FORM, fields={f"arg{number}": name for number, name in enumerate(value)}, parts=parts))
    arguments = {f"arg{number}": each for number, each in enumerate(value.values())}
    assert build_request(spread, arguments, {}) == request(FORM, content)


def multipart(*sections: tuple[str, bytes]) -> tuple[str, bytes]:
    """Head lines and content of each part -> Content-Type and body."""
    boundary = f"bmm-{hashlib.sha256(b''.join(content for _, content in sections)).hexdigest()[:32]}"
    body = b"".join(f"--{boundary}\r\n".encode() + head.encode() + b"\r\n\r\n" + content + b"\r\n" for head, content in sections)
    return f"multipart/form-data; boundary={boundary}", body + f"--{boundary}--\r\n".encode()


NAMED = 'Content-Disposition: form-data; name="{}"'


def test_a_multipart_body_of_texts_objects_and_files() -> None:
    parts = {
        "file": Part(file=True),
        "photos": Part(file=True, content_type="image/png, image/jpeg"),
        "meta": Part(content_type="application/json"),
        "tags": Part(style="form", explode=True),
        "deep": Part(style="deepObject", explode=True),
    }
    tool = a_tool(Body(media_type="multipart/form-data", argument="body", parts=parts))
    url = "https://h.test/pics/a%20b.jpg?x=1"
    value = {
        "title": 'a "b"', "count": 2, "nothing": None, "meta": [1], "point": {"x": 1}, "list": ["p", {"q": 1}], "tags": ["r", "s"], "deep": {"a b": ["%5B"]},
        "file": b64encode(b"\x00\xff").decode(), "photos": [url, "data:image/png;name=c%22.png;base64,UE5H"], 'odd"\n': "x",
    }  # fmt: skip
    files = {url: File(content=b"JPG", media_type=None)}
    expected = multipart(
        (NAMED.format("title"), b'a "b"'),
        (NAMED.format("count"), b"2"),
        (NAMED.format("meta") + "\r\nContent-Type: application/json", b"[1]"),
        (NAMED.format("point") + "\r\nContent-Type: application/json", b'{"x":1}'),
        (NAMED.format("list"), b"p"),
        (NAMED.format("list") + "\r\nContent-Type: application/json", b'{"q":1}'),
        (NAMED.format("tags"), b"r"),
        (NAMED.format("tags"), b"s"),
        (NAMED.format("deep[a b][0]"), b"%5B"),
        (NAMED.format("file") + '; filename="file"\r\nContent-Type: application/octet-stream', b"\x00\xff"),
        (NAMED.format("photos") + '; filename="a b.jpg"\r\nContent-Type: image/jpeg', b"JPG"),
        (NAMED.format("photos") + '; filename="c%22.png"\r\nContent-Type: image/png', b"PNG"),
        (NAMED.format("odd%22%0A"), b"x"),
    )
    assert build_request(tool, {"body": value}, {}, files) == request(*expected)
    assert urls_in(tool, {"body": value}) == [url]


@pytest.mark.parametrize(
    ("given", "content"),
    [
        ("aGk=", b"hi"),
        ("aGk", b"hi"),
        ("aG\nk=", b"hi"),
        ("_-8=", b"\xff\xef"),
        ("data:text/plain,h%20i", b"h i"),
        ("data:;base64,aGk=", b"hi"),
        ("", b""),
    ],
)
def test_bytes_as_base64_or_data_url(given: str, content: bytes) -> None:
    tool = a_tool(Body(media_type="application/octet-stream", argument="body", binary=True))
    assert build_request(tool, {"body": given}, {}) == request("application/octet-stream", content)


def test_bytes_from_a_url_are_those_that_were_fetched() -> None:
    tool = a_tool(Body(media_type="image/*", argument="body", binary=True))
    url = "https://h.test/a.png"
    assert urls_in(tool, {"body": url}) == [url]
    assert build_request(tool, {"body": url}, {}, {url: File(content=b"x")}) == request("image/png", b"x")
    assert urls_in(tool, {"body": "aGk="}) == []
    assert urls_in(tool, {}) == []


@pytest.mark.parametrize(
    ("value", "sentence"),
    [("not base64!", "give base64 text"), ("https://h.test/a.png", "was not fetched"), (5, "is a file"), ("data:x;base64,???", "base64")],
)
def test_what_is_no_file_is_refused_by_name(value: object, sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence) as refused:
        build_request(a_tool(Body(media_type="a/b", argument="body", binary=True)), {"body": value}, {})
    assert refused.value.argument == "body"
    fields = a_tool(Body(media_type="multipart/form-data", fields={"upload": "file"}, parts={"file": Part(file=True)}))
    with pytest.raises(ArgumentError) as refused:
        build_request(fields, {"upload": value}, {})
    assert refused.value.argument == "upload"


@pytest.mark.parametrize(
    ("media_type", "value", "content"),
    [
        ("text/plain", "a\nü", b"a\n\xc3\xbc"),
        ("text/csv; header=present", "a,b", b"a,b"),
        ("text/plain", 5, b"5"),
        ("application/x-ndjson", '{"a":1}\n', b'{"a":1}\n'),
        ("application/json;charset=utf-8", {"a": None}, b'{"a":null}'),
    ],
)
def test_text_and_json_with_parameters(media_type: str, value: object, content: bytes) -> None:
    tool = a_tool(Body(media_type=media_type, argument="body"))
    assert build_request(tool, {"body": value}, {}) == request(media_type, content)


XML = b'<?xml version="1.0" encoding="UTF-8"?>\n'


@pytest.mark.parametrize(
    ("node", "value", "content"),
    [
        (XmlNode(name="r"), {"a": 1, "b": None, "c": True}, b"<r><a>1</a><c>true</c></r>"),
        (XmlNode(name="r"), {}, b"<r/>"),
        (XmlNode(name="r"), {"a": "<&>\"'\r\n"}, b"<r><a>&lt;&amp;&gt;&quot;'&#13;&#10;</a></r>"),
        (XmlNode(name="r"), {"a": [1, 2], "b": {"c": {}}}, b"<r><a>1</a><a>2</a><b><c/></b></r>"),
        (XmlNode(name="r", children={"id": XmlNode(name="ID", attribute=True)}), {"id": 'x"y', "n": 1}, b'<r ID="x&quot;y"><n>1</n></r>'),
        (XmlNode(name="r", children={"a": XmlNode(name="as", wrapped=True, item=XmlNode(name="a"))}), {"a": [1, 2]}, b"<r><as><a>1</a><a>2</a></as></r>"),
        (XmlNode(name="r", children={"a": XmlNode(name="a", wrapped=True)}), {"a": ["x"]}, b"<r><a><a>x</a></a></r>"),
        (XmlNode(name="r", children={"a": XmlNode(name="a", wrapped=True)}), {"a": []}, b"<r><a/></r>"),
        (XmlNode(name="r", children={"a": XmlNode(name="a", item=XmlNode(name="i"))}), {"a": ["x", "y"]}, b"<r><i>x</i><i>y</i></r>"),
        (XmlNode(name="r", namespace="http://n/&", prefix="p"), {"a": 1}, b'<p:r xmlns:p="http://n/&amp;"><a>1</a></p:r>'),
        (XmlNode(name="r", namespace="http://n"), "t", b'<r xmlns="http://n">t</r>'),
        (XmlNode(name="pets", item=XmlNode(name="pet")), [{"n": 1}, {"n": 2}], b"<pets><pet><n>1</n></pet><pet><n>2</n></pet></pets>"),
    ],
)  # fmt: skip
def test_xml(node: XmlNode, value: object, content: bytes) -> None:
    tool = a_tool(Body(media_type="application/xml", argument="body", xml=node))
    assert build_request(tool, {"body": value}, {}) == request("application/xml", XML + content)


@pytest.mark.parametrize("value", [{"a b": 1}, {"<x/>": 1}, {"a": "\x00"}, {"a": float("nan")}])
def test_what_xml_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(ArgumentError, match="cannot be sent"):
        build_request(a_tool(Body(media_type="text/xml", argument="body", xml=XmlNode(name="r"))), {"body": value}, {})


def test_fixed_members_are_in_every_body_and_cannot_be_replaced() -> None:
    fields = a_tool(Body(media_type="application/json", fields={"n": "name"}, fixed={"account": "a1"}))
    assert build_request(fields, {"n": 1}, {}).body == b'{"name":1,"account":"a1"}'
    assert build_request(fields, {}, {}).body == b'{"account":"a1"}'
    whole = a_tool(Body(media_type="application/json", argument="body", fixed={"account": "a1"}))
    assert build_request(whole, {"body": {"account": "evil"}}, {}).body == b'{"account":"a1"}'


def test_a_fixed_accept_and_content_type() -> None:
    parameters = (
        Parameter(name="accept", place="header", value="application/vnd.x+json"),
        Parameter(name="Content-Type", place="header", value="application/xml"),
    )
    bare = a_tool(Body(media_type="application/json", argument="body"), parameters=parameters)
    assert dict(build_request(bare, {}, {}).headers) == {
        "accept": "application/vnd.x+json", "User-Agent": USER_AGENT, "Content-Type": "application/xml",
    }  # fmt: skip
    assert dict(build_request(bare, {"body": 1}, {}).headers)["Content-Type"] == "application/json"


def test_a_path_parameter_that_keeps_its_slashes_cannot_climb() -> None:
    tool = a_tool(Body(media_type="a/b", argument="b"), parameters=())
    tool = HttpTool(
        name="t", description="", input_schema={"type": "object"}, method="GET", server="https://h.test/v1", path="/{name}:run",
        parameters=(Parameter(name="name", place="path", argument="name", allow_reserved=True),),
    )  # fmt: skip
    assert build_request(tool, {"name": "projects/p 1/jobs/j?k#l%"}, {}).url == "https://h.test/v1/projects/p%201/jobs/j%3Fk%23l%25:run"
    for climbing in ("a/../b", "..", "a/./b"):
        with pytest.raises(ArgumentError, match="must not make the path segment"):
            build_request(HttpTool(**{**_fields(tool), "path": "/{name}"}), {"name": climbing}, {})


def _fields(tool: HttpTool) -> dict[str, Any]:
    return {name: getattr(tool, name) for name in tool.__struct_fields__}


def test_multipart_takes_nothing_but_parts() -> None:
    with pytest.raises(ArgumentError, match="must be an object"):
        build_request(a_tool(Body(media_type="multipart/form-data", argument="body")), {"body": "text"}, {})
