"""Several OpenAPI documents → one spec: each is compiled by itself, with what of the options fits it and with its share of the tools."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from bmm.sources.finding import Compiled, Finding
from bmm.sources.merge import merged
from bmm.sources.openapi import compile_openapi
from bmm.sources.openapi.choose import NothingPasses
from bmm.sources.openapi.options import Options, OptionsUnused

Document = tuple[bytes, str | None]
"""The bytes, and the URL they came from, if any."""


class _Part(Struct, frozen=True):
    """What one document gives. `options` are those that fit it."""

    document: Document
    options: Options
    compiled: Compiled


def compile_documents(documents: Sequence[Document], *, options: Options) -> Compiled:
    """The spec of OpenAPI or Swagger documents. A filter, a pin, a pick or a server's variable has to fit one of them, not all.

    Raises:
        UnusableDocument: nothing can be made of one of them.
        BadInput: an option fits none of them, or together they are more than a spec may hold.
    """
    if len(documents) == 1:
        return compile_openapi(documents[0][0], location=documents[0][1], options=options)
    # Each keeps its own title: secrets and clashing tools are named after it.
    own = msgspec.structs.replace(options, name=None)
    parts: list[_Part] = []
    without: list[NothingPasses] = []
    for each in documents:
        try:
            parts.append(_part(each, own))
        except NothingPasses as error:
            without.append(error)
    if not parts:
        raise without[0]
    _every_option_fitted(parts, options)
    if sum(len(part.compiled.spec.tools) for part in parts) > options.max_tools:
        # So that the first does not take all there is.
        shares = _shares([len(part.compiled.spec.tools) for part in parts], options.max_tools)
        parts = [_part(part.document, msgspec.structs.replace(part.options, max_tools=share)) for part, share in zip(parts, shares, strict=True)]
    found = merged([part.compiled for part in parts], name=options.name)
    if options.name is not None and len(parts) == 1:
        found = msgspec.structs.replace(found, spec=msgspec.structs.replace(found.spec, name=options.name[:80]))
    notes = [Finding(level="note", pointer="", message=f"one document gives no tools: {error.user_message}") for error in without]
    return msgspec.structs.replace(found, findings=(*found.findings, *notes))


def _part(document: Document, options: Options) -> _Part:
    data, location = document
    try:
        return _Part(document, options, compile_openapi(data, location=location, options=options))
    except OptionsUnused as error:
        pins = {name: value for name, value in options.pins.items() if name not in error.pins}
        picks = {name: fields for name, fields in options.picks.items() if name not in error.picks}
        variables = {name: value for name, value in options.server_vars.items() if name not in error.variables}
        fitting = msgspec.structs.replace(options, pins=pins, picks=picks, server_vars=variables)
        return _Part(document, fitting, compile_openapi(data, location=location, options=fitting))


def _every_option_fitted(parts: Sequence[_Part], options: Options) -> None:
    pins = options.pins.keys() - {name for part in parts for name in part.options.pins}
    picks = options.picks.keys() - {name for part in parts for name in part.options.picks}
    variables = options.server_vars.keys() - {name for part in parts for name in part.options.server_vars}
    if pins or picks or variables:
        raise OptionsUnused(pins=pins, picks=picks, variables=variables)


def _shares(counts: list[int], limit: int) -> list[int]:
    """At least one tool each; what a small document does not need goes to the others."""
    shares = [0] * len(counts)
    left = max(limit, len(counts))
    while left and any(share < count for share, count in zip(shares, counts, strict=True)):
        for number, count in enumerate(counts):
            if left and shares[number] < count:
                shares[number] += 1
                left -= 1
    return shares
