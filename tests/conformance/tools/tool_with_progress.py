import asyncio
from typing import Any

from runner.worker import Ctx


async def run(args: dict[str, Any], ctx: Ctx) -> str:
    for step in (0, 50, 100):
        ctx.progress(step, 100, f"Completed step {step} of 100")
        await asyncio.sleep(0.05)
    return "Progress reported"
