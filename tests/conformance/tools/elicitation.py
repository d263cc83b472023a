from typing import Any

from runner.worker import Ctx

FORM = {
    "type": "object",
    "properties": {"username": {"type": "string"}, "email": {"type": "string"}},
    "required": ["username", "email"],
}


async def run(args: dict[str, Any], ctx: Ctx) -> str:
    answer = await ctx.elicit(args["message"], FORM)
    return f"User response: action={answer['action']}, content={answer.get('content', {})}"
