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
_FEWEST_BYTES_PER_TOKEN = 2
"""Of a whole request: prose has four and more, digits and rare scripts fewer than three."""
_WITHOUT = "Documents, databases, curl commands and templates need no model."
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


def most_of(asked: int, most_tokens: int, price: Price) -> int:
    """The most that the answer to a request of so many bytes can cost, in micro-USD: all of it new to the cache, and as long as it may be."""
    tokens = math.ceil(asked / _FEWEST_BYTES_PER_TOKEN)
    return max(cost_of(given, price) for given in (Usage(input=tokens, output=most_tokens), Usage(cache_write=tokens, output=most_tokens)))


def check_limit(spent: int, most: int, config: Config) -> None:
    """Refuse to ask what could cost more than is left of today. `spent` (micro-USD) has the most that answers under way can cost, `most` is
    that of the next one.

    Raises:
        ModelSpendLimit: says what was spent and which setting to change.
    """
    if config.model_daily_usd == 0:
        raise ModelSpendLimit(f"The model is switched off: model_daily_usd is 0 in the settings. {_WITHOUT}")
    if spent + most > config.model_daily_usd * 1_000_000:
        raise ModelSpendLimit(
            f"Of today's ${config.model_daily_usd:.2f} for the model ${spent / 1_000_000:.2f} are spent or set aside for answers under way, and "
            f"this one could cost ${most / 1_000_000:.2f}. Raise model_daily_usd or lower model_max_tokens in the settings, or go on tomorrow "
            f"(UTC). {_WITHOUT}"
        )
