"""Rendering a page: templates with autoescape on, and the headers every page is sent with."""

import hashlib
from collections.abc import Sequence
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Response
from litestar.datastructures import Cookie
from msgspec import Struct

STYLE = (files("ui") / "static" / "app.css").read_bytes()
STYLE_URL = f"/static/app.css?v={hashlib.sha256(STYLE).hexdigest()[:12]}"

_templates = Environment(
    loader=PackageLoader("ui", "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_templates.globals["style_url"] = STYLE_URL


def render(template: str, page: Struct) -> str:
    """The HTML of a page; the template only prints `page`."""
    return _templates.get_template(template).render(page=page)


def answer(html: str, *, status: int = 200, form_action: str = "'self'", cookies: Sequence[Cookie] = ()) -> Response[str]:
    """A page as a response. `form_action` is what its forms may lead to, redirects included."""
    return Response(html, status_code=status, media_type="text/html", headers=headers(form_action), cookies=list(cookies))


def headers(form_action: str = "'self'") -> dict[str, str]:
    """No script, no frame, nothing from elsewhere, nothing kept."""
    return {
        "Content-Security-Policy": (
            "default-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
            f"base-uri 'none'; frame-ancestors 'none'; form-action {form_action}"
        ),
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        # Not `no-referrer`: under it browsers send `Origin: null` with our own forms (Fetch, "append a request Origin header"),
        # and the check of where a form came from would refuse everybody. To other sites both send nothing.
        "Referrer-Policy": "same-origin",
        "Cache-Control": "no-store",
        # No Cross-Origin-Opener-Policy: clients that open the consent page in a pop-up wait for its window.opener.
    }
