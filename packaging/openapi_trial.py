"""Tries the tools of one document: arguments from a published schema, the request that comes of them, and the validator's word on it."""

import time
from collections.abc import Callable
from typing import Any

from openapi_arguments import Arguments
from openapi_failures import SENDER
from openapi_requests import Checked, Sent
from openapi_worker import Tried

Sender = Callable[[dict[str, Any]], Sent]


class Refused(Exception):
    """No request was made of the arguments; the sentence says why."""


class Trial:
    """All requests of one document; after `seconds` the rest is counted as unreached."""

    def __init__(self, document: dict[str, Any], *, secured: bool, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self._checked = Checked(document, secured=secured)
        self.tried: list[Tried] = []

    def tool(self, send: Sender, *, schema: dict[str, Any], method: str, path: str, operation_id: str) -> None:
        """Every set of arguments of one tool."""
        operation = f"{method} {path}"
        if time.monotonic() > self._until:
            self.tried.append(Tried(operation=operation, arguments="", verdict="unreached"))
            return
        try:
            known = Arguments(schema)
        except ValueError as error:
            said = str(error)[:300]
            self.tried.append(
                Tried(
                    operation=operation, arguments="", verdict="invalid", blame=SENDER, label="publishes no valid JSON Schema", detail=said
                )
            )
            return
        for named, arguments in known.sets():
            self.tried.append(self._one(send, arguments, operation=operation, named=named, path=path, operation_id=operation_id))

    def _one(self, send: Sender, arguments: dict[str, Any] | None, *, operation: str, named: str, path: str, operation_id: str) -> Tried:
        if arguments is None:
            return Tried(operation=operation, arguments=named, verdict="unfound")
        try:
            sent = send(arguments)
        except Refused as error:
            return Tried(operation=operation, arguments=named, verdict="refused", blame=SENDER, label="refuses", detail=str(error)[:300])
        failures = self._checked.problems(sent, path=path, operation_id=operation_id)
        if not failures:
            return Tried(operation=operation, arguments=named, verdict="valid")
        worst = next((each for each in failures if each.blame == SENDER), failures[0])
        verdict = "invalid" if worst.blame == SENDER else "excused"
        return Tried(
            operation=operation, arguments=named, verdict=verdict, blame=worst.blame, label=worst.label, detail=worst.detail[:1200]
        )
