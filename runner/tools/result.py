"""What a call of a tool gives, whatever kind of tool it is."""

from typing import Any

from msgspec import Struct


class ToolAnswer(Struct, frozen=True, kw_only=True):
    """`text` is for the model (None: the blocks say it all); `error_code` is for the call's event."""

    text: str | None
    structured: Any = None
    """The answer itself where it is JSON; the same as the text says. Of a tool whose output schema binds, it must fit that."""
    is_error: bool = False
    error_code: str | None = None
    note: str | None = None
    """About the answer, not of it: what was left out and how to get the rest."""
    following: dict[str, Any] | None = None
    """The arguments that ask for the next page, beside those of this call."""
    blocks: tuple[dict[str, Any], ...] = ()
    """Further content blocks of the protocol: image, audio, resource, resource_link."""

    @property
    def words(self) -> str:
        """The text, or none."""
        return self.text or ""


def failed(code: str, text: str) -> ToolAnswer:
    return ToolAnswer(text=text, is_error=True, error_code=code)


def too_large(limit: int) -> ToolAnswer:
    advice = "Ask for less: a smaller page, fewer fields or a filter."
    return failed("upstream_too_large", f"The answer is larger than {limit // 1024**2} MiB and was not read. {advice}")


def timed_out(seconds: float) -> ToolAnswer:
    advice = "Whether it acted on the request is unknown: check before you repeat a change."
    return failed("upstream_timeout", f"The API did not answer within {seconds:g} seconds. {advice}")


def unreachable(host: str, reason: str) -> ToolAnswer:
    advice = "Try again later; if it stays so, the owner of this server must check the address."
    return failed("upstream_unreachable", f"{host} cannot be reached: {reason}. {advice}")
