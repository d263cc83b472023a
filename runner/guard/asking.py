"""Questions to clients: sealed between two requests on 2026-07-28, as requests on the answer's stream before (docs/decisions/013)."""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from runner.guard.exchange import Exchange
from runner.guard.sealed import Sealer, StateRefused
from runner.protocol.jsonrpc import encode
from runner.protocol.requests import Answered, Kind
from runner.tools.context import Level, Question, Unanswered

ANSWER_SECONDS = 300.0
MAX_CLIENTS = 4096
DEFAULT_LEVEL: Level = "info"

_answers = msgspec.json.Decoder(dict[str, dict[str, Any]]).decode
_result = msgspec.json.Decoder(dict[str, Any]).decode


class _Known(Struct):
    """What a client before 2026-07-28 has said under one grant."""

    kinds: frozenset[Kind] = frozenset()
    level: Level = DEFAULT_LEVEL


class _Sent(Struct, eq=False):
    """A request on its way to a client."""

    grant: str
    exchange: Exchange
    answer: "asyncio.Future[dict[str, Any]]"


class Asking:
    """All questions of one server, and what it remembers of clients without sessions: the newest `MAX_CLIENTS`, until it stops."""

    def __init__(self, sealer: Sealer, *, seconds: float = ANSWER_SECONDS) -> None:
        """`seconds` is what a client has to answer a request; the time of a tool does not count meanwhile."""
        self._sealer, self._seconds = sealer, seconds
        self._clients: OrderedDict[str, _Known] = OrderedDict()
        self._sent: dict[str, _Sent] = {}
        self._stopped = False

    def declare(self, grant: str, kinds: frozenset[Kind]) -> None:
        self._client(grant).kinds = kinds

    def set_level(self, grant: str, level: Level) -> None:
        self._client(grant).level = level

    def kinds(self, grant: str) -> frozenset[Kind]:
        known = self._clients.get(grant)
        return frozenset() if known is None else known.kinds

    def level_of(self, grant: str) -> Level:
        known = self._clients.get(grant)
        return DEFAULT_LEVEL if known is None else known.level

    def opened(self, state: str, principal: str, request: bytes, *, now: float) -> dict[str, dict[str, Any]]:
        """The answers of earlier rounds.

        Raises:
            StateRefused: the state is not of this person and request, was altered or has expired.
        """
        try:
            return _answers(self._sealer.open(state, principal=principal, request=request, now=now))
        except msgspec.DecodeError:
            raise StateRefused("has a form that this version of the server does not know; send the request anew without it") from None

    def sealed(self, answers: Mapping[str, dict[str, Any]], principal: str, request: bytes, *, now: float) -> str:
        return self._sealer.seal(encode(answers), principal=principal, request=request, now=now)

    async def ask(self, exchange: Exchange, grant: str, questions: Mapping[str, Question]) -> dict[str, dict[str, Any]]:
        """Send requests on the stream of an answer, and wait for the responses that come in requests of their own.

        Raises:
            Unanswered: an error, nothing in time, or the client or this server has gone.
        """
        if self._stopped:
            raise Unanswered("The server is about to be replaced and cannot ask the client. Call the tool again.")
        loop = asyncio.get_running_loop()
        # An id that cannot be guessed: whoever answers must have read the stream.
        sent = {f"ask-{secrets.token_urlsafe(18)}": (key, _Sent(grant, exchange, loop.create_future())) for key in questions}
        self._sent |= {request_id: one for request_id, (_, one) in sent.items()}
        try:
            async with asyncio.timeout(self._seconds):
                for request_id, (key, _) in sent.items():
                    question = questions[key]
                    request = {"jsonrpc": "2.0", "id": request_id, "method": question.method, "params": question.params}
                    if not await exchange.notify(encode(request)):
                        raise Unanswered("The client has gone before it could be asked.")
                return {key: await one.answer for key, one in sent.values()}
        except TimeoutError:
            raise Unanswered(f"The client was asked and did not answer within {self._seconds:g} seconds.") from None
        finally:
            for request_id, (_, one) in sent.items():
                del self._sent[request_id]
                one.answer.cancel()

    def answered(self, grant: str, answer: Answered) -> None:
        """Hand a response to whoever waits for it. One that nobody waits for, or of another grant, is ignored."""
        sent = self._sent.get(answer.id) if isinstance(answer.id, str) else None
        if sent is None or sent.grant != grant or sent.answer.done():
            return
        try:
            if answer.result is None:
                raise Unanswered("The client was asked and answered with an error.")
            sent.answer.set_result(_result(answer.result))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            _fail(sent, Unanswered("The client's answer could not be read."))
        except Unanswered as error:
            _fail(sent, error)

    def abandon(self, exchange: Exchange) -> None:
        """Whoever could read the questions on this stream has gone."""
        for sent in self._sent.values():
            if sent.exchange is exchange:
                _fail(sent, Unanswered("The client has gone without an answer."))

    def stop(self) -> None:
        """Answers would reach the next version, which knows nothing of the questions."""
        self._stopped = True
        for sent in self._sent.values():
            _fail(sent, Unanswered("The server is about to be replaced before the client had answered. Call the tool again."))

    def _client(self, grant: str) -> _Known:
        known = self._clients.setdefault(grant, _Known())
        self._clients.move_to_end(grant)
        if len(self._clients) > MAX_CLIENTS:
            self._clients.popitem(last=False)
        return known


def _fail(sent: _Sent, error: Unanswered) -> None:
    if not sent.answer.done():
        sent.answer.set_exception(error)
        # Of several questions only the first failure is looked at.
        sent.answer.exception()
