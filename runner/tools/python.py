"""Runs `python` tools: the code runs in a worker process, and what it wants is done here, within what the spec allows."""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, Protocol

import msgspec

from runner.contract import SECRET_KEY, CertificateCredential, DigestCredential, PythonTool, ServerSpec
from runner.tools.alone import Alone
from runner.tools.connection import Response
from runner.tools.context import Context, InputNeeded, NotCapable, Question, Unanswered
from runner.tools.fork_server import Gone
from runner.tools.http import Upstreams
from runner.tools.outgoing import Outgoing, Refused
from runner.tools.pool import NoWorker, Pool
from runner.tools.process import Worker
from runner.tools.result import ToolAnswer, failed
from runner.worker import frames
from runner.worker.frames import AskWish, CanWish, Changed, Failed, HttpWish, Note, Progress, Reply, Returned, SecretWish, Start, Wish

MAX_WISHES = 64
"""At once, in one call."""
MAX_WISHES_IN_ALL = 10_000
_MAX_LOGGED = 16_384
_WAIT_SECONDS = 10.0
"""For a worker, at least: that others are busy or one has to be started is not the tool's own time."""
# What a content block must have, as text (schema of the protocol, ContentBlock).
_BLOCKS = {"text": ("text",), "image": ("data", "mimeType"), "audio": ("data", "mimeType"), "resource": (), "resource_link": ("uri", "name")}
# What an event and a header may hold; a tool's own code says what it likes.
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
OwnLevel = Literal["debug", "info", "warning", "error"]
Log = Callable[[OwnLevel, str, str], None]
"""Level, message and the tool's name: a line for the owner."""
_OWNERS_LEVEL: dict[str, OwnLevel] = {"debug": "debug", "info": "info", "notice": "info", "warning": "warning"}


class QuerySource(Protocol):
    """The databases of a spec, as code may ask them."""

    async def query(self, database: str, query: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The rows.

        Raises:
            Refused: with a code and a sentence for the model.
        """


class Services:
    """What all Python tools of a server share: the workers, the ways out, the secrets and the owner's log."""

    def __init__(
        self,
        spec: ServerSpec,
        pool: Pool,
        *,
        upstreams: Upstreams,
        secrets: Mapping[str, str],
        log: Log,
    ) -> None:
        self.pool, self.outgoing, self._log = pool, Outgoing(upstreams), log
        self.databases: QuerySource | None = None
        self._listed = {need.key for need in spec.secrets}
        self._secrets = {key: value for key, value in secrets.items() if key in self._listed}
        self._written = [(key, each) for key, value in self._secrets.items() for each in _ways_to_write(value)]

    def runner(self, tool: PythonTool, databases: QuerySource) -> "PythonRunner":
        """What runs this tool; the databases are those of the spec."""
        self.databases = databases
        return PythonRunner(tool, self)

    def secret(self, key: str) -> str:
        """Its value.

        Raises:
            Refused: the spec does not list it, or the owner has not set it.
        """
        if key in self._secrets.values() or not re.fullmatch(SECRET_KEY, key):
            # A model reads this: code that gives a secret's value where its name belongs must not have it told.
            raise Refused("secret_unknown", "The code of this tool asks for a secret by something that is not the name of one.")
        if key not in self._listed:
            raise Refused("secret_unknown", f"The spec of this server does not list the secret {key}.")
        if key not in self._secrets:
            raise Refused("secret_missing", f"This tool needs {key}, which the owner of the server has not set.")
        return self._secrets[key]

    async def send(self, wish: HttpWish) -> Response:
        """The response to what code asks for.

        Raises:
            Refused: it may not be sent, brought no answer, or a secret to sign in with cannot be had.
        """
        for key in (*(wish.digest or ()), *wish.certificate):
            self.secret(key)
        digest = None if wish.digest is None else DigestCredential(username=wish.digest[0], password=wish.digest[1])
        certificate = CertificateCredential(certificate=wish.certificate[0], key=wish.certificate[-1]) if wish.certificate else None
        return await self.outgoing.send(wish.method, wish.url, wish.headers, wish.body, digest=digest, certificate=certificate, secrets=self._secrets)

    def log(self, level: OwnLevel, message: str, tool: str) -> None:
        """A line for the owner, without the values of secrets."""
        for key, written in self._written:
            message = message.replace(written, f"<{key}>")
        self._log(level, message[:_MAX_LOGGED], tool)


class PythonRunner:
    """One `python` tool, ready to be called."""

    def __init__(self, tool: PythonTool, services: Services) -> None:
        self._tool, self._services = tool, services
        self._digest = hashlib.sha256(f"{tool.name}\0{tool.code}".encode()).hexdigest()

    async def run(self, arguments: dict[str, Any], context: Context | None = None) -> ToolAnswer:
        """Run the code. Whatever it does, this answers within its time.

        Raises:
            InputNeeded, NotCapable: as `Context.ask`.
        """
        tool, pool = self._tool, self._services.pool
        try:
            worker = await pool.take(tool.name, seconds=max(tool.timeout, _WAIT_SECONDS))
        except NoWorker as error:
            return failed("busy", str(error))
        settle: Callable[[], Awaitable[bool]] | None = worker.ended
        answered = False
        run = _Run(self._tool, self._digest, worker, self._services, context or Alone())
        try:
            answer, idle = await run.answer(arguments)
            settle, answered = None if idle else worker.cleaned, True
            return answer
        except TimeoutError:
            advice = "Whether it acted is unknown: check before you repeat a change."
            self._services.log("error", f"tool {tool.name} did not return within {tool.timeout:g} s", tool.name)
            return failed("timeout", f"The tool did not answer within {tool.timeout:g} seconds. {advice}")
        except Gone as error:
            self._services.log("error", f"the worker of tool {tool.name} is gone: {error}", tool.name)
            return failed("tool_failed", "The tool ended its process or broke its rules. Other arguments may help; its owner can see it in the log.")
        finally:
            run.over()
            pool.leave(tool.name, worker, settle, answered=answered)


class _Run:
    """One call in one worker. Only frames that carry this call's number count; any other ends the worker."""

    def __init__(self, tool: PythonTool, digest: str, worker: Worker, services: Services, context: Context) -> None:
        self._tool, self._digest, self._worker, self._services, self._context = tool, digest, worker, services, context
        self._wishes: set[asyncio.Task[None]] = set()
        self._notes = self._wished = 0
        self._finished = False
        # How many questions wait for the person, and what was left of the tool's time when the first of them was asked.
        self._asking, self._left = 0, 0.0
        self._ending: InputNeeded | NotCapable | None = None
        self._clock: asyncio.Timeout
        self._number = worker.next_call()

    async def answer(self, arguments: dict[str, Any]) -> tuple[ToolAnswer, bool]:
        """The answer, and whether the worker is free already.

        Raises:
            Gone: the worker ended, or had to be.
            TimeoutError: the tool's time is over; waiting for a person does not count.
            InputNeeded, NotCapable: as `Context.ask`.
        """
        worker, tool = self._worker, self._tool
        source = None if self._digest in worker.known else tool.code
        async with asyncio.timeout(tool.timeout) as self._clock:
            try:
                worker.line.send(Start(self._number, tool.name, self._digest, source, arguments))
            except OverflowError:
                return failed("invalid_arguments", "A whole number in the arguments has more than 64 bits; the tool cannot take it."), True
            worker.known.add(self._digest)
            while True:
                if self._ending is not None:
                    raise self._ending
                frame = await worker.line.receive()
                if isinstance(frame, frames.Ready | frames.Ended) or frame.call != self._number:
                    raise self._foul("it spoke for another call")
                match frame:
                    case Returned():
                        return self._read(frame), frame.idle
                    case Failed():
                        return self._told(frame), frame.idle
                    case Note() | Progress() | Changed():
                        await self._noted(frame)
                    case _:
                        self._begin(frame)

    def over(self) -> None:
        self._finished = True
        for task in self._wishes:
            task.cancel()

    def _foul(self, fault: str) -> Gone:
        self._worker.line.fail(fault)
        return Gone(fault)

    def _begin(self, wish: Wish) -> None:
        self._wished += 1
        if self._wished > MAX_WISHES_IN_ALL:
            raise self._foul(f"it made more than {MAX_WISHES_IN_ALL:,} requests in one call")
        if len(self._wishes) >= MAX_WISHES:
            text = f"At most {MAX_WISHES} requests of one call can be on their way at once."
            self._worker.line.send(Reply(self._number, wish.wish, code="busy", message=text))
            return
        task = asyncio.ensure_future(self._granted(wish))
        self._wishes.add(task)
        task.add_done_callback(self._wishes.discard)

    async def _granted(self, wish: Wish) -> None:
        number, line = self._number, self._worker.line
        # A worker that does not take its answers gets no more of them: they would be kept here.
        await line.drained()
        try:
            reply = Reply(number, wish.wish, await self._value(wish))
        except Refused as error:
            reply = Reply(number, wish.wish, code=error.code, message=error.message)
        except Unanswered as error:
            reply = Reply(number, wish.wish, code="unanswered", message=str(error))
        except (InputNeeded, NotCapable) as error:
            # The call ends here; the client calls again, or learns what it lacks.
            self._ending = error
            line.interrupt(error)
            return
        except Exception as error:
            self._services.log("error", f"a request of tool {self._tool.name} failed unexpectedly: {type(error).__name__}", self._tool.name)
            reply = Reply(number, wish.wish, code="internal_error", message="This failed inside the server; its owner can see it in the log.")
        try:
            line.send(reply)
        except (OverflowError, TypeError, ValueError, RecursionError):
            line.send(Reply(number, wish.wish, code="internal_error", message="The answer cannot be handed to the tool."))
        await line.drained()

    async def _value(self, wish: Wish) -> Any:
        match wish:
            case HttpWish():
                response = await self._services.send(wish)
                return response.status, response.headers, response.body
            case SecretWish():
                return self._services.secret(wish.key)
            case CanWish():
                return self._context.can(wish.capability)
            case AskWish():
                return await self._asked({key: _question(method, params) for key, (method, params) in wish.questions.items()})
            case _:
                if self._services.databases is None:
                    raise Refused("sql_unknown", "This server has no databases.")
                return await self._services.databases.query(wish.database, wish.query, wish.params)

    async def _asked(self, questions: Mapping[str, Question]) -> dict[str, dict[str, Any]]:
        """A person takes what time a person takes."""
        clock, loop = self._clock, asyncio.get_running_loop()
        if (when := clock.when()) is not None:
            self._left = when - loop.time()
            clock.reschedule(None)
        self._asking += 1
        try:
            return await self._context.ask(questions)
        finally:
            self._asking -= 1
            if not self._asking and not self._finished:
                clock.reschedule(loop.time() + self._left)

    async def _noted(self, frame: Note | Progress | Changed) -> None:
        self._notes += 1
        if self._notes > frames.MAX_NOTES:
            raise self._foul(f"it sent more than {frames.MAX_NOTES} messages in one call")
        match frame:
            case Progress():
                await self._context.progress(frame.done, frame.total, frame.message)
            case Changed(what=None):
                self._context.updated(frame.uri)
            case Changed():
                assert frame.what is not None
                self._context.changed(frame.what)
            case _:
                try:
                    text = frame.data if isinstance(frame.data, str) else msgspec.json.encode(frame.data).decode()
                except (TypeError, ValueError, RecursionError):
                    raise self._foul("it logged what JSON cannot say") from None
                self._services.log(_OWNERS_LEVEL.get(frame.level or "info", "error"), text, self._tool.name)
                if frame.level is not None:
                    await self._context.log(frame.level, frame.data if len(text) <= _MAX_LOGGED else text[:_MAX_LOGGED], self._tool.name)

    def _read(self, frame: Returned) -> ToolAnswer:
        if not all(map(_is_block, frame.blocks)):
            return self._unusable("content that is none of the kinds there are, or lacks what its kind needs")
        if not frame.has_structured:
            if frame.text is None and len(frame.blocks) == 1 and isinstance(text := frame.blocks[0].get("text"), str):
                return ToolAnswer(text=text)
            if not _is_json(frame.blocks):
                return self._unusable("content that JSON cannot say")
            return ToolAnswer(text=frame.text, blocks=frame.blocks)
        try:
            text = msgspec.json.encode(frame.structured).decode()
        except (TypeError, ValueError, RecursionError):
            return self._unusable("an answer that JSON cannot say")
        return ToolAnswer(text=text, structured=frame.structured)

    def _unusable(self, what: str) -> ToolAnswer:
        self._services.log("error", f"tool {self._tool.name} gave {what}", self._tool.name)
        return failed("invalid_output", f"The tool gave {what}.")

    def _told(self, frame: Failed) -> ToolAnswer:
        name = self._tool.name
        if frame.code == "invalid_output":
            self._services.log("error", f"tool {name} returned what cannot be sent: {frame.kind} {frame.message}", name)
            return failed("invalid_output", f"The tool gave an answer that cannot be sent: {frame.message[:300]}")
        if frame.code in ("tool_failed", "tool_broken", "cancelled"):
            self._services.log("error", f"tool {name} failed: {frame.details or frame.kind}", name)
            return failed(frame.code, f"The tool failed ({frame.kind}); its owner can see where in the log.")
        return failed(frame.code if _CODE.fullmatch(frame.code) else "failed", frame.message)


def _question(method: Literal["elicitation/create", "sampling/createMessage", "roots/list"], params: dict[str, Any]) -> Question:
    """
    Raises:
        Refused: it is none that a client could read.
    """
    form = method == "elicitation/create" and params.get("mode", "form") == "form"
    if form and not (isinstance(params.get("message"), str) and isinstance(params.get("requestedSchema"), dict)):
        raise Refused("invalid_question", "The code of this tool asks the person with a form that is none: a text and the schema of an object are needed.")
    if not _is_json(params):
        raise Refused("invalid_question", "The code of this tool asks what JSON cannot say.")
    return Question(method=method, params=params)


def _is_json(value: object) -> bool:
    try:
        msgspec.json.encode(value)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _is_block(block: Mapping[str, Any]) -> bool:
    kind, held = block.get("type"), block.get("resource")
    if not isinstance(kind, str) or kind not in _BLOCKS or not all(isinstance(block.get(name), str) for name in _BLOCKS[kind]):
        return False
    return kind != "resource" or (isinstance(held, dict) and isinstance(held.get("uri"), str) and isinstance(held.get("text", held.get("blob")), str))


def _ways_to_write(secret: str) -> list[str]:
    """How it may stand in a log, the longest first: whole, as JSON, line by line. Short ones would be found everywhere."""
    found = {secret, msgspec.json.encode(secret).decode()[1:-1], *secret.splitlines()}
    return sorted((each for each in found if len(each) >= 4), key=len, reverse=True)
