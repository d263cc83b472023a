"""Documents that are no spec, and names that would break out of where they are written."""

from typing import Any

import msgspec
import pytest

from runner.contract import (
    BasicCredential,
    BearerCredential,
    CertificateCredential,
    Credential,
    DigestCredential,
    KeyCredential,
    Scope,
    SecretNeed,
    SpecError,
    decode_spec,
    keys_of,
    with_keys,
)
from tests.unit.runner.guarded import http_tool, spec


@pytest.mark.parametrize("name", ["read\n", 'read"', "read write", "", "Read"])
def test_a_scope_must_fit_into_a_header(name: str) -> None:
    with pytest.raises(SpecError):
        decode_spec(msgspec.json.encode(spec(scopes=(Scope(name=name, description="d"),))))


@pytest.mark.parametrize("document", ["", "{", b"\xff", '{"name": "\ud800"}', '{"tools": [{"kind": "python", "meta": ' + '{"a": ' * 100_000])
def test_what_is_no_document_is_told_as_such(document: bytes | str) -> None:
    with pytest.raises(SpecError, match="not a JSON document"):
        decode_spec(document)


DIGEST = DigestCredential(username="A", password="B")
CERTIFICATE = CertificateCredential(certificate="A", key="B")
HTTPS = {"server": "https://safe.test"}


@pytest.mark.parametrize(
    ("auth", "tool", "words"),
    [
        ((DIGEST, BearerCredential(secret="A")), {}, "both need the header Authorization"),
        ((KeyCredential(place="header", name="authorization", secret="A"), DIGEST), {}, "both need the header Authorization"),
        ((CERTIFICATE,), {}, "only https can show a client certificate"),
        ((CERTIFICATE, CertificateCredential(certificate="B")), HTTPS, "a connection shows one client certificate"),
        ((BearerCredential(secret="A", scheme="a b"),), {}, "Expected `str` matching regex"),
        ((CertificateCredential(certificate="A", key="C"),), HTTPS, "uses the secret C, which /secrets does not list"),
        ((CERTIFICATE, DIGEST), HTTPS, None),
        ((DIGEST, KeyCredential(place="header", name="X-Key", secret="A")), {}, None),
    ],
)
def test_credentials_that_cannot_be_sent_together_are_no_spec(auth: tuple[Credential, ...], tool: dict[str, Any], words: str | None) -> None:
    document = msgspec.json.encode(spec(http_tool(auth=(auth,), **tool), secrets=(SecretNeed(key="A"), SecretNeed(key="B"))))
    if words is None:
        decode_spec(document)
        return
    with pytest.raises(SpecError, match=words):
        decode_spec(document)


@pytest.mark.parametrize(
    "credential",
    [
        KeyCredential(place="query", name="k", secret="A"),
        BearerCredential(secret="A", scheme="Token"),
        BasicCredential(username="A", password="B"),
        DIGEST,
        CERTIFICATE,
        CertificateCredential(certificate="A"),
    ],
)
def test_a_credential_may_be_made_of_other_secrets(credential: Credential) -> None:
    renamed = with_keys(credential, {"A": "X", "B": "Y"})
    assert keys_of(renamed) == tuple({"A": "X", "B": "Y"}[key] for key in keys_of(credential))
    assert with_keys(renamed, {"X": "A", "Y": "B"}) == credential
