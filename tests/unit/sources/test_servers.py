"""The base URL of an operation."""

from typing import Any

import pytest

from tests.unit.sources.documents import Json, compiled, document, remarks, tool_of


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ({"url": "https://api.test/{base}", "variables": {"base": {"default": "/api/v1/"}}}, "https://api.test/api/v1"),
        ({"url": "https://api.test//api//v1//"}, "https://api.test/api/v1"),
    ],
)
def test_no_empty_segment_stands_before_the_path(server: Json, expected: str) -> None:
    found = compiled(document({"/x": {"get": {}}}, servers=[server]))
    assert found.spec.tools[0].server == expected  # type: ignore[union-attr]
    assert remarks(found) == [("note", "/servers/0")]


@pytest.mark.parametrize(
    ("urls", "expected"),
    [
        (["http://api.test/v1", "https://api.test/v1/"], "https://api.test/v1"),
        (["http://api.test/v1", "ftp://api.test/v1", "https://api.test/v1"], "https://api.test/v1"),
        (["http://api.test/v1", "https://other.test/v1"], "http://api.test/v1"),
        (["http://api.test:8080/v1", "https://api.test/v1"], "http://api.test:8080/v1"),
    ],
)
def test_https_is_taken_where_the_same_server_has_it(urls: list[str], expected: str) -> None:
    assert tool_of(document({"/x": {"get": {}}}, servers=[{"url": url} for url in urls])).server == expected


@pytest.mark.parametrize(
    ("own", "expected"),
    [(["https"], "https"), (["http"], "http"), (["http", "https"], "https"), (["wss"], "http"), ([], "http"), (None, "http")],
)
def test_schemes_of_a_swagger_operation_replace_those_of_the_document(own: Any, expected: str) -> None:
    root = {"swagger": "2.0", "info": {"title": "Old"}, "host": "old.test", "basePath": "//v2", "schemes": ["http"]}
    node = {} if own is None else {"schemes": own}
    assert tool_of({**root, "paths": {"/x": {"get": node}}}).server == f"{expected}://old.test/v2"
