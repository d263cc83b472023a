"""A document from the web: bounded in redirects, time and size."""

import asyncio
from collections.abc import Callable
from urllib.parse import urljoin, urlsplit

import httpx2

from bmm.errors import BadInput

MAX_REDIRECTS = 3
SECONDS = 30.0
_ACCEPT = "application/vnd.oai.openapi+json, application/json, application/yaml, text/yaml, */*;q=0.5"


def fetch(url: str, *, limit: int, say: Callable[[str], None]) -> tuple[bytes, str]:
    """The document and the URL it finally came from; `say` hears of every request.

    Raises:
        BadInput: not an http(s) URL, nobody answers within 30 s in all, too many redirects, a status other than 200, or more than
            `limit` bytes.
    """
    try:
        return asyncio.run(_fetch(url, limit, say))
    except TimeoutError as error:
        raise BadInput(f"{url} did not answer completely within {SECONDS:g} seconds.") from error
    except (httpx2.InvalidURL, ValueError) as error:
        raise BadInput(f"{url!r} is not a URL: {error}.") from error
    except httpx2.HTTPError as error:
        raise BadInput(f"{url} cannot be fetched: {error or type(error).__name__}.") from error


async def _fetch(url: str, limit: int, say: Callable[[str], None]) -> tuple[bytes, str]:
    # Compressed answers could be far larger than what was received when the limit is looked at.
    headers = {"Accept": _ACCEPT, "Accept-Encoding": "identity", "User-Agent": "BuildMyMCPServer"}
    async with asyncio.timeout(SECONDS), httpx2.AsyncClient(headers=headers, timeout=SECONDS) as client:
        for _ in range(MAX_REDIRECTS + 1):
            if urlsplit(url).scheme not in ("http", "https"):
                raise BadInput(f"{url!r} is not an http or https URL.")
            async with client.stream("GET", url) as response:
                if response.is_redirect:
                    say(f"{url} redirects ({response.status_code})")
                    url = urljoin(url, response.headers.get("location", ""))
                    continue
                if response.status_code != 200:
                    raise BadInput(f"{url} answered with {response.status_code} {response.reason_phrase}; a document was expected.")
                body = await _read(response, limit, url)
                say(f"fetched {url} ({len(body):,} bytes, {response.headers.get('content-type', 'no type')})")
                return body, url
    raise BadInput(f"More than {MAX_REDIRECTS} redirects; give the URL of the document itself, such as {url}.")


async def _read(response: httpx2.Response, limit: int, url: str) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > limit:
            raise BadInput(f"{url} is larger than {limit // 1024**2} MiB, the limit for documents.")
    return bytes(body)
