import asyncio
from typing import Any

from runner.worker import Ctx


async def run(args: dict[str, Any], ctx: Ctx) -> str:
    for line in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        ctx.log("info", line)
        await asyncio.sleep(0.05)
    return "Tool with logging executed successfully"
