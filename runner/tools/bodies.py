"""The body of a request in its media type: JSON, forms, multipart, XML, text and bytes."""

from collections.abc import Mapping
from hashlib import sha256
from urllib.parse import unquote

import msgspec
from msgspec import Struct

from runner.contract import Body, Part
from runner.tools.errors import ArgumentError
from runner.tools.files import File, file_of, media_type_of
from runner.tools.styles import Encode, as_query, loosely, strictly, text_of
from runner.tools.xml import as_xml

FORM = "application/x-www-form-urlencoded"


class Encoded(Struct, frozen=True, kw_only=True):
    """The bytes and the Content-Type they are sent with."""

    content: bytes
    media_type: str


def encoded_body(body: Body, arguments: Mapping[str, object], files: Mapping[str, File]) -> Encoded | None:
    """The body of one call; None where it has none.

    Raises:
        ArgumentError: an argument is missing or cannot be written.
    """
    if body.argument is not None:
        argument = body.argument
        if argument not in arguments:
            if body.required:
                raise ArgumentError(f"{argument} is needed: it is the body of the request.", argument)
            return None
        value = arguments[argument]
        if body.fixed and isinstance(value, dict):
            value = {**value, **body.fixed}
    else:
        argument = next(iter(body.fields), "body")
        value = {name: arguments[given] for given, name in body.fields.items() if given in arguments} | body.fixed
        if not value and not body.required:
            return None
    try:
        return _encoded(body, argument, value, files)
    except (ValueError, RecursionError) as error:
        raise unwritable(argument) from error


def is_json(media_type: str) -> bool:
    """Whether a media type is JSON or built on it (RFC 6839)."""
    bare = media_type.partition(";")[0].strip().lower()
    return bare.endswith(("+json", "/json"))


def unwritable(argument: str) -> ArgumentError:
    # Half of a surrogate pair, NaN, or nesting without end: JSON decoders let the first pass.
    return ArgumentError(f"{argument} cannot be sent: it holds text or a number that is not valid.", argument)


def _encoded(body: Body, argument: str, value: object, files: Mapping[str, File]) -> Encoded:
    bare = body.media_type.partition(";")[0].strip().lower()
    if body.binary:
        file = file_of(value, argument, files)
        return Encoded(content=file.content, media_type=body.media_type if "*" not in bare else media_type_of(file, bare))
    if bare == FORM and isinstance(value, dict):
        return Encoded(content="&".join(f"{name}={text}" for name, text in _form(body, value)).encode(), media_type=body.media_type)
    if bare.startswith("multipart/"):
        if not isinstance(value, dict):
            raise ArgumentError(f"{argument} must be an object: each of its members becomes a part of the body.", argument)
        return _multipart(bare, _sections(body, value, files))
    if body.xml is not None:
        return Encoded(content=as_xml(body.xml, value), media_type=body.media_type)
    if is_json(body.media_type):
        return Encoded(content=msgspec.json.encode(value), media_type=body.media_type)
    return Encoded(content=text_of(value).encode(), media_type=body.media_type)


def _form(body: Body, value: dict[str, object]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for name, member in value.items():
        part = body.parts.get(name, Part())
        pairs += _pairs(name, member, part, loosely if part.allow_reserved else strictly, strictly)
    return pairs


def _pairs(name: str, value: object, part: Part, encode: Encode, key: Encode) -> list[tuple[str, str]]:
    """By style where one is given; otherwise text for scalars, one pair for each member of a list, JSON for objects."""
    if value is None:
        return []
    if part.style is not None or part.explode is not None:
        style = part.style or "form"
        explode = style == "form" if part.explode is None else part.explode
        return as_query(name, value, style=style, explode=explode, encode=encode)
    if part.content_type is not None and is_json(part.content_type):
        return [(key(name), encode(msgspec.json.encode(value).decode()))]
    members = value if isinstance(value, list) else [value]
    return [(key(name), encode(text_of(each))) for each in members if each is not None]


class _Section(Struct, frozen=True, kw_only=True):
    """One part of a multipart body."""

    name: str
    content: bytes
    file_name: str | None = None
    media_type: str | None = None


def _sections(body: Body, value: dict[str, object], files: Mapping[str, File]) -> list[_Section]:
    arguments = {name: argument for argument, name in body.fields.items()}
    sections: list[_Section] = []
    for name, member in value.items():
        part = body.parts.get(name, Part())
        if member is None:
            continue
        if part.file:
            given = member if isinstance(member, list) else [member]
            sections += [_file(name, file_of(each, arguments.get(name, name), files), part) for each in given if each is not None]
        elif part.style is not None or part.explode is not None:
            # Only a query needs its names percent-encoded (RFC 7578 section 2).
            sections += [_Section(name=unquote(key), content=text.encode()) for key, text in _pairs(name, member, part, str, str)]
        elif part.content_type is not None and is_json(part.content_type):
            sections.append(_Section(name=name, content=msgspec.json.encode(member), media_type=part.content_type))
        else:
            sections += [_text(name, each, part) for each in (member if isinstance(member, list) else [member]) if each is not None]
    return sections


def _file(name: str, file: File, part: Part) -> _Section:
    return _Section(name=name, content=file.content, file_name=file.name or name, media_type=media_type_of(file, part.content_type))


def _text(name: str, value: object, part: Part) -> _Section:
    wanted = part.content_type if part.content_type and "*" not in part.content_type else None
    media_type = wanted.partition(",")[0].strip() if wanted else "application/json" if isinstance(value, dict | list) else None
    return _Section(name=name, content=text_of(value).encode(), media_type=media_type)


def _multipart(media_type: str, sections: list[_Section]) -> Encoded:
    digest = sha256()
    for section in sections:
        digest.update(section.content)
    boundary = f"bmm-{digest.hexdigest()[:32]}"
    written = bytearray()
    for section in sections:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(section.name)}"'
        head += f'; filename="{_quoted(section.file_name)}"' if section.file_name is not None else ""
        head += f"\r\nContent-Type: {section.media_type}" if section.media_type is not None else ""
        written += f"{head}\r\n\r\n".encode() + section.content + b"\r\n"
    written += f"--{boundary}--\r\n".encode()
    return Encoded(content=bytes(written), media_type=f"{media_type}; boundary={boundary}")


def _quoted(text: str) -> str:
    """As browsers do (HTML, multipart form data)."""
    return text.replace("\r\n", "%0D%0A").replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
