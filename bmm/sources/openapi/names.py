"""Names a document gives, made legal, unique and stable: of tools, of arguments and of secrets."""

import re
import unicodedata
from collections.abc import Iterable
from hashlib import sha256

from runner.contract import TOOL_NAME

MAX_NAME = 64
# What model providers accept as the name of a property.
_ARGUMENT = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_EMPTY = {"SWAGGER", "OPENAPI", "REST", "V1", "V2", "V3", "THE"}
_NOISE = {"AUTH", "AUTHENTICATION", "AUTHORIZATION", "SECURITY", "SCHEME"}


def tool_names(wanted: Iterable[tuple[str | None, str, str]]) -> list[str]:
    """One name per operation, given as (operationId, method, path).

    A legal operationId stays as it is. What had to be changed, or is there twice, gets a hash of what it came from, so that a
    name does not depend on which other operations there are.
    """
    operations = list(wanted)
    kept: dict[str, int] = {}
    for number, (operation_id, _, _) in enumerate(operations):
        if operation_id is not None and re.fullmatch(TOOL_NAME, operation_id):
            kept.setdefault(operation_id, number)
    taken = set(kept)
    names: list[str] = []
    for number, (operation_id, method, path) in enumerate(operations):
        if operation_id is not None and kept.get(operation_id) == number:
            names.append(operation_id)
            continue
        source = f"{method} {path}"
        name = legal_name(operation_id or "") or legal_name(f"{method.lower()}_{path}") or f"{method.lower()}_root"
        if name in taken:
            name = with_hash(name, source)
        taken.add(name)
        names.append(name)
    return names


def legal_name(text: str) -> str:
    """The nearest text that fits TOOL_NAME; `""` when nothing of it fits."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    name = re.sub(r"[^a-zA-Z0-9-]+", "_", plain).strip("_-")
    if not name:
        return ""
    if not name[0].isalpha():
        name = f"op_{name}"
    return name if len(name) <= MAX_NAME else with_hash(name, text)


def with_hash(name: str, source: str) -> str:
    return f"{name[: MAX_NAME - 9].rstrip('_-')}_{sha256(source.encode('utf-8', 'replace')).hexdigest()[:8]}"


class ArgumentNames:
    """The argument names of one tool: a parameter's own name where it can be had."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def give(self, name: str, place: str) -> str:
        """`place` (query, body, …) tells two of one name apart; path parameters come first and keep theirs."""
        legal = name if _ARGUMENT.fullmatch(name) else re.sub(r"[^a-zA-Z0-9_.-]+", "_", name).strip("_.")
        if not legal or len(legal) > MAX_NAME:
            legal = with_hash(legal or place, name)
        for choice in (legal, f"{legal[: MAX_NAME - 10]}_{place}", with_hash(legal, f"{place} {name}")):
            if choice not in self._taken:
                break
        self._taken.add(choice)
        return choice


def secret_key(title: str, scheme: str, ending: str = "") -> str:
    """UPPER_SNAKE of the API's title and the scheme's name: Shop + apiKey -> SHOP_API_KEY."""
    first, second = [word for word in _words(title) if word not in _EMPTY and not word.isdigit()][:4], _words(scheme)
    while len(second) > 1 and second[-1] in _NOISE and second[:-1] != first[-len(second) + 1 :]:
        second.pop()
    if ending and second[-1:] != [ending]:
        second.append(ending)
    overlap = next((size for size in (2, 1) if first[-size:] == second[:size]), 0)
    words = [*first, *second[overlap:]] or ["SECRET"]
    key = "_".join(words)
    if not key[0].isalpha():
        key = f"API_{key}"
    return key if len(key) <= MAX_NAME else with_hash(key, f"{title} {scheme}").upper()


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    plain = plain.replace("OAuth", "Oauth").replace("OpenAPI", "Openapi")
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z0-9])(?=[A-Z][a-z])", " ", plain)
    return [word.upper() for word in re.findall(r"[A-Za-z0-9]+", spaced)]
