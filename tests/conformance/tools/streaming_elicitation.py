from typing import Any

from runner.worker import Ctx

FORM = {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]}


async def run(args: dict[str, Any], ctx: Ctx) -> str:
    answer = await ctx.elicit("The streaming probe asks for a word", FORM)
    return f"elicitation {answer['action']}"
