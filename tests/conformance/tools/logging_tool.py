from typing import Any

from runner.worker import Ctx


async def run(args: dict[str, Any], ctx: Ctx) -> str:
    ctx.log("info", "test_logging_tool ran")
    return "logged"
