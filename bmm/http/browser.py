"""What a browser carries: session and form cookies, and the proof that a form was sent from one of our own pages."""

import base64
import hashlib
import hmac
from collections.abc import Mapping

from litestar.datastructures import Cookie
from msgspec import Struct

from bmm.config import Config
from bmm.http.parts import AnyRequest
from bmm.ids import new_token
from bmm.oauth.errors import PageError
from bmm.oauth.parameters import Parameters
from bmm.oauth.signin import SESSION_LIFE


class Visitor(Struct, frozen=True, kw_only=True):
    """A browser: its session token, if it has one, and the random value that its form tokens are made from."""

    session: str | None
    nonce: str
    new_nonce: bool

    @property
    def form_token(self) -> str:
        """Bound to browser and session: a value from another browser, or from before a sign-in, is refused."""
        mac = hmac.digest(self.nonce.encode(), (self.session or "").encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()


def visitor(request: AnyRequest, config: Config) -> Visitor:
    nonce = request.cookies.get(_name(config, "form"))
    return Visitor(session=request.cookies.get(_name(config, "session")), nonce=nonce or new_token(), new_nonce=not nonce)


def nonce_cookies(config: Config, who: Visitor) -> list[Cookie]:
    """What a page with a form sets, where the browser has no value yet."""
    return [_cookie(config, "form", who.nonce, max_age=None)] if who.new_nonce else []


def session_cookie(config: Config, session: str) -> Cookie:
    return _cookie(config, "session", session, max_age=int(SESSION_LIFE.total_seconds()))


def no_session_cookie(config: Config) -> Cookie:
    return _cookie(config, "session", "", max_age=0)


def then_cookie(config: Config, sealed: str) -> Cookie:
    """The authorization request to go on with after signing in, sealed; short-lived. An empty one clears it."""
    return _cookie(config, "then", sealed, max_age=900 if sealed else 0)


def sealed_then(request: AnyRequest, config: Config) -> str | None:
    return request.cookies.get(_name(config, "then"))


async def read_form(request: AnyRequest) -> Parameters:
    """The fields of a posted form; its size is bounded by the route."""
    return Parameters.parse(await request.body())


def check_form(request: AnyRequest, config: Config, who: Visitor, form: Parameters) -> None:
    """Refuse a form that was not sent from one of our own pages in this browser (attacks 62, 67).

    Raises:
        PageError: 403.
    """
    if not from_here(request.headers, config):
        raise _forged(f"The form was sent from another site. Open {config.public_url} itself.")
    token = form.one("form_token")
    if who.new_nonce or token is None or not hmac.compare_digest(token.encode(), who.form_token.encode()):
        raise _forged("The page was too old, or cookies are blocked. Open it again and repeat the step.")


def from_here(headers: Mapping[str, str], config: Config) -> bool:
    """Whether the headers that scripts cannot set say `same origin`. Programs send neither; for them the form token decides."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None and site != "same-origin":
        return False
    return origin is None or origin.lower() == config.public_url.lower()


def _cookie(config: Config, kind: str, value: str, *, max_age: int | None) -> Cookie:
    return Cookie(key=_name(config, kind), value=value, path="/", max_age=max_age, secure=_is_https(config), httponly=True, samesite="lax")


def _name(config: Config, kind: str) -> str:
    # The prefix keeps sibling sub-domains, which customers' servers have, from setting our cookies; browsers take it only over https.
    return f"__Host-bmm-{kind}" if _is_https(config) else f"bmm-{kind}"


def _is_https(config: Config) -> bool:
    return config.public_url.startswith("https://")


def _forged(message: str) -> PageError:
    return PageError(message, title="This form was not accepted", status=403)
