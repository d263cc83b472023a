"""One query on PostgreSQL as a FastMCP server written by hand: asyncpg with a pool, stateless, JSON answers, uvicorn with uvloop.

    python sql_fastmcp.py UNIX_SOCKET PUBLIC_KEY ISSUER AUDIENCE PORT TRUST PASSWORD

Its own JWTVerifier checks the token with the key given to it. The pool has four connections with TLS, as bmm's has; asyncpg keeps prepared
statements, as it does unless told otherwise.
"""

import asyncio
import logging
import ssl
import sys
from pathlib import Path
from typing import Any

import asyncpg
import uvicorn
from fastmcp import FastMCP  # type: ignore[import-not-found, unused-ignore]
from fastmcp.server.auth.providers.jwt import JWTVerifier  # type: ignore[import-not-found, unused-ignore]

CONNECTIONS = 4
QUERY = "SELECT id, name, stock FROM things WHERE category = $1 ORDER BY id LIMIT 20"


class Things:
    """The tool and its pool, which is opened at the first call."""

    def __init__(self, port: int, trust: str, password: str) -> None:
        self._port, self._password, self._lock = port, password, asyncio.Lock()
        self._tls = ssl.create_default_context(cafile=trust)
        # The certificate is for the database's name, and what is dialled here is its address.
        self._tls.check_hostname = False
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    async def find(self, category: str) -> dict[str, Any]:
        """Things of a category."""
        rows = await (await self._opened()).fetch(QUERY, category)
        return {"rows": [dict(row) for row in rows]}

    async def _opened(self) -> "asyncpg.Pool[asyncpg.Record]":
        async with self._lock:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    host="127.0.0.1", port=self._port, user="admin", password=self._password, database="postgres", ssl=self._tls,
                    min_size=CONNECTIONS, max_size=CONNECTIONS,
                )  # fmt: skip
            return self._pool


def main(socket: str, public_key: str, issuer: str, audience: str, port: str, trust: str, password: str) -> None:
    verifier = JWTVerifier(public_key=Path(public_key).read_text(), issuer=issuer, audience=audience, algorithm="RS256")
    server = FastMCP(name="Things", auth=verifier)
    server.tool(Things(int(port), trust, password).find)
    logging.disable(logging.INFO)
    app = server.http_app(path="/mcp", json_response=True, stateless_http=True)
    uvicorn.run(app, uds=socket, loop="uvloop", http="httptools", access_log=False, log_level="warning")


if __name__ == "__main__":
    main(*sys.argv[1:])
