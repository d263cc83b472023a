"""Specs as a model would write them, and a model that asks the server of a test."""

from collections.abc import Callable
from typing import Any

from bmm.config import Config, Price
from bmm.llm.client import Model
from tests.model_server import KEY, ModelServer

PRICES = {"drafter": Price(input=2, output=10, cache_write=2.5, cache_read=0.1), "mender": Price(input=1, output=5)}


def tool(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "kind": "http",
        "name": name,
        "description": 'Gets {a} thing, with "quotes", a back\\slash and ünïcode ✓ 😀.',
        "input_schema": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"], "additionalProperties": False},
        "method": "GET",
        "server": "https://api.example.com",
        "path": "/things/{id}",
        "parameters": [{"name": "id", "place": "path", "argument": "id"}],
        "annotations": {"read_only": True, "destructive": False},
        **changes,
    }


def spec(*tools: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "name": "Things",
        "tools": list(tools) or [tool("get_thing"), tool("get_other")],
        "hosts": [{"name": "api.example.com", "reason": 'The API; its docs have a list "tools": [ { } ].'}],
        **changes,
    }


def settings(server: ModelServer, **changes: Any) -> Config:
    return Config(
        **{
            "model_base_url": server.url,
            "model_key": KEY,
            "model_draft": "drafter",
            "model_repair": "mender",
            "model_prices": PRICES,
            "model_timeout": 5.0,
            "model_deadline": 10.0,
            **changes,
        }
    )


def model(server: ModelServer, *, inspect: Callable[[str], None] = lambda text: None, **changes: Any) -> Model:
    return Model(settings(server, **changes), inspect=inspect)
