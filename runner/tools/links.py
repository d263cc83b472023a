"""The `Link` header (RFC 8288)."""

import re

_LINK = re.compile(r'<([^<>]*)>((?:\s*;\s*[^\s;,="<>]+(?:\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^\s";,<>]*))?)*)')
_PARAMETER = re.compile(r';\s*([^\s;,="]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s";,]*)))?')


def related(header: str, relation: str) -> str | None:
    """The target of the first link with this relation; links with another context (`anchor`) do not count (section 3.2)."""
    for link in _LINK.finditer(header):
        found: dict[str, str] = {}
        for parameter in _PARAMETER.finditer(link[2]):
            # Of several `rel` only the first counts (section 3.3).
            found.setdefault(
                parameter[1].lower(), re.sub(r"\\(.)", r"\1", parameter[2]) if parameter[2] is not None else parameter[3] or ""
            )
        if "anchor" not in found and relation in found.get("rel", "").lower().split():
            return link[1].strip()
    return None
