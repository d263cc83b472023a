"""`make bench-openapi`: thousands of public documents through our compiler and through FastMCP's, in one run on one machine.

    python packaging/bench_openapi.py [--documents N] [--fastmcp N] [--requests N] [--jobs N] [--json FILE]

Prints Markdown. Fetches the documents with npm on first use; takes about 20 minutes, `--documents 100 --requests 20` about one.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import msgspec
import openapi_report as report
from openapi_worker import Job, Outcome

from tests import corpus

ROOT = Path(__file__).resolve().parent.parent
SIDES = ("bmm", "fastmcp")
METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace", "query"})
COMPILE_SECONDS, REQUEST_SECONDS = 60, 150


class Worker:
    """One side's worker process; a job at a time."""

    def __init__(self, side: str) -> None:
        command = (sys.executable, str(ROOT / "packaging/openapi_worker.py"), side)
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def do(self, job: Job) -> Outcome:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(job) + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a worker ended with {self._process.wait()} at {job.path}")
        return msgspec.json.decode(line, type=Outcome)

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)


def main() -> int:
    arguments = _arguments()
    root = corpus.folder(corpus.DIRECTORY)
    every = corpus.every_document(corpus.DIRECTORY)
    documents = corpus.sample(every, arguments.documents or len(every), root=root)
    shared = corpus.sample(documents, min(arguments.fastmcp or len(documents), len(documents)), root=root)
    asked = corpus.sample(documents, arguments.requests, root=root)
    began = time.monotonic()
    with Pool(arguments.jobs) as pool:
        jobs = [Job(path=str(each), seconds=COMPILE_SECONDS) for each in documents]
        compiled = pool.pairs(jobs, second={str(each) for each in shared})
        big = [Job(path=str(each), seconds=COMPILE_SECONDS) for each in corpus.every_document(corpus.OCTOKIT)]
        larger = pool.pairs(big, second=set()) if not arguments.documents else {}
        trials = [Job(path=str(each), task="requests", seconds=REQUEST_SECONDS) for each in asked]
        tried = pool.pairs(trials, second={job.path for job in trials})
    for pair in (*compiled.values(), *larger.values()):
        pair["bmm"].operations = operations(Path(pair["bmm"].path))
    if arguments.json:
        found = {"compiled": compiled, "larger": larger, "tried": tried}
        Path(arguments.json).write_bytes(msgspec.json.encode(found))
    from openapi_limits import shown

    print(report.markdown(compiled, larger, tried, shown(), root=root))
    print(
        f"\n{len(every):,} documents in the corpus; the run took {(time.monotonic() - began) / 60:.0f} minutes with {arguments.jobs} at a time."
    )
    return 0


class Pool:
    """As many pairs of workers as jobs run at a time. Both sides of a document are measured one right after the other."""

    def __init__(self, size: int) -> None:
        self._idle: SimpleQueue[dict[str, Worker]] = SimpleQueue()
        self._workers = [{side: Worker(side) for side in SIDES} for _ in range(size)]
        self._threads = ThreadPoolExecutor(size)
        for each in self._workers:
            self._idle.put(each)

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown()
        for pair in self._workers:
            for worker in pair.values():
                worker.end()

    def pairs(self, jobs: Iterable[Job], *, second: set[str]) -> dict[str, dict[str, Outcome]]:
        """What each side made of each document, by path; FastMCP is asked only about those in `second`."""
        largest_first = sorted(jobs, key=lambda job: -Path(job.path).stat().st_size)
        done = self._threads.map(lambda job: self._pair(job, both=job.path in second), largest_first)
        found: dict[str, dict[str, Outcome]] = {}
        for number, pair in enumerate(done, 1):
            found[pair["bmm"].path] = pair
            if sys.stderr.isatty() or number % 250 == 0:
                print(f"\r{number} of {len(largest_first)} ", end="", file=sys.stderr, flush=True)
        return found

    def _pair(self, job: Job, *, both: bool) -> dict[str, Outcome]:
        workers = self._idle.get()
        try:
            return {side: workers[side].do(job) for side in (SIDES if both else SIDES[:1])}
        finally:
            self._idle.put(workers)


def operations(path: Path) -> int:
    """How many operations a document has, counted without either compiler."""
    paths = json.loads(path.read_bytes()).get("paths")
    items = paths.values() if isinstance(paths, dict) else ()
    return sum(len(METHODS & item.keys()) for item in items if isinstance(item, dict))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--documents", type=int, default=0, metavar="N", help="a fixed sample of so many documents instead of all")
    parser.add_argument("--fastmcp", type=int, default=0, metavar="N", help="ask FastMCP only about a fixed sample of so many of them")
    parser.add_argument("--requests", type=int, default=300, metavar="N", help="check the requests of so many documents")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), metavar="N", help="documents at a time")
    parser.add_argument("--json", metavar="FILE", help="also write every outcome there")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
