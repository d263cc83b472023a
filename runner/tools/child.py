"""A process that the guard has started: it is signalled and waited for by its pidfd, so never another one that has got its number."""

import asyncio
import os
import signal
from contextlib import suppress


class Child:
    """`pid` is a child of this process that nobody else waits for."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._pidfd = os.pidfd_open(pid)
        self.over = False

    def signal(self, number: signal.Signals) -> None:
        """Nothing happens where it has ended."""
        if not self.over:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    async def kill(self) -> int:
        """End it at once; its exit status, negative for a signal."""
        if self.over:
            return 0
        self.signal(signal.SIGKILL)
        self.over = True
        loop = asyncio.get_running_loop()
        gone: asyncio.Future[None] = loop.create_future()
        # Readable when it has ended (pidfd_open(2)); the wait is for the kernel alone.
        loop.add_reader(self._pidfd, lambda: None if gone.done() else gone.set_result(None))
        try:
            await gone
        finally:
            loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
        with suppress(ChildProcessError):
            return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])  # noqa: ASYNC222  it has ended
        return 0
