"""What is made of a registration, and how a client proves itself."""

import base64
import json
from typing import Any

import pytest

from bmm.oauth.clients import clean_name, credentials, read_metadata
from bmm.oauth.errors import OAuthError
from bmm.oauth.parameters import Parameters

GOOD: dict[str, Any] = {"redirect_uris": ["http://127.0.0.1/cb"], "token_endpoint_auth_method": "none"}


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({"redirect_uris": None}, "invalid_redirect_uri"),
        ({"redirect_uris": "https://a.example/cb"}, "invalid_redirect_uri"),
        ({"redirect_uris": [1]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://a.example/cb", "javascript:x"]}, "invalid_redirect_uri"),
        ({"redirect_uris": [f"https://a.example/{n}" for n in range(21)]}, "invalid_redirect_uri"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": 1}, "invalid_client_metadata"),
        ({"grant_types": ["client_credentials"]}, "invalid_client_metadata"),
        ({"grant_types": 1}, "invalid_client_metadata"),
        ({"response_types": ["token"]}, "invalid_client_metadata"),
        ({"application_type": "desktop"}, "invalid_client_metadata"),
    ],
)
def test_what_cannot_work_is_refused_at_once(changed: dict[str, Any], code: str) -> None:
    with pytest.raises(OAuthError) as caught:
        read_metadata(json.dumps(GOOD | changed).encode())
    assert caught.value.code == code


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b'"x"', b"\xff", b"[" * 5000])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(OAuthError):
        read_metadata(body)


def test_unknown_and_null_members_are_accepted() -> None:
    made = read_metadata(json.dumps(GOOD | {"client_uri": None, "jwks": {}, "x": [1], "client_name": 5}).encode())
    assert made.redirect_uris == ("http://127.0.0.1/cb",)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("  Claude\n Code ", "Claude Code"),
        ("Cur\u202esor\u0000\u200b", "Cursor"),
        ("x" * 200, "x" * 80),
        ("<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"),
        ("\u200b", ""),
    ],
)
def test_a_client_name_is_shown_without_invisible_characters(given: str, shown: str) -> None:
    assert clean_name(given) == shown


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_both_halves_of_basic_are_form_decoded() -> None:
    assert credentials(basic("cli%5F1:a%2Bb+c"), Parameters([])) == ("cli_1", "a+b c", True)


@pytest.mark.parametrize("header", ["Basic !!", "Basic", "Bearer x", basic("nocolon"), "Basic /w=="])
def test_unreadable_credentials_are_an_invalid_client_that_is_told_the_scheme(header: str) -> None:
    with pytest.raises(OAuthError) as caught:
        credentials(header, Parameters([]))
    assert (caught.value.code, caught.value.status) == ("invalid_client", 401)
    assert caught.value.headers["WWW-Authenticate"].startswith("Basic")


def test_two_ways_at_once_are_refused() -> None:
    for fields in ([("client_secret", "s")], [("client_id", "other")]):
        with pytest.raises(OAuthError, match="one way"):
            credentials(basic("cli_1:s"), Parameters(fields))
