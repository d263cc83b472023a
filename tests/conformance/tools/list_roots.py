from typing import Any

from runner.worker import Ctx


async def run(args: dict[str, Any], ctx: Ctx) -> str:
    answers = await ctx.ask({"client_roots": ("roots/list", {})})
    return f"Client exposed {len(answers['client_roots']['roots'])} root(s)."
