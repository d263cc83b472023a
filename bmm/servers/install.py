"""How each AI client is told about a server: one small function per client. Facts from the clients' own documentation, November 2026."""

import base64
import json
from collections.abc import Callable
from urllib.parse import quote

from msgspec import Struct


class Snippet(Struct, frozen=True, kw_only=True):
    """Something to paste, run or press. `works` is False where this client cannot reach the URL, and `note` says why."""

    client: str
    kind: str
    """`command`, `file` or `link`."""
    text: str
    works: bool = True
    note: str = ""


def snippets(name: str, url: str, *, reachable: bool) -> tuple[Snippet, ...]:
    """For every client. `reachable` says whether other machines can open the URL."""
    return tuple(make(name, url, reachable) for make in CLIENTS)


def _claude_code(name: str, url: str, _: bool) -> Snippet:
    return Snippet(client="Claude Code", kind="command", text=f"claude mcp add --transport http {name} {url}")


def _cursor(name: str, url: str, _: bool) -> Snippet:
    config = base64.b64encode(json.dumps({"url": url}).encode()).decode()
    return Snippet(
        client="Cursor",
        kind="link",
        text=f"cursor://anysphere.cursor-deeplink/mcp/install?name={quote(name)}&config={quote(config, safe='')}",
    )


def _vs_code(name: str, url: str, _: bool) -> Snippet:
    wish = quote(json.dumps({"name": name, "type": "http", "url": url}), safe="")
    return Snippet(client="VS Code", kind="link", text=f"vscode:mcp/install?{wish}")


def _mcp_json(name: str, url: str, _: bool) -> Snippet:
    return Snippet(client="mcp.json", kind="file", text=json.dumps({"mcpServers": {name: {"type": "http", "url": url}}}, indent=2))


def _claude_ai(name: str, url: str, reachable: bool) -> Snippet:
    link = (
        f"https://claude.ai/customize/connectors?modal=add-custom-connector&connectorName={quote(name)}&connectorUrl={quote(url, safe='')}"
    )
    return _hosted("Claude (web, desktop, mobile)", "link", link, reachable)


def _chatgpt(name: str, url: str, reachable: bool) -> Snippet:
    return _hosted("ChatGPT", "command", f"Settings → Apps → Advanced → Developer mode → Create, then paste {url}", reachable)


def _hosted(client: str, kind: str, text: str, reachable: bool) -> Snippet:
    if reachable:
        return Snippet(client=client, kind=kind, text=text)
    note = "cannot work with localhost: this client connects from its maker's servers, which need a public https address"
    return Snippet(client=client, kind=kind, text=text, works=False, note=note)


CLIENTS: tuple[Callable[[str, str, bool], Snippet], ...] = (_claude_code, _cursor, _vs_code, _mcp_json, _claude_ai, _chatgpt)
