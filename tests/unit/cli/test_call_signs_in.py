"""`bmm call` signs in as a server would: the same document, against an API that asks for HTTP Digest."""

import json
from pathlib import Path

import pytest

from tests.digest_server import Rules, digest_server
from tests.mutual_server import asking, mutual_server
from tests.real.authority import Authority
from tests.unit.cli.test_compile_and_call import bmm

DIGEST = {"type": "http", "scheme": "digest"}


def spec_of(folder: Path, server: str, scheme: dict[str, str]) -> str:
    """The file of a spec that was compiled from a document with one operation that signs in like this."""
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Shop", "version": "1"},
        "servers": [{"url": server}],
        "paths": {"/items": {"get": {"operationId": "list_items"}}},
        "components": {"securitySchemes": {"sign_in": scheme}},
        "security": [{"sign_in": []}],
    }
    done = bmm("compile", "openapi", "-", stdin=json.dumps(document).encode())
    assert done.returncode == 0, done.stderr
    path = folder / "spec.json"
    path.write_text(done.stdout)
    return str(path)


@pytest.mark.parametrize(("password", "status"), [("s3cr3t-word", 0), ("wrong", 1)])
def test_a_call_answers_the_challenge(tmp_path: Path, password: str, status: int) -> None:
    host = Rules(algorithms=("MD5", "SHA-256"))
    with digest_server(host) as port:
        secrets = {"SHOP_SIGN_IN_USERNAME": "ann", "SHOP_SIGN_IN_PASSWORD": password}
        way = {"BMM_EGRESS_EXCEPTIONS": json.dumps({f"shop.test:{port}": "127.0.0.1"})}
        done = bmm("call", "--spec", spec_of(tmp_path, f"http://shop.test:{port}", DIGEST), "list_items", stdin=b"", **secrets, **way)
    assert done.returncode == status, done.stderr
    assert host.statuses == [401, 200 if status == 0 else 401]
    assert password not in done.stdout + done.stderr


def test_a_dry_run_says_what_will_be_answered_with_what(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, "http://shop.test:8081", DIGEST)
    given: dict[str, str]
    for given in ({}, {"SHOP_SIGN_IN_USERNAME": "ann", "SHOP_SIGN_IN_PASSWORD": "s3cr3t-word"}):
        shown = json.loads(bmm("call", "--spec", spec, "list_items", "--dry-run", stdin=b"", **given).stdout)
        assert shown["headers"]["Authorization"] == (
            "Digest <what the host asks, answered with SHOP_SIGN_IN_USERNAME and SHOP_SIGN_IN_PASSWORD>"
        )


def test_a_call_shows_the_certificate_and_a_dry_run_names_its_secrets(tmp_path: Path) -> None:
    authority = Authority()
    (tmp_path / "trust.pem").write_text(authority.pem)
    certificate, key = (path.read_text() for path in authority.issue(tmp_path, "ann"))
    with mutual_server(asking(tmp_path, authority, "shop.test")) as host:
        port = host.server_address[1]
        spec = spec_of(tmp_path, f"https://shop.test:{port}", {"type": "mutualTLS"})
        way = {"BMM_EGRESS_EXCEPTIONS": json.dumps({f"shop.test:{port}": "127.0.0.1"}), "SSL_CERT_FILE": str(tmp_path / "trust.pem")}
        secrets = {"SHOP_SIGN_IN_CERTIFICATE": certificate, "SHOP_SIGN_IN_PRIVATE_KEY": key}
        done = bmm("call", "--spec", spec, "list_items", stdin=b"", **secrets, **way)
        broken = bmm("call", "--spec", spec, "list_items", stdin=b"", **secrets | {"SHOP_SIGN_IN_PRIVATE_KEY": "s3cr3t"}, **way)
        shown = json.loads(bmm("call", "--spec", spec, "list_items", "--dry-run", stdin=b"", **way).stdout)
    assert (done.returncode, '"peer"' in done.stdout, "ann" in done.stdout) == (0, True, True), done.stderr
    assert (broken.returncode, "SHOP_SIGN_IN_PRIVATE_KEY holds no private key" in broken.stderr, "s3cr3t" in broken.stderr) == (2, True, False)
    assert shown["certificate"] == ["<SHOP_SIGN_IN_CERTIFICATE>", "<SHOP_SIGN_IN_PRIVATE_KEY>"]
    assert [each["peer"] for each in host.seen] == ["ann"]
