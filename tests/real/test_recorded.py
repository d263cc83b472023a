"""A curl command and a recording become live servers that do what the command did, with its key as a secret."""

import json
import re
from pathlib import Path
from typing import Any

from tests.real.appliance import KEY, Box, call


def deployed(box: Box, slug: str, spec: str) -> tuple[str, str]:
    return box.deploy(slug, json.loads(spec)), box.token(slug)


def test_a_curl_command_goes_live_and_calls_the_api_with_its_key(box: Box) -> None:
    shop = f"http://shop.test:{box.shop_port}/v1"
    listed = f"curl -s '{shop}/products?query=lamp&limit=2' -H 'X-Api-Key: {KEY}' | jq ."
    made = box.bmm("compile", "curl", listed, f"curl {shop}/products/p1 -H 'X-Api-Key: {KEY}'")
    assert KEY not in made.stdout + made.stderr
    url, token = deployed(box, "curled", made.stdout)
    assert "X-Api-Key" in made.stdout
    found = call(url, token, "list_products", limit=1)
    assert not found.get("isError"), found
    product = re.search(r'"id":\s*"([^"]+)"', found["content"][0]["text"])
    assert product is not None
    product_id = product.group(1)
    assert product_id in call(url, token, "get_product", product_id=product_id)["content"][0]["text"]


def test_a_recording_goes_live_with_the_arguments_of_all_its_requests(box: Box, tmp_path: Path) -> None:
    def entry(path: str, answer: Any) -> dict[str, Any]:
        request = {"method": "GET", "url": f"http://shop.test:{box.shop_port}/v1{path}", "headers": [{"name": "x-api-key", "value": KEY}]}
        return {"request": request, "response": {"status": 200, "content": {"mimeType": "application/json", "text": json.dumps(answer)}}}

    recording = tmp_path / "shop.har"
    entries = [entry("/products?limit=1", {"items": []}), entry("/products?limit=2&query=a", {"items": []}), entry("/status", {"open": True})]
    recording.write_text(json.dumps({"log": {"entries": entries}}))
    recording.chmod(0o644)
    made = box.bmm("compile", "har", str(recording))
    assert KEY not in made.stdout + made.stderr
    url, token = deployed(box, "recorded", made.stdout)
    assert not call(url, token, "list_products", limit=2, query="a").get("isError")
    assert not call(url, token, "get_status").get("isError")
