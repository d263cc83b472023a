from typing import Any

from runner.worker import Ctx


def form(name: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": "string"}}, "required": [name]}


async def run(args: dict[str, Any], ctx: Ctx) -> str:
    name = await ctx.elicit("Step 1: What is your name?", form("name"), key="step1")
    color = await ctx.elicit("Step 2: What is your favorite color?", form("color"), key="step2")
    return f"{name.get('content', {}).get('name', '?')} likes {color.get('content', {}).get('color', '?')}."
