"""Files that a model names by their URL: fetched on the same ways out as any request, without the server's credentials."""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from urllib.parse import quote, urlsplit

from runner.contract import SpecError
from runner.tools.connection import MAX_BODY, Cut, Unsendable
from runner.tools.decoding import Garbled, decoded
from runner.tools.destination import Destination, NotConnected
from runner.tools.egress import HEADER
from runner.tools.errors import ArgumentError
from runner.tools.files import File
from runner.tools.media import bare
from runner.tools.request import USER_AGENT, HttpRequest

MAX_FILES = 10


async def fetched(urls: Iterable[str], way: Callable[[str], Destination | None]) -> dict[str, File]:
    """The files by their URLs. `way` finds the destination of a base URL, None where the server may not go.

    Raises:
        ArgumentError: one of them is not to be had; the sentence says why.
    """
    found: dict[str, File] = {}
    for url in urls:
        if len(found) == MAX_FILES:
            raise ArgumentError(f"At most {MAX_FILES} files can be fetched in one call.", "")
        found[url] = await _file(url, way)
    return found


async def _file(url: str, way: Callable[[str], Destination | None]) -> File:
    shown = url.partition("?")[0][:200]
    try:
        parts = urlsplit(url)
        destination = way(f"{parts.scheme}://{parts.netloc}")
    except (ValueError, SpecError):
        raise ArgumentError(f"{shown} is not a URL that can be fetched.", "") from None
    if destination is None:
        raise ArgumentError(f"{shown} cannot be fetched: this server may not reach {parts.netloc[:100]}. Give the file as base64 text.", "")
    where = quote(f"{parts.path or '/'}?{parts.query}".rstrip("?"), safe="/%:@!$&'()*+,;=~-._?")
    headers = (("Accept", "*/*"), ("User-Agent", USER_AGENT))
    request = HttpRequest(method="GET", url=f"{parts.scheme}://{parts.netloc}{where}", headers=headers)
    try:
        response = await destination.send(request)
    except (NotConnected, Cut, Unsendable):
        raise ArgumentError(f"{shown} cannot be fetched: {destination.host} gave no answer.", "") from None
    if response.status != HTTPStatus.OK or HEADER in response.headers:
        raise ArgumentError(f"{shown} cannot be fetched: the answer was {response.status}.", "")
    try:
        body = None if response.body is None else decoded(response.body, response.headers.get("content-encoding", ""), limit=MAX_BODY)
    except Garbled as error:
        raise ArgumentError(f"{shown} cannot be fetched: the answer {error}.", "") from None
    if body is None:
        raise ArgumentError(f"{shown} is larger than {MAX_BODY // 1024**2} MiB.", "")
    return File(content=body, media_type=bare(response.headers.get("content-type", "")) or None)
