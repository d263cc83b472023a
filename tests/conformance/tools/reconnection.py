import asyncio
from typing import Any

from runner.worker import Ctx


async def run(args: dict[str, Any], ctx: Ctx) -> str:
    ctx.log("info", "Before the wait")
    await asyncio.sleep(0.2)
    return "Reconnection test completed"
