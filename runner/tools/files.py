"""Files among arguments: base64 text, `data:` URLs (RFC 2397), or http(s) URLs that were fetched before the request is built."""

import binascii
import mimetypes
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from msgspec import Struct

from runner.contract import Body, HttpTool
from runner.tools.errors import ArgumentError

_DATA = re.compile(r"data:([^,]{0,200}?)(;base64)?,", re.IGNORECASE)
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+")
_SPACE = re.compile(r"\s+")
OCTETS = "application/octet-stream"


class File(Struct, frozen=True, kw_only=True):
    """The bytes, and what is known of their name and media type."""

    content: bytes
    name: str | None = None
    media_type: str | None = None


def is_url(value: object) -> bool:
    return isinstance(value, str) and value[:8].lower().startswith(("http://", "https://"))


def urls_in(tool: HttpTool, arguments: Mapping[str, object]) -> list[str]:
    """The URLs that must be fetched before a request can be built, each once, in the order of the arguments."""
    return list(dict.fromkeys(str(value) for value in _file_values(tool.body, arguments) if is_url(value)))


def _file_values(body: Body | None, arguments: Mapping[str, object]) -> Iterator[object]:
    if body is None:
        return
    if body.binary:
        yield arguments.get(body.argument or "")
        return
    if body.argument is not None:
        whole = arguments.get(body.argument)
        content: Mapping[str, object] = whole if isinstance(whole, dict) else {}
    else:
        content = {name: arguments.get(argument) for argument, name in body.fields.items()}
    for name, part in body.parts.items():
        if part.file:
            value = content.get(name)
            yield from value if isinstance(value, list) else [value]


def file_of(value: object, argument: str, fetched: Mapping[str, File]) -> File:
    """The file that an argument's value stands for.

    Raises:
        ArgumentError: it is no text, no base64, or a URL that was not fetched.
    """
    if not isinstance(value, str):
        raise ArgumentError(f"{argument} is a file: give base64 text or an http(s) URL.", argument)
    if is_url(value):
        if value not in fetched:
            raise ArgumentError(f"{argument} names {value[:200]}, which was not fetched. Give the file as base64 text instead.", argument)
        file = fetched[value]
        name = file.name or unquote(urlsplit(value).path.rpartition("/")[2]) or None
        return File(content=file.content, name=name, media_type=file.media_type)
    if match := _DATA.match(value[:300]):
        return _from_data_url(value, match, argument)
    return File(content=_from_base64(value, argument))


def media_type_of(file: File, wanted: str | None) -> str:
    """`wanted` is what the document says: one type, several, or with wildcards; the first that fits the file."""
    known = file.media_type or (mimetypes.guess_type(file.name)[0] if file.name else None)
    choices = [each.strip() for each in (wanted or "").split(",") if each.strip()]
    for choice in choices:
        main, _, sub = choice.partition("/")
        if known and (choice.lower() == known.lower() or choice == "*/*" or (sub == "*" and known.lower().startswith(f"{main.lower()}/"))):
            return known
    plain = [choice for choice in choices if "*" not in choice]
    return plain[0] if plain else known or OCTETS


def _from_data_url(value: str, match: re.Match[str], argument: str) -> File:
    rest = value[match.end() :]
    media_type, *parameters = match.group(1).split(";")
    name = next((unquote(each[5:]) for each in parameters if each.lower().startswith("name=")), None)
    content = _from_base64(unquote(rest), argument) if match.group(2) else unquote_to_bytes(rest)
    return File(content=content, name=name or None, media_type=media_type if _MEDIA_TYPE.fullmatch(media_type) else None)


def _from_base64(text: str, argument: str) -> bytes:
    plain = _SPACE.sub("", text)
    try:
        if "-" in plain or "_" in plain:
            plain = plain.replace("-", "+").replace("_", "/")
        return b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ArgumentError(f"{argument} is a file: give base64 text or an http(s) URL, not the text itself.", argument) from error
