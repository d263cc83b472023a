"""The estimate of tokens, beside counts of the tokenizer it was fitted to."""

import pytest

from runner.contract import HttpTool
from runner.protocol.cost import tokens_of
from tests.unit.runner.guarded import http_tool

PROSE = "Lists the orders that a customer has placed and that nobody has shipped yet, the newest first. Ask for fewer with a filter."
SCHEMA = {
    "type": "object",
    "properties": {
        "customerId": {"type": "string", "description": "The customer's number, such as 10442"},
        "state": {"type": "string", "enum": ["open", "paid", "shipped"], "default": "open"},
        "per_page": {"type": "integer", "minimum": 1, "maximum": 100},
    },
    "required": ["customerId"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("tool", "counted"),
    [
        (http_tool("list_orders", description=PROSE, input_schema=SCHEMA), 113),
        (http_tool("list_orders", description=PROSE * 20, input_schema={"type": "object"}), 538),
        (http_tool("listOrders", description="Übersicht aller Bestellungen; größte zuerst.", input_schema={"type": "object"}), 33),
        (http_tool(), 50),
    ],
)
def test_the_estimate_is_near_what_a_tokenizer_counts(tool: HttpTool, counted: int) -> None:
    assert tokens_of([tool]) == pytest.approx(counted, rel=0.2)


def test_only_what_a_model_reads_is_counted() -> None:
    plain = http_tool()
    assert tokens_of([plain]) == tokens_of([http_tool(output_schema={"type": "object", "description": PROSE})])
    assert tokens_of([plain, plain]) == pytest.approx(2 * tokens_of([plain]), abs=1)
    assert tokens_of([]) == 0


def test_counting_ends_when_it_is_enough() -> None:
    one = tokens_of([http_tool()])
    endless = (http_tool() for _ in iter(int, 1))
    assert 10 * one < tokens_of(endless, enough=10 * one) <= 11 * one + 1
