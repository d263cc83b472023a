"""What `GET /health` on the private socket tells the control plane."""

from runner.contract import Manifest
from runner.guard.calls import Calls
from runner.guard.events import EventLog
from runner.protocol.jsonrpc import Reply, encode
from runner.protocol.search import ToolSearch


def health(manifest: Manifest, *, search: ToolSearch, calls: Calls, events: EventLog, stopping: bool) -> Reply:
    body = {
        "status": "stopping" if stopping else "ok",
        "server_id": manifest.server_id,
        "slug": manifest.slug,
        "version": manifest.version,
        "bundle": manifest.bundle,
        **search.summary,
        "running": calls.running,
        "events_waiting": events.waiting,
    }
    return Reply(body=encode(body))
