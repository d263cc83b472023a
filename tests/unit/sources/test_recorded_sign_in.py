"""Ways to sign in that are more than a header, in curl commands and recordings: what they become, and that no value stays."""

import json

import pytest

from bmm.sources.har import compile_har
from runner.contract import BearerCredential, CertificateCredential, DigestCredential, HttpTool
from tests.unit.sources.test_curl import made
from tests.unit.sources.test_har import entry

ANSWERED = 'Digest username="ann", realm="r", nonce="n", uri="/a", response="0123abcd"'


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        ("--digest -u ann:s3cr3t", {"X_USERNAME": "ann", "X_PASSWORD": "s3cr3t"}),
        ("-u ann:s3cr3t --digest", {"X_USERNAME": "ann", "X_PASSWORD": "s3cr3t"}),
        ("--digest --user ann", {"X_USERNAME": "ann"}),
        (f"-H 'Authorization: {ANSWERED}'", {"X_USERNAME": "ann"}),
    ],
)
def test_digest_becomes_a_user_name_and_a_password(options: str, seen: dict[str, str]) -> None:
    found = made(f"curl {options} https://x.test/a")
    (tool,) = found.spec.tools
    assert isinstance(tool, HttpTool)
    assert tool.auth == ((DigestCredential(username="X_USERNAME", password="X_PASSWORD"),),)
    assert dict(found.seen) == seen
    assert "0123abcd" not in repr(found)


@pytest.mark.parametrize(
    ("options", "credential"),
    [
        ("--cert client.pem", CertificateCredential(certificate="X_CERTIFICATE")),
        ("-E ./client.pem:s3cr3t --key client.key", CertificateCredential(certificate="X_CERTIFICATE", key="X_PRIVATE_KEY")),
        ("--cert $CERT --cert-type PEM --key k.pem --pass s3cr3t", CertificateCredential(certificate="X_CERTIFICATE", key="X_PRIVATE_KEY")),
    ],
)
def test_a_certificate_s_file_becomes_a_secret_to_be_set(options: str, credential: CertificateCredential) -> None:
    found = made(f"curl {options} https://x.test/a -H 'Authorization: Bearer $T'")
    (tool,) = found.spec.tools
    assert isinstance(tool, HttpTool)
    assert set(tool.auth[0]) == {credential, BearerCredential(secret="X_TOKEN")}
    (fix,) = [each.fix for each in found.findings if "its content is a secret" in each.message]
    assert fix.startswith("set the secret from the file")
    assert ("openssl pkey" in fix) is ("pem:" in options)
    assert "s3cr3t" not in repr(found)
    assert all("PEM form" in need.hint for need in found.spec.secrets if need.key != "X_TOKEN")


@pytest.mark.parametrize(("options", "said"), [("--digest", "--digest means nothing"), ("--key k.pem", "--key means nothing"), ("--digest -u a:b", "")])
def test_half_a_way_to_sign_in_is_said(options: str, said: str) -> None:
    found = made(f"curl {options} https://x.test/a")
    assert [said in each.message for each in found.findings if "means nothing" in each.message] == ([True] if said else [])


def test_an_answer_to_a_challenge_in_a_recording_becomes_a_user_name_and_a_password() -> None:
    recording = {"log": {"entries": [entry("GET", "https://x.test/a", {"a": 1}, headers={"Authorization": ANSWERED}, _resourceType="fetch")]}}
    found = compile_har(json.dumps(recording).encode())
    (tool,) = found.spec.tools
    assert isinstance(tool, HttpTool)
    assert tool.auth == ((DigestCredential(username="X_USERNAME", password="X_PASSWORD"),),)
    assert dict(found.seen) == {"X_USERNAME": "ann"}
    assert "0123abcd" not in repr(found)
