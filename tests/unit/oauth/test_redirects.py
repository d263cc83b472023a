"""Redirect URIs: what may be registered and what counts as the same."""

import pytest

from bmm.oauth.redirects import form_action_sources, matches, why_not, with_parameters

MAY = [
    "https://claude.ai/api/mcp/auth_callback",
    "https://chatgpt.com/connector/oauth/abc_123",
    "https://vscode.dev/redirect",
    "https://example.com:8443/cb?tenant=1",
    "http://127.0.0.1/",
    "http://127.0.0.1:33418/",
    "http://127.0.0.1:33418",
    "http://localhost:8787/callback",
    "http://[::1]:4000/cb",
    "cursor://anysphere.cursor-mcp/oauth/callback",
]
MAY_NOT = [
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "vbscript:x",
    "blob:https://example.com/1",
    "ftp://example.com/",
    "myapp://callback",
    "cursor://anysphere.cursor-mcp/oauth/callback/x",
    "http://example.com/cb",
    "http://localhost.example.com/cb",
    "http://127.0.0.1.example.com/cb",
    "http://127.0.0.1@example.com/cb",
    "http://127.0.0.1:80@example.com/cb",
    "http://127.1/cb",
    "http://2130706433/cb",
    "http://0.0.0.0/cb",
    "http://localhost:0/cb",
    "http://localhost:99999/cb",
    "https://user@example.com/cb",
    "https://user:pw@example.com/cb",
    "https://example.com%2Eevil.example/cb",
    "https://%65vil.example/cb",
    "https://example.com/cb#part",
    "https://*.example.com/cb",
    "https:///cb",
    "https:example.com",
    "//example.com/cb",
    "/cb",
    "",
    " https://example.com/cb",
    "https://example.com/cb\r\nSet-Cookie: a=b",
    "https://example.com\\@evil.example/cb",
    "https://exämple.com/cb",
    "https://example.com/" + "a" * 1024,
]


@pytest.mark.parametrize("uri", MAY)
def test_may_be_registered(uri: str) -> None:
    assert why_not(uri) is None


@pytest.mark.parametrize("uri", MAY_NOT)
def test_may_not_be_registered(uri: str) -> None:
    assert why_not(uri) is not None


@pytest.mark.parametrize(
    ("registered", "asked"),
    [
        ("https://example.com/cb", "https://example.com/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:5123/cb"),
        ("http://127.0.0.1:33418/", "http://127.0.0.1:50001/"),
        ("http://localhost:3118/callback", "http://localhost:4/callback"),
        ("http://[::1]/cb?x=1", "http://[::1]:9000/cb?x=1"),
        ("cursor://anysphere.cursor-mcp/oauth/callback", "cursor://anysphere.cursor-mcp/oauth/callback"),
    ],
)
def test_counts_as_the_same(registered: str, asked: str) -> None:
    assert matches(registered, asked)


@pytest.mark.parametrize(
    ("registered", "asked"),
    [
        ("https://example.com/cb", "https://example.com/cb/"),
        ("https://example.com/cb", "https://example.com/cb2"),
        ("https://example.com/cb", "https://example.com/cb?next=1"),
        ("https://example.com/cb", "https://example.com/c%62"),
        ("https://example.com/a/cb", "https://example.com/a/%2e%2e/a/cb"),
        ("https://example.com/cb", "https://example.com:443/cb"),
        ("https://example.com/cb", "https://EXAMPLE.com/cb"),
        ("https://example.com/cb", "http://example.com/cb"),
        ("https://example.com/cb", "https://example.com/cb#x"),
        ("https://example.com/cb", "https://x@example.com/cb"),
        ("https://localhost:3000/cb", "https://localhost:3001/cb"),
        ("http://127.0.0.1/cb", "http://localhost/cb"),
        ("http://127.0.0.1/cb", "http://[::1]/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:80/other"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:1@evil.example/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:70000/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:1/cb#x"),
    ],
)
def test_does_not_count_as_the_same(registered: str, asked: str) -> None:
    assert not matches(registered, asked)


def test_a_line_break_in_a_parameter_stays_data() -> None:
    assert with_parameters("https://a.example/cb?x=1", {"state": "a\r\nSet-Cookie: b&c=d #"}) == (
        "https://a.example/cb?x=1&state=a%0D%0ASet-Cookie%3A%20b%26c%3Dd%20%23"
    )


def test_the_consent_form_may_lead_to_where_the_client_listens() -> None:
    assert form_action_sources("https://claude.ai/cb") == "'self' https:"
    assert form_action_sources("http://localhost:3118/callback") == "'self' https: http://localhost:3118"
    assert form_action_sources("http://[::1]:4000/cb") == "'self' https: http:"
    assert form_action_sources("cursor://anysphere.cursor-mcp/oauth/callback") == "'self' https: cursor:"
