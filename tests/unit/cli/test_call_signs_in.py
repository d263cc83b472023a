"""`bmm call` signs in as a server would: the same document, against an API that asks for HTTP Digest."""

import json
from pathlib import Path

import pytest

from tests.digest_server import Rules, digest_server
from tests.unit.cli.test_compile_and_call import bmm


def spec_of(folder: Path, port: int) -> str:
    """The file of a spec that was compiled from a document with one operation and HTTP Digest."""
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Shop", "version": "1"},
        "servers": [{"url": f"http://shop.test:{port}"}],
        "paths": {"/items": {"get": {"operationId": "list_items"}}},
        "components": {"securitySchemes": {"sign_in": {"type": "http", "scheme": "digest"}}},
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
        done = bmm("call", "--spec", spec_of(tmp_path, port), "list_items", stdin=b"", **secrets, **way)
    assert done.returncode == status, done.stderr
    assert host.statuses == [401, 200 if status == 0 else 401]
    assert password not in done.stdout + done.stderr


def test_a_dry_run_says_what_will_be_answered_with_what(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, 8081)
    given: dict[str, str]
    for given in ({}, {"SHOP_SIGN_IN_USERNAME": "ann", "SHOP_SIGN_IN_PASSWORD": "s3cr3t-word"}):
        shown = json.loads(bmm("call", "--spec", spec, "list_items", "--dry-run", stdin=b"", **given).stdout)
        assert shown["headers"]["Authorization"] == (
            "Digest <what the host asks, answered with SHOP_SIGN_IN_USERNAME and SHOP_SIGN_IN_PASSWORD>"
        )
