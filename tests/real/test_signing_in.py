"""Ways to sign in that are more than a header, through a deployed server: compiled, deployed, and called from outside."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.digest_server import Rules, digest_server
from tests.mutual_server import asking, mutual_server
from tests.real.appliance import Box, call, installed
from tests.real.authority import Authority

DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Shop", "version": "1"},
    "paths": {"/items": {"get": {"operationId": "list_items"}, "post": {"operationId": "add_item"}}},
}


def compiled(box: Box, server: str, scheme: dict[str, Any]) -> bytes:
    """The spec of a document whose operations all sign in like this."""
    document = DOCUMENT | {"servers": [{"url": server}], "components": {"securitySchemes": {"way": scheme}}, "security": [{"way": []}]}
    return box.bmm("compile", "openapi", "-", stdin=json.dumps(document).encode()).stdout.encode()


def deployed(box: Box, slug: str, spec: bytes, secrets: dict[str, str]) -> str:
    """The URL of a server with these secrets."""
    for key, value in secrets.items():
        box.bmm("secret", "set", slug, key, "--next", stdin=value.encode())
    return str(json.loads(box.bmm("deploy", "-", "--slug", slug, "--json", stdin=spec).stdout)["url"])


@contextmanager
def runtime_that_trusts(authority: Authority) -> Iterator[str]:
    """The containers' runtime once more, whose bundle of authorities has one more."""
    original = Path(os.environ["BMM_RUNTIME_DIR"])
    with tempfile.TemporaryDirectory(dir=original.parent) as folder:
        Path(folder).chmod(0o755)
        shutil.copytree((original / "current").resolve(), f"{folder}/current", symlinks=True, copy_function=os.link)
        bundle = Path(folder) / "current/usr/lib/ssl/cert.pem"
        known = bundle.read_text()
        bundle.unlink()
        bundle.write_text(known + authority.pem)
        yield folder


def test_client_certificates_from_a_document_through_the_gateway(components: None, tmp_path: Path) -> None:
    authority = Authority()
    ann, bob = ([path.read_text() for path in authority.issue(tmp_path, name)] for name in ("ann", "bob"))
    with runtime_that_trusts(authority) as runtime, mutual_server(asking(tmp_path, authority, "shop.test")) as host:
        port = host.server_address[1]
        with installed(port) as box:
            box.environ["BMM_RUNTIME_DIR"] = runtime
            box.serve()
            spec = compiled(box, f"https://shop.test:{port}", {"type": "mutualTLS"})
            keys = "SHOP_WAY_CERTIFICATE", "SHOP_WAY_PRIVATE_KEY"
            urls = {
                "ann": deployed(box, "ann", spec, dict(zip(keys, ann, strict=True))),
                "bob": deployed(box, "bob", spec, dict.fromkeys(keys, "".join(bob))),
            }
            assert host.seen == []  # the trial has called a recorder
            for name in ("ann", "bob", "ann"):
                answer = call(urls[name], box.token(name), "list_items")
                assert answer.get("structuredContent") == {"peer": name}, answer
            box.bmm("secret", "set", "ann", keys[1], stdin=bob[1].encode())
            refused = call(urls["ann"], box.token("ann"), "list_items")
            logged = box.bmm("logs", "ann").stdout
            for text in (refused["content"][0]["text"], logged):
                assert f"The secret {keys[1]} holds a private key that does not belong to the first certificate in {keys[0]}" in text
                assert "BEGIN" not in text
    assert [each["peer"] for each in host.seen] == ["ann", "bob", "ann"]


def test_http_digest_from_a_document_to_an_answer(components: None) -> None:
    rules = Rules(algorithms=("MD5", "SHA-256"))
    with digest_server(rules) as port, installed(port) as box:
        box.serve()
        spec = compiled(box, f"http://shop.test:{port}", {"type": "http", "scheme": "digest"})
        url = deployed(box, "shop", spec, {"SHOP_WAY_USERNAME": rules.username, "SHOP_WAY_PASSWORD": rules.password})
        assert rules.seen == []  # the trial has called a recorder
        token = box.token("shop")
        answers = [call(url, token, name) for name in ("list_items", "add_item", "list_items")]
        assert not any(each.get("isError") for each in answers), answers
        assert rules.statuses == [401, 200, 200, 200]
        box.bmm("secret", "set", "shop", "SHOP_WAY_PASSWORD", stdin=b"no-longer-right")
        refused = call(url, token, "list_items")
        assert refused["isError"]
        assert "SHOP_WAY_USERNAME and SHOP_WAY_PASSWORD" in refused["content"][0]["text"]
        assert "no-longer-right" not in json.dumps(refused) + box.bmm("logs", "shop").stdout
