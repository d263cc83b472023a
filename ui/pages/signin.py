"""The sign-in pages: ask for a link, look at the terminal, confirm, and who is signed in."""

from typing import Literal

from msgspec import Struct

from ui.page import render


class SignInPage(Struct, frozen=True, kw_only=True):
    """`step` says which of the four; `then` is where to go on after signing in, a local path, with the client's name if one waits."""

    step: Literal["ask", "sent", "confirm", "done"]
    form_token: str
    action: str
    person: str | None = None
    then: str | None = None
    client: str | None = None


def sign_in(page: SignInPage) -> str:
    return render("signin.html", page)
