from typing import Any

from runner.worker import Ctx


async def run(args: dict[str, Any], ctx: Ctx) -> str:
    # A client that offers no sampling learns from the guard that it is needed.
    message = {"role": "user", "content": {"type": "text", "text": "Say hello"}}
    await ctx.ask({"answer": ("sampling/createMessage", {"messages": [message], "maxTokens": 50})})
    return "The client offers sampling"
