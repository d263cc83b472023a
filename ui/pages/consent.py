"""The consent page: who asks, for which server, for what, and where the answer goes."""

from msgspec import Struct

from runner.contract import Scope
from ui.page import render


class ConsentPage(Struct, frozen=True, kw_only=True):
    """`sealed` is the decision the form brings back; `redirect_host` is where the answer goes."""

    client: str
    redirect_host: str
    redirect_uri: str
    loopback: bool
    server: str
    endpoint: str
    scopes: tuple[Scope, ...]
    person: str
    sealed: str
    form_token: str


def consent(page: ConsentPage) -> str:
    return render("consent.html", page)
