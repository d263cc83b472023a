from typing import Any

from runner.worker import Ctx

FORM = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


async def run(args: dict[str, Any], ctx: Ctx) -> str:
    answer = await ctx.elicit("What is your name?", FORM, key="user_name")
    return f"Hello, {answer.get('content', {}).get('name', 'stranger')}!"
