"""What `GET /health` on the private socket tells the control plane."""

import asyncio

from runner.contract import Manifest
from runner.guard.calls import Calls
from runner.guard.events import EventLog
from runner.protocol.jsonrpc import Reply, encode
from runner.protocol.search import ToolSearch


async def health(manifest: Manifest, *, search: ToolSearch, calls: Calls, events: EventLog, stopping: bool) -> Reply:
    # Counting tokens takes a while where tools are many; clients must not wait for it.
    summary = await asyncio.to_thread(lambda: search.summary)
    body = {
        "status": "stopping" if stopping else "ok",
        "server_id": manifest.server_id,
        "slug": manifest.slug,
        "version": manifest.version,
        "bundle": manifest.bundle,
        **summary,
        "running": calls.running,
        "events_waiting": events.waiting,
    }
    return Reply(body=encode(body))
