from typing import Any

from runner.worker import Ctx

FORM = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}


async def run(args: dict[str, Any], ctx: Ctx) -> str:
    await ctx.elicit("Please confirm", FORM, key="confirm")
    return "state-ok: confirmation received"
