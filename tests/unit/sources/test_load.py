"""Text -> document: what is refused, and with which line."""

import json
import tracemalloc
from time import thread_time

import pytest

from bmm.sources import UnusableDocument
from bmm.sources.openapi.load import load
from bmm.sources.openapi.options import MAX_BYTES


def test_yaml_scalars_are_those_of_yaml_1_2() -> None:
    text = """
    on: yes
    no: [off, NO, y, ~, null, true, FALSE, "true", 'null', ""]
    numbers: [1, -2, 0o17, 0x1F, 1.5, 1e3, .5, 1_000, 012, 0b1, 1:30, .inf, 3.10.1, +, "-", 1.]
    dates: [2024-01-01, 2024-01-01T00:00:00Z]
    200: {404: x}
    text: !!str 12
    number: !!int "12"
    literal: |
      on
    merged: {<<: [&a {p: 1, q: 2}, {p: 3, r: 4}], q: 5}
    again: *a
    """
    document, findings = load(text.encode())
    assert document == {
        "on": "yes",
        "no": ["off", "NO", "y", None, None, True, False, "true", "null", ""],
        "numbers": [1, -2, 15, 31, 1.5, 1000.0, 0.5, "1_000", 12, "0b1", "1:30", ".inf", "3.10.1", "+", "-", 1.0],
        "dates": ["2024-01-01", "2024-01-01T00:00:00Z"],
        "200": {"404": "x"},
        "text": "12",
        "number": 12,
        "literal": "on\n",
        "merged": {"p": 1, "q": 5, "r": 4},
        "again": {"p": 1, "q": 2},
    }
    assert findings == []


@pytest.mark.parametrize(
    ("data", "sentence", "line"),
    [
        (b"", "is empty", None),
        (b" \n\t\n", "is empty", None),
        (b"# only a comment\n", "is empty", None),
        (b"\x00\x01\x02", "not a text document", 1),
        (b"a: 1\nb: \xff\xfe\xfa", "byte 8 is not UTF-8", 2),
        (b"\x89PNG\r\n\x1a\n", "not a text document", 1),
        (b"<!doctype html><html></html>", "web page or XML", 1),
        (b'{"a": 1,\n "b": }', "not valid JSON: Expecting value, column 7", 2),
        (b'{"a": NaN}', "NaN is not a JSON value", None),
        (b'{"a": ' + b"9" * 5000 + b"}", "not valid JSON", None),
        (b"a: 1\n b: 2\n", "not valid YAML: mapping values are not allowed", 2),
        (b"a: [1, 2\nb: 3\n", "not valid YAML", 2),
        (b"a: \x07", "control character", 1),
        (b"a: 1\n---\nb: 2\n", "several YAML documents", 2),
        (b"? [1, 2]\n: x\n", "A key must be text", 1),
        (b"a: *nothing\n", "*nothing has no anchor", 1),
        (b"a: 1\nb: &x [1, *x]\n", "*x stands inside", 2),
        (b"a:\n  <<: 1\n", "must name a mapping", 2),
        (b"[" * 1_000_000, "nested too deeply", None),
        (b"[" * 300 + b"'", "not valid", 1),
        (b"a: " + b"[" * 5_000, "nested deeper than 200 levels", 1),
        (b"- " * 100_000, "nested deeper than 200 levels", 1),
    ],
)
def test_what_is_no_document_is_refused_with_its_line(data: bytes, sentence: str, line: int | None) -> None:
    start = thread_time()
    with pytest.raises(UnusableDocument) as refused:
        load(data)
    assert sentence in refused.value.user_message
    assert refused.value.line == line
    assert (line is None) == ("(line" not in refused.value.user_message)
    assert thread_time() - start < 5


def test_an_alias_bomb_is_refused_before_it_grows() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    tracemalloc.start()
    try:
        with pytest.raises(UnusableDocument, match=r"Aliases expand to more than 1,000,000 values.*line 6"):
            load("\n".join(lines).encode())
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_a_document_over_the_limit_is_refused_by_the_limit_s_name() -> None:
    with pytest.raises(UnusableDocument, match="larger than 50 MiB"):
        load(b" " * (MAX_BYTES + 1))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_json_in_each_encoding(encoding: str) -> None:
    assert load('{"ä": ["\\ud83d\\ude00", 1.0]}'.encode(encoding)) == ({"ä": ["😀", 1.0]}, [])


def test_yaml_in_braces_is_read_too() -> None:
    assert load(b"{openapi: 3.1.0, # a comment\n paths: {}}") == ({"openapi": "3.1.0", "paths": {}}, [])


def test_a_repeated_key_is_a_finding_with_its_lines() -> None:
    document, findings = load(b"paths:\n  /a~b/c:\n    get: 1\n    get: 2\n")
    assert document == {"paths": {"/a~b/c": {"get": 2}}}
    assert [(each.level, each.pointer, each.message) for each in findings] == [
        ("warning", "/paths/~1a~0b~1c/get", "the key 'get' occurs twice, in line 3 and in line 4; the last one is used")
    ]
    document, findings = load(b'{"a": 1,\n"b": 2,\n"a": 3}')
    assert document == {"a": 3, "b": 2}
    assert "lines 1, 3" in findings[0].message


def test_json_and_yaml_give_the_same_document() -> None:
    value: object = {"a": [1, -2.5, True, None, "x: y", "", "on", {"b": {}}], "c": "line\nline", "d": "é\u2028😀"}
    assert load(json.dumps(value).encode())[0] == load(b"---\n" + json.dumps(value, indent=1, ensure_ascii=False).encode())[0] == value
