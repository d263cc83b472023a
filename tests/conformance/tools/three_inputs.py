from typing import Any

from runner.worker import Ctx

FORM = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


async def run(args: dict[str, Any], ctx: Ctx) -> str:
    message = {"role": "user", "content": {"type": "text", "text": "Generate a greeting"}}
    await ctx.ask(
        {
            "user_name": ("elicitation/create", {"mode": "form", "message": "What is your name?", "requestedSchema": FORM}),
            "greeting": ("sampling/createMessage", {"messages": [message], "maxTokens": 50}),
            "client_roots": ("roots/list", {}),
        }
    )
    return "All inputs received."
