from typing import Any

from runner.worker import Ctx

FORM = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


async def run(args: dict[str, Any], ctx: Ctx) -> str:
    message = {"role": "user", "content": {"type": "text", "text": "Say hello"}}
    questions: dict[str, tuple[str, dict[str, Any]]] = {}
    if await ctx.can("sampling"):
        questions["sample"] = ("sampling/createMessage", {"messages": [message], "maxTokens": 50})
    if await ctx.can("elicitation"):
        questions["ask"] = ("elicitation/create", {"mode": "form", "message": "What is your name?", "requestedSchema": FORM})
    await ctx.ask(questions)
    return "Asked what the client can answer."
