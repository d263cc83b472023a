from typing import Any

from runner.worker import Ctx


async def run(args: dict[str, Any], ctx: Ctx) -> str:
    ctx.changed("tools")
    return "tool list changed"
