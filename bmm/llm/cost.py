"""What an answer costs, and what is left of today's money."""

import math
from urllib.parse import urlsplit

from bmm.config import Config, Price
from bmm.llm.ask import Usage
from bmm.llm.errors import ModelPriceMissing, ModelSpendLimit

# The service's published prices of November 2026; the cheapest model's hold up to 100,000 tokens of input.
BUILT_IN = {
    "claude-haiku-5-5": Price(input=0.10, output=0.50, cache_write=0.125, cache_read=0.01),
    "claude-sonnet-5-5": Price(input=2, output=10, cache_write=2.5, cache_read=0.10),
    "claude-opus-5-5": Price(input=4, output=20, cache_write=5, cache_read=0.20),
    "claude-fable-5-1": Price(input=10, output=50, cache_write=12.5, cache_read=0.25),
}
FREE = Price(input=0, output=0)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def price_of(model: str, config: Config) -> Price:
    """What a model costs: as the settings say, as published, or nothing for a model on this machine.

    Raises:
        ModelPriceMissing: none of the three.
    """
    if price := config.model_prices.get(model):
        return price
    if urlsplit(config.model_base_url).hostname in _LOOPBACK:
        return FREE
    if price := BUILT_IN.get(model):
        return price
    raise ModelPriceMissing(
        f"What {model} costs is not known, so the daily limit could not be kept. "
        f'Add it to the settings: model_prices = {{"{model}" = {{input = 2.0, output = 10.0}}}}, in US dollars for a million tokens.'
    )


def cost_of(usage: Usage, price: Price) -> int:
    """Micro-USD, rounded up: a dollar for a million tokens is a micro-dollar for one."""
    write = price.input * 1.25 if price.cache_write is None else price.cache_write
    read = price.input if price.cache_read is None else price.cache_read
    return math.ceil(usage.input * price.input + usage.output * price.output + usage.cache_write * write + usage.cache_read * read)


def check_limit(spent_micro_usd: int, config: Config) -> None:
    """Refuse to ask when today's money is spent. An answer that is on its way is not cut, so the last one may go over.

    Raises:
        ModelSpendLimit: says what was spent and which setting to raise.
    """
    if spent_micro_usd >= config.model_daily_usd * 1_000_000:
        raise ModelSpendLimit(
            f"Today ${spent_micro_usd / 1_000_000:.2f} of ${config.model_daily_usd:.2f} were spent on the model. "
            "Raise model_daily_usd in the settings, or go on tomorrow (UTC). Documents, databases, curl commands and templates need no model."
        )
