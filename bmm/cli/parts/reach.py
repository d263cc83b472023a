"""Which addresses commands may fetch from: judged as egress judges them."""

from bmm.config import Config
from bmm.egress.classify import refusal
from bmm.egress.dial import own_addresses
from bmm.sources.fetch import Reach


def reach(config: Config, *, allow_private: bool) -> Reach:
    """The rules for a URL that a person typed here."""
    own = own_addresses()
    # First without `own`: a link-local address of this machine is refused for being link-local.
    return Reach(
        refusal=lambda address: refusal(address) or refusal(address, own), exceptions=config.egress_exceptions,
        allow_private=allow_private, typed=True,
    )  # fmt: skip
