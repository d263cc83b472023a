"""The sessions of one database: opened when they are needed, at most four, reused, and replaced after the database restarted."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable

from runner.sql.session import Lost, Query, Rows, Session

MOST = 4
# Below what the egress gateway and most databases take for abandoned.
IDLE_SECONDS = 60.0


class Pool:
    """Runs queries, each on a session of its own. `connect` opens one."""

    def __init__(self, connect: Callable[[], Awaitable[Session]]) -> None:
        self._connect = connect
        self._places = asyncio.Semaphore(MOST)
        self._idle: deque[tuple[float, Session]] = deque()
        self._sweep: asyncio.TimerHandle | None = None

    async def run(self, query: Query, begins: Callable[[], None] = lambda: None) -> Rows:
        """The answer of the database. A query that only reads is asked again when a kept session turns out to be gone.

        `begins` is called once there is a session: before that the database has seen nothing of the query.

        Raises:
            NoSession: none could be opened.
            Lost: the session broke on the way.
            SqlFailed: the database refused.
        """
        async with self._places:
            kept = self._kept()
            if kept is not None:
                begins()
                try:
                    return await self._on(kept, query)
                except Lost as error:
                    if error.over or not query.read_only:
                        raise
                    # The others are as old: a restart of the database has ended them all.
                    self.close()
            session = await self._connect()
            begins()
            return await self._on(session, query)

    def close(self) -> None:
        """End the sessions that nothing runs on."""
        while self._idle:
            self._idle.pop()[1].kill()

    async def _on(self, session: Session, query: Query) -> Rows:
        try:
            rows = await session.run(query)
        except BaseException:
            self._keep(session)
            raise
        self._keep(session)
        return rows

    def _kept(self) -> Session | None:
        while self._idle:
            since, session = self._idle.pop()
            if session.usable and time.monotonic() - since < IDLE_SECONDS:
                return session
            session.kill()
        return None

    def _keep(self, session: Session) -> None:
        if not session.usable:
            return session.kill()
        self._idle.append((time.monotonic(), session))
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._sweep_idle)
        return None

    def _sweep_idle(self) -> None:
        self._sweep = None
        while self._idle and time.monotonic() - self._idle[0][0] >= IDLE_SECONDS:
            self._idle.popleft()[1].kill()
        if self._idle:
            self._sweep = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._sweep_idle)
