"""A page that says one thing and the next step: errors, and small successes."""

from msgspec import Struct

from ui.page import render


class MessagePage(Struct, frozen=True, kw_only=True):
    """`link` is (label, local path) of the next step."""

    title: str
    text: str
    kind: str = "info"
    detail: str | None = None
    link: tuple[str, str] | None = None


def message(page: MessagePage) -> str:
    return render("message.html", page)
