"""One call of a candidate's tool through its private socket, and what its owner's log says of it."""

import http.client
import re
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from bmm.servers.launch import ask_privately
from runner.contract import Event, LogEvent, Tool

# Before 2026-07-28 a call needs nothing but its arguments; what is tried is the tool, not the protocol.
_VERSION = "2025-11-25"
OUTCOME = "bmm-outcome"
"""The header in which a guard tells the control plane under which code it counts a call."""
_MOST_SAID = 500


class NoAnswer(Exception):
    """The candidate did not answer; the text says what came instead."""


class Said(Struct, frozen=True, kw_only=True):
    """The end of a call. `code`: None, it went well; `no_answer`, it did not end in its time; else what the guard counts it as."""

    code: str | None
    text: str


def call(private: Path, tool: Tool, arguments: dict[str, Any], seconds: float) -> Said:
    """Call a tool as a client would that has the person's yes.

    Raises:
        NoAnswer: nobody is there, or what comes is not an answer to a call.
    """
    if tool.confirm:
        arguments = {**arguments, "confirm_call" if "confirm" in tool.input_schema.get("properties", {}) else "confirm": True}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool.name, "arguments": arguments}}
    headers = {"Content-Type": "application/json", "Accept": "application/json", "MCP-Protocol-Version": _VERSION}
    try:
        answer = ask_privately(private, "POST", "/mcp", body=msgspec.json.encode(message), headers=headers, seconds=seconds)
        decoded = msgspec.json.decode(answer.body, type=dict[str, Any])
    except TimeoutError:
        return Said(code="no_answer", text=f"it did not answer within {seconds:.1f} s")
    except (OSError, http.client.HTTPException, msgspec.MsgspecError) as error:
        raise NoAnswer(str(error) or type(error).__name__) from error
    result = decoded.get("result")
    if not isinstance(result, dict):
        return Said(code=answer.headers.get(OUTCOME, "protocol_error"), text=str(decoded.get("error", decoded))[:_MOST_SAID])
    text = " ".join(str(each.get("text", "")) for each in result.get("content", []) if isinstance(each, dict))[:_MOST_SAID]
    code = answer.headers.get(OUTCOME)
    return Said(code=code or ("failed" if result.get("isError") else None), text=text)


def logged(events: Path, after: int, tool: str) -> str:
    """The errors a tool has caused in its owner's log since the file had this size."""
    try:
        with events.open("rb") as file:
            file.seek(after)
            written = file.read(256 * 1024).splitlines()
    except OSError:
        return ""
    found: list[str] = []
    for line in written:
        try:
            event = msgspec.json.decode(line, type=Event)
        except msgspec.MsgspecError:
            continue
        if isinstance(event, LogEvent) and event.tool == tool and event.level == "error":
            found.append(event.message)
    return "\n".join(found)


def line_of(log: str, tool: str) -> int | None:
    """The last line of the tool's own code in a trace."""
    found = re.findall(rf'File "tools/{re.escape(tool)}\.py", line (\d+)', log) or re.findall(
        rf"\({re.escape(tool)}\.py, line (\d+)\)", log
    )
    return int(found[-1]) if found else None
