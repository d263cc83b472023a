"""Costs are counted in micro-dollars, upwards, and an unknown price is no price."""

import pytest

from bmm.config import Config, Price
from bmm.llm.ask import Usage
from bmm.llm.cost import BUILT_IN, FREE, check_limit, cost_of, most_of, price_of
from bmm.llm.errors import ModelPriceMissing, ModelSpendLimit


@pytest.mark.parametrize(
    ("price", "usage", "micro"),
    [
        (Price(input=2, output=10), Usage(input=1_000_000), 2_000_000),
        (Price(input=2, output=10), Usage(output=1_000_000), 10_000_000),
        (Price(input=0.1, output=0.5), Usage(input=1), 1),
        (Price(input=2, output=10), Usage(cache_write=1000, cache_read=1000), 2500 + 2000),
        (Price(input=2, output=10, cache_write=3, cache_read=0.1), Usage(cache_write=1000, cache_read=1000), 3000 + 100),
        (FREE, Usage(input=10**9, output=10**9), 0),
    ],
)
def test_a_cost_is_tokens_times_price(price: Price, usage: Usage, micro: int) -> None:
    assert cost_of(usage, price) == micro


def test_a_price_of_the_settings_goes_before_the_built_in_one() -> None:
    mine = Price(input=1, output=1)
    assert price_of("claude-sonnet-5-5", Config(model_prices={"claude-sonnet-5-5": mine})) == mine
    assert price_of("claude-sonnet-5-5", Config()) == BUILT_IN["claude-sonnet-5-5"]
    assert price_of("claude-opus-5-5", Config(model_prices={"claude-sonnet-5-5": mine})) == BUILT_IN["claude-opus-5-5"]


def test_the_models_of_the_defaults_have_prices() -> None:
    assert {Config().model_draft, Config().model_repair} <= set(BUILT_IN)


def test_a_model_on_this_machine_is_free_unless_the_settings_say_otherwise() -> None:
    assert price_of("qwen", Config(model_base_url="http://127.0.0.1:11434")) == FREE
    assert price_of("qwen", Config(model_base_url="http://localhost:1", model_prices={"qwen": Price(input=1, output=2)})).output == 2
    with pytest.raises(ModelPriceMissing, match=r'model_prices = \{"qwen"'):
        price_of("qwen", Config(model_base_url="http://localhost.example.com"))


def test_the_limit_holds_to_the_micro_dollar_and_zero_is_none() -> None:
    check_limit(4_999_998, 2, Config(model_daily_usd=5))
    check_limit(0, 5_000_000, Config(model_daily_usd=5))
    for spent, most, limit in ((4_999_999, 2, 5.0), (5_000_000, 1, 5.0), (0, 5_000_001, 5.0), (0, 0, 0.0), (0, 1, 0.0)):
        with pytest.raises(ModelSpendLimit):
            check_limit(spent, most, Config(model_daily_usd=limit))
    with pytest.raises(ModelSpendLimit, match=r"Of today's \$1\.50 for the model \$1\.20 are spent .* could cost \$0\.37"):
        check_limit(1_200_000, 370_000, Config(model_daily_usd=1.5))


def test_the_most_is_all_of_the_request_at_its_dearest_and_all_of_the_answer() -> None:
    assert most_of(2000, 500, Price(input=2, output=10)) == 1000 * 2.5 + 500 * 10
    assert most_of(2000, 500, Price(input=2, output=10, cache_write=1)) == 1000 * 2 + 500 * 10
    assert most_of(1, 0, Price(input=2, output=10)) == 3  # half a token is one, and its cost is rounded up
