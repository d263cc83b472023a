"""The upstream API of the demo and the tests: the shop that tests/documents/shop.yaml describes, in memory, on loopback.

`python3 packaging/shop.py --port 8081 --key KEY` prints one line of JSON when it is ready. Standard library only; /openapi.json
needs PyYAML. Nothing in it is a model of how to write a service.
"""

import argparse
import hmac
import json
import re
import signal
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

DOCUMENT = Path(__file__).resolve().parent.parent / "tests/documents/shop.yaml"
MAX_BODY = 1_000_000
HUGE = 200_000_000
Json = dict[str, Any]


class Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class Shop:
    """Products and orders; every method is one operation of the document."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._orders: dict[str, Json] = {}
        self._by_key: dict[str, str] = {}
        rows = [
            ("p-100", "Green tea", "tea", 690, 40),
            ("p-101", "Black tea", "tea", 590, 25),
            ("p-102", "Espresso beans", "coffee", 1290, 12),
            ("p-103", "Blue cup", "cups", 950, 8),
            ("p-104", "Tea cup with a lid", "cups", 1450, 0),
        ]
        names = ("id", "name", "category", "price", "stock")
        self._products: dict[str, Json] = {row[0]: dict(zip(names, row, strict=True)) for row in rows}

    def status(self) -> Json:
        return {"open": True, "products": len(self._products)}

    def list_products(self, query: dict[str, str]) -> Json:
        words = query.get("query", "").lower().split()
        categories = [each for each in query.get("category", "").split(",") if each]
        highest = _number(query, "max_price", None)
        found = [
            product
            for product in sorted(self._products.values(), key=lambda each: int(each["price"]))
            if all(word in product["name"].lower() for word in words)
            and (not categories or product["category"] in categories)
            and (highest is None or product["price"] <= highest)
        ]
        return {"products": _page(found, query), "total": len(found)}

    def get_product(self, product_id: str) -> Json:
        if product_id not in self._products:
            raise Refused(404, f"there is no product {product_id!r}")
        return self._products[product_id]

    def list_orders(self, query: dict[str, str]) -> Json:
        found = [each for each in reversed(self._orders.values()) if query.get("status", each["status"]) == each["status"]]
        return {"orders": _page(found, query), "total": len(found)}

    def get_order(self, order_id: str) -> Json:
        if order_id not in self._orders:
            raise Refused(404, f"there is no order {order_id!r}")
        return self._orders[order_id]

    def create_order(self, body: Json, key: str | None) -> Json:
        items = body.get("items")
        if not isinstance(items, list) or not items:
            raise Refused(422, "items must be a list with at least one item")
        with self._lock:
            if key and key in self._by_key:
                return self._orders[self._by_key[key]]
            for item in items:
                product = self.get_product(str(item.get("product_id")))
                if not isinstance(item.get("quantity"), int) or not 0 < item["quantity"] <= product["stock"]:
                    raise Refused(422, f"{product['name']}: only {product['stock']} in stock")
            total = 0
            for item in items:
                product = self._products[item["product_id"]]
                product["stock"] -= item["quantity"]
                total += product["price"] * item["quantity"]
            order = {"id": f"o-{len(self._orders) + 1}", "status": "open", **body, "total": total}
            self._orders[order["id"]] = order
            if key:
                self._by_key[key] = order["id"]
            return order

    def update_order(self, order_id: str, body: Json) -> Json:
        order = self.get_order(order_id)
        order |= {name: value for name, value in body.items() if name in ("note", "address")}
        return order

    def cancel_order(self, order_id: str) -> None:
        order = self.get_order(order_id)
        if order["status"] != "open":
            raise Refused(409, f"the order is {order['status']}")
        order["status"] = "cancelled"


def _number(query: dict[str, str], name: str, default: int | None) -> int | None:
    if name not in query:
        return default
    if not query[name].isdigit():
        raise Refused(422, f"{name} must be a whole number")
    return int(query[name])


def _page(found: list[Json], query: dict[str, str]) -> list[Json]:
    limit, offset = _number(query, "limit", 20), _number(query, "offset", 0)
    assert limit is not None
    assert offset is not None
    return found[offset : offset + limit]


class Handler(BaseHTTPRequestHandler):
    """HTTP around one shop. `server` carries it, the key and what ends slow answers."""

    protocol_version = "HTTP/1.1"
    # Head and body are two writes; without this the second waits 40 ms for an acknowledgement of the first.
    disable_nagle_algorithm = True
    server: "Server"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is the base class's
        if self.server.verbose:
            super().log_message(format, *args)

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_PATCH = do_DELETE = do_PUT = do_HEAD = do_GET  # noqa: N815  http.server calls these

    def _answer(self) -> None:
        try:
            body = self._read()
            self._route(urlsplit(self.path).path, body)
        except Refused as refused:
            self._json(refused.status, {"error": refused.message})
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _read(self) -> bytes:
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > MAX_BODY:
            self.close_connection = True
            raise Refused(413, "the body is too large")
        return self.rfile.read(int(length))

    def _route(self, path: str, body: bytes) -> None:
        if self.command == "GET" and path in ("/openapi.yaml", "/openapi.json"):
            self._document(path)
            return
        if not path.startswith("/v1/"):
            raise Refused(404, f"there is nothing at {path}")
        if path != "/v1/status" and not hmac.compare_digest(self.headers.get("X-Api-Key", "").encode(), self.server.key.encode()):
            raise Refused(401, "the API key in X-Api-Key is missing or wrong")
        if path.startswith("/v1/odd/") and self.command == "GET":
            self._odd(path.removeprefix("/v1/odd/"))
            return
        self._shop([unquote(step) for step in path.removeprefix("/v1/").split("/")], body)

    def _shop(self, steps: list[str], body: bytes) -> None:
        shop, query = self.server.shop, {name: values[-1] for name, values in parse_qs(urlsplit(self.path).query).items()}
        one = steps[1] if len(steps) == 2 else ""
        if len(steps) > 2:
            raise Refused(404, "there is nothing at this path")
        routes: dict[tuple[str, str, bool], Callable[[], Json]] = {
            ("GET", "status", False): shop.status,
            ("GET", "products", False): lambda: shop.list_products(query),
            ("GET", "products", True): lambda: shop.get_product(one),
            ("GET", "orders", False): lambda: shop.list_orders(query),
            ("POST", "orders", False): lambda: shop.create_order(_object(body), self.headers.get("Idempotency-Key")),
            ("GET", "orders", True): lambda: shop.get_order(one),
            ("PATCH", "orders", True): lambda: shop.update_order(one, _object(body)),
        }
        if (self.command, steps[0], bool(one)) == ("DELETE", "orders", True):
            shop.cancel_order(one)
            self._send(204, "", b"")
            return
        act = routes.get((self.command, steps[0], bool(one)))
        if act is None:
            raise Refused(404, "there is nothing at this path, or not with this method")
        self._json(201 if self.command == "POST" else 200, act())

    def _odd(self, kind: str) -> None:
        if kind == "slow":
            self.server.stopping.wait(60)
            self._json(200, {"late": True})
        elif kind == "redirect":
            self._send(302, "text/plain", b"", Location="http://elsewhere.test/landing")
        elif kind == "fail":
            self._json(500, {"error": "the shop is on fire"})
        elif kind == "html":
            page = "<!doctype html><html><head><title>Shop</title><style>p{}</style></head><body><p>Please sign in.</p></body></html>"
            self._send(200, "text/html; charset=utf-8", page.encode())
        elif kind == "huge":
            self._huge()
        else:
            raise Refused(404, f"there is no odd {kind!r}")

    def _huge(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(HUGE))
        self.end_headers()
        chunk = b"a" * 1_000_000
        self.wfile.write(b'"' + chunk[2:])
        for _ in range(HUGE // len(chunk) - 1):
            self.wfile.write(chunk)
        self.wfile.write(b'"')

    def _document(self, path: str) -> None:
        text = DOCUMENT.read_text().replace("http://shop.test:8081/v1", self.server.base)
        if path.endswith(".yaml"):
            self._send(200, "application/yaml", text.encode())
            return
        import yaml  # where the demo runs it is there; the API itself needs only the standard library

        self._json(200, yaml.safe_load(text))

    def _json(self, status: int, value: Json) -> None:
        self._send(status, "application/json", json.dumps(value).encode())

    def _send(self, status: int, kind: str, body: bytes, **headers: str) -> None:
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, *, key: str, base: str | None, verbose: bool) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.shop, self.key, self.verbose = Shop(), key, verbose
        self.base = base or f"http://shop.test:{self.server_address[1]}/v1"
        self.stopping = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that hangs up in the middle of 200 MB is what that operation is for.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def _object(body: bytes) -> Json:
    try:
        value = json.loads(body)
    except ValueError as error:
        raise Refused(400, f"the body is not JSON: {error}") from error
    if not isinstance(value, dict) or re.search(rb"\x00", body):
        raise Refused(400, "the body must be a JSON object")
    return value


def main() -> int:
    parser = argparse.ArgumentParser(description="The shop of tests/documents/shop.yaml on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=8081, help="0 chooses a free one")
    parser.add_argument("--key", required=True, help="the API key it accepts")
    parser.add_argument("--base", help="the server URL its document names (default: http://shop.test:PORT/v1)")
    parser.add_argument("--verbose", action="store_true", help="log requests on standard error")
    args = parser.parse_args()
    server = Server(args.port, key=args.key, base=args.base, verbose=args.verbose)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    port = server.server_address[1]
    print(json.dumps({"ready": True, "port": port, "document": f"http://127.0.0.1:{port}/openapi.yaml"}), flush=True)
    server.serve_forever()
    server.stopping.set()
    server.server_close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
