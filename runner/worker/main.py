"""A worker: reads a call from its socket, runs the tool, writes what came of it. One call at a time, until the guard is gone."""

import asyncio
import gc
import hashlib
import linecache
import os
import re
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import msgspec

from runner.worker import frames, limits, seccomp
from runner.worker.ctx import Call, Content, Ctx, Output, ToolError
from runner.worker.frames import Cancel, Ended, Failed, FromGuard, FromWorker, Ready, Reply, Returned, Start

SOCKET = 3
_READ = 256 * 1024
_THREADS = 4
_CLEAN_SECONDS = 0.3
Run = Callable[[dict[str, Any], Ctx], Awaitable[Any]]
_decode = msgspec.msgpack.Decoder(FromGuard).decode
_as_the_guard = msgspec.json.Decoder(FromWorker).decode


class Broken(Exception):
    """The code is not a tool; the text says why."""


class Worker:
    """What the guard is told, and the tools it has sent so far."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._lock = loop, threading.Lock()
        self._tools: dict[str, Run] = {}
        # Kept until it has been loaded: the guard sends it once.
        self._sources: dict[str, str] = {}
        self._buffer = bytearray()
        self._call: Call | None = None
        self._task: asyncio.Task[None] | None = None
        self._executor = self._new_executor()
        # One for all calls: what a module has set up for its log goes on to write there.
        self._output = Output(self._line)

    def send(self, message: FromWorker) -> None:
        """
        Raises:
            TypeError: code gave `ctx` something of another type than it takes; the guard would end the worker for it.
            ToolError: it is too large.
        """
        frame = frames.framed(message)
        try:
            _as_the_guard(memoryview(frame)[frames.HEAD :])
        except msgspec.ValidationError as error:
            raise TypeError(_named(message, str(error))) from None
        if len(frame) > (limit := frames.most(frame)):
            raise ToolError(f"This is too large: at most {min(limit, frames.MAX_FRAME) // 1024:,} KiB can be asked or said at once.")
        with self._lock:
            frames.write(SOCKET, frame)

    def readable(self) -> None:
        data = os.read(SOCKET, _READ)
        if not data:
            os._exit(0)
        self._buffer += data
        while len(self._buffer) >= frames.HEAD and len(self._buffer) >= (end := frames.HEAD + frames.length(self._buffer)):
            message = _decode(memoryview(self._buffer)[frames.HEAD : end])
            del self._buffer[:end]
            self._take(message)

    def _take(self, message: FromGuard) -> None:
        match message:
            case Start():
                self._call = Call(message.call, self.send)
                self._task = self._loop.create_task(self._run(message, self._call))
            case Reply() if self._call is not None and message.call == self._call.number:
                self._call.answered(message)
            case Cancel() if self._call is not None and message.call == self._call.number and self._task is not None:
                self._task.cancel()

    async def _run(self, start: Start, call: Call) -> None:
        sys.stdout = sys.stderr = self._output
        try:
            outcome = _returned(call.number, await self._tool(start)(start.arguments, Ctx(call)))
        except BaseException as error:
            # Also SystemExit and the like: a tool does not end the process.
            outcome = _failure(call.number, error)
        self._output.flush()
        call.closed = True
        idle = len(asyncio.all_tasks()) == 1 and threading.active_count() == 1 and not self._timers()
        try:
            frame = frames.framed(msgspec.structs.replace(outcome, idle=idle))
            if len(frame) > frames.MAX_FRAME:
                raise Broken(f"it returned more than {frames.MAX_OUTPUT // 1024**2} MiB")
        except (Broken, OverflowError, TypeError, ValueError, RecursionError) as error:
            frame = frames.framed(Failed(call.number, idle, "invalid_output", "", str(error)))
        except MemoryError:
            frame = frames.framed(Failed(call.number, idle, "invalid_output", "", "it is so large that no memory was left to send it"))
        with self._lock:
            frames.write(SOCKET, frame)
        if not idle:
            self.send(Ended(call.number, await self._cleaned()))

    def _line(self, line: str) -> None:
        if self._call is not None:
            self._call.note(frames.Note(self._call.number, None, line))

    async def _cleaned(self) -> bool:
        """End what the call left running; whether nothing is left."""
        mine = asyncio.current_task()
        left = [task for task in asyncio.all_tasks() if task is not mine]
        for task in left:
            task.cancel()
        if left:
            _, left_over = await asyncio.wait(left, timeout=_CLEAN_SECONDS)
            if left_over:
                return False
        for timer in self._timers():
            timer.cancel()
        if threading.active_count() > 1:
            self._executor.shutdown(wait=False, cancel_futures=True)
            until = self._loop.time() + _CLEAN_SECONDS
            while threading.active_count() > 1 and self._loop.time() < until:  # noqa: ASYNC110  a thread's end tells nobody
                await asyncio.sleep(0.002)
            self._executor = self._new_executor()
        return threading.active_count() == 1

    def _timers(self) -> list[asyncio.TimerHandle]:
        """What is still to be called later. The loop tells nobody else."""
        return [each for each in vars(self._loop)["_scheduled"] if not each.cancelled()]

    def _new_executor(self) -> ThreadPoolExecutor:
        executor = ThreadPoolExecutor(_THREADS)
        self._loop.set_default_executor(executor)
        return executor

    def _tool(self, start: Start) -> Run:
        run = self._tools.get(start.digest)
        if run is None:
            source = self._sources.setdefault(start.digest, start.source or "")
            run = self._tools[start.digest] = loaded(start.tool, source)
            del self._sources[start.digest]
        return run


def loaded(name: str, source: str) -> Run:
    """The `run` of a tool's code, which is executed.

    Raises:
        Broken: it does not parse or has no such function.
    """
    path = f"tools/{name}.py"
    # Each version of a tool is a module of its own; dataclasses and pickle look them up by name.
    module = ModuleType(f"tool_{hashlib.sha256(source.encode()).hexdigest()[:12]}")
    module.__file__ = path
    linecache.cache[path] = (len(source), None, source.splitlines(keepends=True), path)
    sys.modules[module.__name__] = module
    try:
        exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)  # noqa: S102  this is what a worker is for
    except (SyntaxError, ValueError) as error:
        raise Broken(f"the code does not parse: {error}") from error
    run = module.__dict__.get("run")
    if not callable(run):
        raise Broken("the code does not define `async def run(args, ctx)`")
    return run  # type: ignore[no-any-return]


def _returned(call: int, value: object) -> Returned | Failed:
    if isinstance(value, str):
        return Returned(call, False, text=str.__str__(value))
    if isinstance(value, Content):
        return Returned(call, False, blocks=(value.block,))
    if isinstance(value, list | tuple) and any(isinstance(each, Content) for each in value):
        blocks = tuple(each.block for each in value if isinstance(each, Content))
        if len(blocks) < len(value):
            text = "content blocks and other values are in one list; make all of them blocks, such as ctx.text(…)"
            return Failed(call, False, "invalid_output", "list", text)
        return Returned(call, False, blocks=blocks)
    try:
        return Returned(call, False, has_structured=True, structured=msgspec.to_builtins(value, str_keys=True))
    except (TypeError, ValueError, RecursionError) as error:
        return Failed(call, False, "invalid_output", type(value).__name__[:200], str(error))


def _failure(call: int, error: BaseException) -> Failed:
    try:
        return _failed(call, error)
    except Exception:  # one whose own methods fail
        return Failed(call, False, "tool_failed", "Exception", details="an exception that cannot be shown: its own methods fail")


def _failed(call: int, error: BaseException) -> Failed:
    kind = type(error).__name__[:200]
    if isinstance(error, ToolError):
        return Failed(call, False, _clean(str(error.code))[:64], kind, _clean(_said(error)))
    if isinstance(error, asyncio.CancelledError):
        return Failed(call, False, "cancelled", kind)
    if isinstance(error, Broken):
        return Failed(call, False, "tool_broken", kind, details=_clean(str(error)))
    return Failed(call, False, "tool_failed", kind, details=_clean(_trace(error)))


def _said(error: ToolError) -> str:
    try:
        return str(error)
    except Exception:  # one whose own methods fail
        return type(error).__name__


def _trace(error: BaseException) -> str:
    """The lines of the tool's code that led there; those of the worker itself say nothing to its author."""
    try:
        lines = traceback.format_exception(error, limit=-20)
    except Exception:  # one whose own methods fail
        return type(error).__name__
    own = f'  File "{__file__}"'
    kept = [line for line in lines if not line.startswith(own)]
    return "".join(kept)[-16_384:]


def _named(message: FromWorker, fault: str) -> str:
    """What msgspec says of a place in an array, with the name of the field."""
    return re.sub(r"\$\[(\d+)\]", lambda place: message.__struct_fields__[int(place[1]) - 1], fault)


def _clean(text: str) -> str:
    """Half a surrogate pair cannot be sent."""
    return text.encode("utf-8", "replace").decode()[:16_384]


def serve(memory_mb: int, program: bytes) -> int:
    """Serve the guard on descriptor 3, after a fork, behind this filter. Ends with the guard."""
    os.closerange(SOCKET + 1, 1024)
    os.set_blocking(SOCKET, True)
    try:
        loop, worker = _confined(memory_mb, program)
    except OSError as error:
        frames.write(SOCKET, frames.framed(Failed(0, False, "not_confined", type(error).__name__, str(error))))
        return 1
    worker.send(Ready())
    loop.run_forever()
    return 0


def _confined(memory_mb: int, program: bytes) -> tuple[asyncio.AbstractEventLoop, Worker]:
    """Everything that needs more than a worker may; code comes after this."""
    limits.limit_fork(memory_mb)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    worker = Worker(loop)
    loop.add_reader(SOCKET, worker.readable)
    seccomp.confine(program)
    gc.freeze()
    gc.enable()
    return loop, worker
