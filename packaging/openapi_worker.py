"""Compiles documents, each in a process of its own, and says what came of it.

    python packaging/openapi_worker.py bmm|fastmcp      jobs on standard input, one JSON object per line; results on standard output

Forked from a process that only imported: a document's peak memory, its crash or its endlessness is its own, and nobody pays imports twice.
"""

import contextlib
import gc
import importlib
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

MAX_MEMORY = 8 * 1024**3
LOCATION = "https://documents.example/openapi.json"
"""Where every document is said to come from: some name their servers relative to that."""


class Job(Struct, frozen=True, kw_only=True):
    """What to do with one document; `seconds` is when to give up."""

    path: str
    task: str = "compile"
    seconds: int = 60


class Tried(Struct, frozen=True, kw_only=True):
    """One request that was built, or why none was.

    `verdict`: valid; invalid, by the sender's fault; excused, by the document's or the validator's; refused (the tool would not take the
    arguments its schema allows); unfound (no arguments were found); unreached (out of time).
    """

    operation: str
    arguments: str
    verdict: str
    blame: str = ""
    label: str = ""
    detail: str = ""


class Outcome(Struct, kw_only=True):
    """What came of a document. Seconds and MB belong to the compiling; `reason` says why nothing did."""

    path: str = ""
    state: str = "compiled"
    reason: str = ""
    operations: int = 0
    tools: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    peak_mb: float = 0.0
    skipped: list[str] = []
    tried: list[Tried] = []


Handler = Callable[[Job], Outcome]


@contextlib.contextmanager
def measured(outcome: Outcome) -> Iterator[None]:
    began, cpu = time.perf_counter(), time.process_time()
    try:
        yield
    finally:
        outcome.seconds, outcome.cpu = time.perf_counter() - began, time.process_time() - cpu


def serve(handle: Handler) -> None:
    gc.collect()
    gc.freeze()
    for line in sys.stdin.buffer:
        outcome = _apart(msgspec.json.decode(line, type=Job), handle)
        sys.stdout.buffer.write(msgspec.json.encode(outcome) + b"\n")
        sys.stdout.buffer.flush()


def _apart(job: Job, handle: Handler) -> Outcome:
    """The outcome of a job done in a child, whatever becomes of the child."""
    began = time.perf_counter()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _as_child(job, handle, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    _, status, usage = os.wait4(child, 0)
    if said:
        outcome = msgspec.json.decode(said, type=Outcome)
    else:
        by = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else f"exit {os.waitstatus_to_exitcode(status)}"
        state = "timeout" if by == "SIGALRM" else "failed"
        reason = f"not done within {job.seconds} s" if state == "timeout" else by
        outcome = Outcome(state=state, reason=reason, seconds=time.perf_counter() - began, cpu=usage.ru_utime + usage.ru_stime)
    outcome.path, outcome.peak_mb = job.path, usage.ru_maxrss / 1024
    return outcome


def _as_child(job: Job, handle: Handler, writing: int) -> None:
    code = 1
    try:
        signal.alarm(job.seconds)
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
        silence = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silence, stream)
        said = msgspec.json.encode(_handled(job, handle))
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(said)
        code = 0
    finally:
        os._exit(code)


def _handled(job: Job, handle: Handler) -> Outcome:
    try:
        return handle(job)
    except (Exception, MemoryError) as error:
        return Outcome(state="failed", reason=f"{type(error).__name__}: {error}"[:300])


def main(side: str) -> None:
    logging.disable(logging.CRITICAL)
    module = importlib.import_module({"bmm": "openapi_ours", "fastmcp": "openapi_fastmcp"}[side])
    serve(module.handle)


if __name__ == "__main__":
    main(sys.argv[1])
