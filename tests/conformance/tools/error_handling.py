from typing import Any

from runner.worker import Ctx, ToolError


async def run(args: dict[str, Any], ctx: Ctx) -> str:
    raise ToolError("This tool intentionally returns an error for testing")
