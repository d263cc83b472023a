"""`bmm serve`: the appliance in the foreground."""

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bmm.config import MODEL_KEYS, Config

if TYPE_CHECKING:
    import uvicorn

    from bmm.app import Appliance

HELP = "run the appliance in the foreground; what it started outlives it, `bmm down` ends that"
EXAMPLE = "bmm serve"
# Connections from outside; beyond them 503, so that descriptors stay for the store, podman and the admin socket.
_MOST_PUBLIC = 512


def arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(args: argparse.Namespace, config: Config) -> int:
    from bmm.app import Appliance
    from bmm.oauth.signin import first_link

    logging.basicConfig(level=config.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    for noisy in ("huey", "httpx2", "asyncio", "uvicorn.error"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(_is_no_farewell)
    os.umask(0o077)
    for name in MODEL_KEYS:
        # The settings have it now; what is started from here has no use for it.
        os.environ.pop(name, None)
    announce = _announce_json if args.json else _announce
    appliance = Appliance(config, announce)
    appliance.start()
    try:
        announce(f"BuildMyMCPServer answers on {config.public_url}")
        if not appliance.facts.limits_enforced and config.allow_unenforced_limits:
            announce(f"warning: CPU and memory limits are NOT enforced here ({appliance.facts.why}); allow_unenforced_limits is set")
        from bmm import ids

        link = first_link(appliance.store, config, ids.now())
        if link is not None:
            announce(f"Sign in as the owner with this link, within 15 minutes: {link}")
        asyncio.run(_serve(appliance, config))
    finally:
        appliance.stop()
        asyncio.run(appliance.store.aclose())
    return 0


def _is_no_farewell(record: logging.LogRecord) -> bool:
    """Who follows a story when we end is cut off, and asks again; that is no error."""
    cut_off = record.exc_info is not None and isinstance(record.exc_info[1], asyncio.CancelledError)
    return not cut_off and not record.getMessage().startswith("Cancel ")


def _announce(line: str) -> None:
    """Say something to whoever watches the terminal."""
    print(line, flush=True)


def _announce_json(line: str) -> None:
    print(json.dumps({"message": line}), flush=True)


async def _serve(appliance: "Appliance", config: Config) -> None:
    from bmm.http.admin_socket import OwnUserOnly
    from bmm.http.connection import PublicConnection

    web = _server(appliance.public_app(), PublicConnection, most=_MOST_PUBLIC)
    admin = _server(appliance.admin_app(), OwnUserOnly)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, web, admin)
    with _listen(config.run / "web.sock") as web_socket, _listen(config.run / "admin.sock") as admin_socket:
        await asyncio.gather(web.serve([web_socket]), admin.serve([admin_socket]))


def _server(app: object, protocol: object, *, most: int | None = None) -> "uvicorn.Server":
    import uvicorn

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            """Two servers share this process; it handles its signals itself."""
            yield

    return Server(
        uvicorn.Config(
            app,  # type: ignore[arg-type]
            http=protocol,  # type: ignore[arg-type]
            loop="uvloop",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=5,
            limit_concurrency=most,
        )
    )


def _stop(*servers: "uvicorn.Server") -> None:
    for server in servers:
        server.should_exit = True


@contextlib.contextmanager
def _listen(path: Path) -> Iterator[socket.socket]:
    """A listening socket that takes the name over from an earlier process at once, so that no dial finds nothing."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(fresh))
        fresh.chmod(0o600)
        listener.listen(1024)
        fresh.rename(path)
        yield listener
