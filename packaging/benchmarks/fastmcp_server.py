"""The same tools as a FastMCP server, as its documentation says it is fastest: stateless, JSON instead of streams, uvicorn with uvloop.

    python fastmcp_server.py UNIX_SOCKET DOCUMENT PUBLIC_KEY ISSUER AUDIENCE

Its own JWTVerifier checks the token (with the key given to it, so nothing is ever fetched), and its tools come from the document.
"""

import json
import logging
import sys
from pathlib import Path

import httpx2
import uvicorn
from fastmcp import FastMCP  # type: ignore[import-not-found, unused-ignore]
from fastmcp.server.auth.providers.jwt import JWTVerifier  # type: ignore[import-not-found, unused-ignore]


def main(socket: str, document: str, public_key: str, issuer: str, audience: str) -> None:
    spec = json.loads(Path(document).read_text())
    verifier = JWTVerifier(public_key=Path(public_key).read_text(), issuer=issuer, audience=audience, algorithm="RS256")
    upstream = httpx2.AsyncClient(base_url=spec["servers"][0]["url"], timeout=30)
    server = FastMCP.from_openapi(spec, client=upstream, name="Widgets", auth=verifier)
    logging.disable(logging.INFO)
    app = server.http_app(path="/mcp", json_response=True, stateless_http=True)
    uvicorn.run(app, uds=socket, loop="uvloop", http="httptools", access_log=False, log_level="warning")


if __name__ == "__main__":
    main(*sys.argv[1:])
