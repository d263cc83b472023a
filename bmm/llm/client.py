"""The one client of a model: one request, streamed, one answer or one typed error. The only module that imports the SDK."""

import hashlib
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx2
import msgspec

from bmm.config import MODEL_SERVICE, Config
from bmm.llm.ask import Answer, Ask, Kind
from bmm.llm.cost import cost_of, most_of, price_of
from bmm.llm.current import is_kept
from bmm.llm.errors import (
    ModelAnswerInvalid,
    ModelCut,
    ModelError,
    ModelKeyInRequest,
    ModelKeyMissing,
    ModelNotFound,
    ModelProse,
    ModelRefused,
    ModelTimedOut,
    ModelTooLong,
    ModelTruncated,
    ModelUnreachable,
)
from bmm.llm.partial import Unusable
from bmm.llm.prompt import prompt_for
from bmm.llm.received import SUBMIT, Received
from bmm.llm.refusals import STATUS_OF, quoted, refusal
from bmm.llm.schema import submit_schema
from bmm.llm.strict import InvalidSpec, read_spec
from runner.contract import ServerSpec

if TYPE_CHECKING:
    from anthropic import Anthropic

OnTool = Callable[[dict[str, Any]], None]
_CONNECT_SECONDS = 10.0
_MAX_STREAM_BYTES = 64 * 1024 * 1024
"""Of a whole response; the events around the tokens are many times larger than these."""
# No connection was made, so the request was not sent.
_NOT_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
    httpx2.InvalidURL,
)


class _Late(Exception):
    """The deadline of the answer."""


class Model:
    """Asks the model of the settings. Synchronous: made for a job's thread."""

    def __init__(self, config: Config, *, inspect: Callable[[str], None]) -> None:
        """`inspect` sees every text that is new to the model before it is sent, and raises where it must not be."""
        self._config, self._inspect = config, inspect
        self._where = urlsplit(config.model_base_url).netloc

    def name_for(self, kind: Kind) -> str:
        """The model that answers this kind of request."""
        return self._config.model_repair if kind == "repair" else self._config.model_draft

    def load(self) -> None:
        """Load the SDK. It takes half a second the first time, in which a request that counts as asked would not have left."""
        import anthropic  # noqa: F401

    def digest(self, ask: Ask) -> str:
        """SHA-256 of the request as it would be sent, without the key: equal requests have equal digests."""
        return hashlib.sha256(msgspec.json.encode([self._config.model_base_url, self._request(ask)])).hexdigest()

    def most_cost(self, ask: Ask) -> int:
        """The most that the answer can cost, in micro-USD.

        Raises:
            ModelPriceMissing: what the model costs is not known.
        """
        price, config = price_of(self.name_for(ask.kind), self._config), self._config
        return most_of(len(msgspec.json.encode(self._request(ask))), config.model_max_tokens, price)

    def answer(self, ask: Ask, on_tool: OnTool = lambda tool: None) -> Answer:
        """Send one request and read its answer; `on_tool` gets each new tool's object as soon as the model has closed it, unchecked.

        That there is money for it, up to `most_cost`, is the caller's to know.

        Raises:
            ModelError: one of `bmm.llm.errors`; nothing is retried here.
            BmmError: what `inspect` raised; nothing was sent.
        """
        self._check(ask)
        request, began = self._request(ask), time.monotonic()
        received = Received(asked=len(msgspec.json.encode(request)))
        document: dict[str, Any] = {}
        spec: ServerSpec | None = None

        def record() -> Answer:
            usage = received.usage
            return Answer(
                document=document, spec=spec, text=received.prose if received.submitted is None else received.submitted, usage=usage,
                cost_micro_usd=cost_of(usage, price_of(request["model"], self._config)), stop_reason=received.stop_reason,
                model=received.model or request["model"], prompt_version=prompt_for(ask.kind).version,
                ms=round((time.monotonic() - began) * 1000),
            )  # fmt: skip

        try:
            with closing(self._tools(request, received, deadline=began + self._config.model_deadline)) as tools:
                for tool in tools:
                    on_tool(tool)
            document, spec = self._judged(received, ask)
        except ModelError as error:
            if isinstance(error.__cause__, InvalidSpec):
                document = error.__cause__.document
            error.paid = error.paid or received.has_begun or received.is_whole
            error.answer = record() if error.paid else None
            raise
        return record()

    def _check(self, ask: Ask) -> None:
        """Everything that can be said before a request is sent."""
        config = self._config
        if not config.model_key and config.model_base_url == MODEL_SERVICE:
            raise ModelKeyMissing(
                "No key for the model is set. Set model_key in the settings (or the variable BMM_MODEL_KEY), or begin from an OpenAPI document, "
                "a database, a curl command or a template, which need none."
            )
        if config.model_key and config.model_key in ask.text:
            raise ModelKeyInRequest("The text holds the key of the model's service. Take it out; a key is never sent in a text.")
        if not ask.inspected:
            self._inspect(ask.text)
        price_of(self.name_for(ask.kind), config)

    def _request(self, ask: Ask) -> dict[str, Any]:
        """The body of the request. What every request shares comes first and is marked, so that the service's cache serves it."""
        prompt, config = prompt_for(ask.kind), self._config
        tool = {
            "name": SUBMIT, "description": "Submit the server's spec. Call it exactly once; nothing else that you write is read.",
            "input_schema": submit_schema(), "eager_input_streaming": True,
        }  # fmt: skip
        cached = {"cache_control": {"type": "ephemeral"}}
        return {
            "model": self.name_for(ask.kind),
            "max_tokens": config.model_max_tokens,
            "tools": [tool],
            # Models that think refuse a forced tool; the prompts ask for the call, and prose is an error of its own.
            "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
            "system": [{"type": "text", "text": text, **cached} for text in (prompt.common, prompt.special)],
            "messages": [{"role": "user", "content": ask.text}],
            **({"output_config": {"effort": config.model_effort}} if config.model_effort else {}),
        }

    def _tools(self, request: dict[str, Any], received: Received, *, deadline: float) -> Generator[dict[str, Any], None, None]:
        """Send the request and take in its answer; yields the new tools on the way."""
        import anthropic

        try:
            with self._client(deadline) as client, client.messages.create(**request, stream=True) as stream:
                if "event-stream" not in stream.response.headers.get("content-type", ""):
                    raise ModelNotFound(
                        f"{self._where} does not answer as a model does. Check model_base_url in the settings: it must speak the Messages protocol."
                    )
                # The SDK's own events leave out the pings and read the half of a spec anew with every piece.
                for event in anthropic.Stream.raw_events(stream.response):
                    if event.data:
                        yield from (tool for tool in received.take(event.data) if not is_kept(tool))
                    if received.is_whole or received.trouble or received.fault:
                        return
        except anthropic.APIStatusError as error:
            raise self._refusal(
                error.status_code, error.api_message or "", error.error_code or "", error.response.headers, request["model"]
            ) from None
        except anthropic.APIConnectionError as error:
            raise self._broken(error.__cause__ or error) from error
        except (_Late, httpx2.HTTPError, httpx2.InvalidURL, UnicodeDecodeError, msgspec.DecodeError) as error:
            raise self._broken(error) from error

    def _refusal(self, status: int, message: str, code: str, headers: Mapping[str, str], model: str) -> ModelError:
        return refusal(status, self._safe(message), where=self._where, model=model, code=code, headers=headers)

    def _safe(self, text: str) -> str:
        """A service's words without the key, which some repeat."""
        return text.replace(self._config.model_key, "…") if self._config.model_key else text

    def _broken(self, error: BaseException) -> ModelError:
        """The error of a request that found no answer, or only a part of it."""
        if isinstance(error, _NOT_SENT):
            return ModelUnreachable(
                f"{self._where} cannot be reached{quoted(str(error))}. Check model_base_url and the network."
            )
        if isinstance(error, _Late):
            seconds, name = self._config.model_deadline, "model_deadline"
        elif isinstance(error, httpx2.TimeoutException):
            seconds, name = self._config.model_timeout, "model_timeout"
        else:
            return ModelCut(f"The answer of {self._where} broke off. What came of it may have been paid; ask again.")
        how = "was not finished after" if name == "model_deadline" else "said nothing for"
        return ModelTimedOut(
            f"The answer of {self._where} {how} {seconds:g} s. It may have been paid; ask again, or raise {name} in the settings."
        )

    def _judged(self, received: Received, ask: Ask) -> tuple[dict[str, Any], ServerSpec]:
        """The submitted document and spec of an answer that has ended, or why there is none."""
        if received.trouble and not received.has_begun:
            trouble = received.trouble
            raise self._refusal(STATUS_OF.get(trouble.type, 500), trouble.message, "", {}, self.name_for(ask.kind))
        if received.fault:
            raise _invalid(received.fault) from received.fault
        if not received.is_whole:
            why = quoted(self._safe(received.trouble.message or received.trouble.type)) if received.trouble else ""
            raise ModelCut(f"The answer of {self._where} broke off{why}. What came of it may have been paid; ask again.")
        if received.stop_reason == "refusal":
            about = f" (category: {received.category})" if received.category else ""
            raise ModelRefused(
                f"The model declined{about}. Say what the server is for in other words, or take out what it may have misread."
            )
        if received.stop_reason == "max_tokens":
            raise ModelTruncated(
                f"The answer did not fit into {self._config.model_max_tokens} tokens. Ask for fewer tools, or raise model_max_tokens in the settings."
            )
        if received.stop_reason == "model_context_window_exceeded":
            raise ModelTooLong("Request and answer do not fit into the model's context. Name fewer tables or a smaller document.")
        if received.submitted is None:
            raise ModelProse(
                f"The model wrote text instead of a server{quoted(received.prose)}. Say more exactly what the tools should do."
            )
        try:
            return read_spec(received.submitted, ask.current)
        except Unusable as error:
            raise _invalid(error) from error

    def _client(self, deadline: float) -> "Anthropic":
        """A client for one request: no retries, no redirects, no key and no address from the environment."""
        import anthropic

        def bound(response: httpx2.Response) -> None:
            assert isinstance(response.stream, httpx2.SyncByteStream)
            response.stream = _Bounded(response.stream, deadline)

        timeout = httpx2.Timeout(self._config.model_timeout, connect=_CONNECT_SECONDS)
        transport = anthropic.DefaultHttpxClient(follow_redirects=False, timeout=timeout, event_hooks={"response": [bound]})
        return anthropic.Anthropic(
            api_key=self._config.model_key or "none", base_url=self._config.model_base_url, max_retries=0, timeout=timeout,
            http_client=transport, open_telemetry=False, default_headers={"accept-encoding": "identity"},
        )  # fmt: skip


class _Bounded(httpx2.SyncByteStream):
    """A response's bytes, up to a time and a size."""

    def __init__(self, stream: httpx2.SyncByteStream, deadline: float) -> None:
        self._stream, self._deadline, self._left = stream, deadline, _MAX_STREAM_BYTES

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            self._left -= len(chunk)
            if self._left < 0:
                raise httpx2.ReadError("the response has no end")
            if time.monotonic() > self._deadline:
                raise _Late
            yield chunk

    def close(self) -> None:
        self._stream.close()


def _invalid(error: Unusable) -> ModelAnswerInvalid:
    return ModelAnswerInvalid(f"The model submitted no usable spec: {error}.", pointer=error.pointer)
