"""Ways to sign in that are more than a header, through a deployed server: compiled, deployed, and called from outside."""

import json

from tests.digest_server import Rules, digest_server
from tests.real.appliance import call, installed

DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Shop", "version": "1"},
    "paths": {"/items": {"get": {"operationId": "list_items"}, "post": {"operationId": "add_item"}}},
}


def test_http_digest_from_a_document_to_an_answer(components: None) -> None:
    rules = Rules(algorithms=("MD5", "SHA-256"))
    schemes = {"digest": {"type": "http", "scheme": "digest"}}
    with digest_server(rules) as port, installed(port) as box:
        box.serve()
        document = DOCUMENT | {"servers": [{"url": f"http://shop.test:{port}"}], "components": {"securitySchemes": schemes}, "security": [{"digest": []}]}
        spec = box.bmm("compile", "openapi", "-", stdin=json.dumps(document).encode()).stdout
        for key, value in (("SHOP_DIGEST_USERNAME", rules.username), ("SHOP_DIGEST_PASSWORD", rules.password)):
            box.bmm("secret", "set", "shop", key, "--next", stdin=value.encode())
        url = json.loads(box.bmm("deploy", "-", "--slug", "shop", "--json", stdin=spec.encode()).stdout)["url"]
        assert rules.seen == []  # the trial has called a recorder
        token = box.token("shop")
        answers = [call(url, token, name) for name in ("list_items", "add_item", "list_items")]
        assert not any(each.get("isError") for each in answers), answers
        assert rules.statuses == [401, 200, 200, 200]
        box.bmm("secret", "set", "shop", "SHOP_DIGEST_PASSWORD", stdin=b"no-longer-right")
        refused = call(url, token, "list_items")
        assert refused["isError"]
        assert "SHOP_DIGEST_USERNAME and SHOP_DIGEST_PASSWORD" in refused["content"][0]["text"]
        assert "no-longer-right" not in json.dumps(refused) + box.bmm("logs", "shop").stdout
