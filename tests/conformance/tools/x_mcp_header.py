from typing import Any

from runner.worker import Ctx


async def run(args: dict[str, Any], ctx: Ctx) -> str:
    return f"region={args.get('region', '<none>')}"
