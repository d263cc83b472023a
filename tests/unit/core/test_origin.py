"""Which origins can be allowed, and how they are written."""

import pytest

from bmm.core.origin import check_origin
from bmm.errors import BadInput


@pytest.mark.parametrize(
    ("typed", "origin"),
    [
        ("https://app.example.com", "https://app.example.com"),
        ("HTTPS://App.Example.COM", "https://app.example.com"),
        ("https://app.example.com:443", "https://app.example.com"),
        ("http://localhost:6274", "http://localhost:6274"),
        ("http://localhost:80", "http://localhost"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://[0:0::1]:8000", "http://[::1]:8000"),
        ("https://xn--bcher-kva.example:8443", "https://xn--bcher-kva.example:8443"),
    ],
)
def test_an_origin_is_written_as_browsers_send_it(typed: str, origin: str) -> None:
    assert check_origin(typed) == origin
    assert check_origin(origin) == origin


@pytest.mark.parametrize("typed", ["*", "null"])
def test_everybody_cannot_be_allowed(typed: str) -> None:
    with pytest.raises(BadInput, match="cannot be allowed"):
        check_origin(typed)


@pytest.mark.parametrize(
    "typed",
    [
        "", "app.example.com", "https://", "https:///", "https://app.example.com/", "https://app.example.com/path", "https://app.example.com?x",
        "https://app.example.com#", "https://me@app.example.com", "https://*.example.com", "ftp://app.example.com", "file://", "//app.example.com",
        "https://app.example.com:", "https://app.example.com:0", "https://app.example.com:70000", "https://app.example.com:x",
        "https://b\u00fccher.example", "https://app.example.com ", " https://app.example.com", "https://a.example, https://b.example",
        "https://app.example.com\r\nX: y", "https://[::1", "https://[fe80::1%25eth0]", "https://app_1.example", "https://app.example.com\\@evil.test",
    ],
)  # fmt: skip
def test_what_is_not_one_origin_is_refused_with_an_example(typed: str) -> None:
    with pytest.raises(BadInput, match=r"https://app\.example\.com"):
        check_origin(typed)
