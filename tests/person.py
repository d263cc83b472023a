"""A person at a browser, for tests and the demo: opens pages, submits their real forms, follows redirects and keeps cookies."""

import re
import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2


class Form:
    """A form as the page has it: where it goes, its hidden fields, and its buttons' values by name."""

    def __init__(self, action: str) -> None:
        self.action = action
        self.fields: dict[str, str] = {}
        self.buttons: dict[str, list[str]] = {}


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(values.get("action", "")))
        elif self.forms and tag == "input" and values.get("name"):
            self.forms[-1].fields[values["name"]] = values.get("value", "")
        elif self.forms and tag == "button" and values.get("name"):
            self.forms[-1].buttons.setdefault(values["name"], []).append(values.get("value", ""))


class Person:
    """`announced` returns the sign-in link that the terminal of `bmm serve` shows, newer than what it showed before."""

    def __init__(self, origin: str, announced: Callable[[], str], tell: Callable[[str], None] = lambda _: None) -> None:
        self._origin, self._announced, self._tell = origin, announced, tell
        self._browser = httpx2.Client(timeout=90)

    def sign_in(self) -> None:
        """Ask for a link, find it in the terminal, open it and confirm."""
        page = self._open(f"{self._origin}/signin")
        self._submit(page)
        self._follow_link(self._announced())

    def decide(self, authorize_url: str, answer: str = "approve") -> dict[str, str]:
        """Open an authorization request, sign in where asked, press a button, and return the parameters the client is sent."""
        page = self._open(authorize_url)
        if "decision" not in _form(page).fields:
            self._tell("not signed in yet: asks for a sign-in link and opens it")
            self._submit(page)
            self._follow_link(self._announced())
            page = self._open(authorize_url)
        self._tell(f"consent page: presses {answer!r}")
        sent_to = self._submit(page, answer=answer)
        return {name: values[0] for name, values in parse_qs(urlsplit(str(sent_to.url)).query).items()}

    def close(self) -> None:
        self._browser.close()

    def _follow_link(self, link: str) -> None:
        self._submit(self._open(link))

    def _open(self, url: str) -> httpx2.Response:
        return self._land(self._browser.get(url))

    def _submit(self, page: httpx2.Response, **pressed: str) -> httpx2.Response:
        form = _form(page)
        headers = {"Origin": self._origin, "Sec-Fetch-Site": "same-origin"}
        return self._land(self._browser.post(urljoin(str(page.url), form.action), data=form.fields | pressed, headers=headers))

    def _land(self, response: httpx2.Response) -> httpx2.Response:
        """Follow redirects as long as they stay at home; one that leads to a client is where a test wants to stop."""
        for _ in range(10):
            if not response.is_redirect:
                response.raise_for_status()
                return response
            target = urljoin(str(response.url), response.headers["location"])
            if not target.startswith(f"{self._origin}/"):
                return httpx2.Response(200, request=httpx2.Request("GET", target))
            response = self._browser.get(target)
        raise AssertionError("more than ten redirects")


def link_in_log(log: Path, seconds: float = 60) -> Callable[[], str]:
    """Waits for the next sign-in link in the output of `bmm serve`."""
    seen = len(_links(log))

    def announced() -> str:
        nonlocal seen
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            links = _links(log)
            if len(links) > seen:
                seen = len(links)
                return links[-1]
            time.sleep(0.02)
        raise AssertionError(f"no sign-in link appeared in {log}")

    return announced


def _links(log: Path) -> list[str]:
    return re.findall(r"https?://\S+/signin/\S+", log.read_text()) if log.exists() else []


def _form(page: httpx2.Response) -> Form:
    parser = _Forms()
    parser.feed(page.text)
    assert parser.forms, f"no form at {page.url}: {page.text[:300]}"
    # The consent form carries the decision; other forms on a page, such as sign-out, come after it.
    return next((form for form in parser.forms if "decision" in form.fields), parser.forms[0])
