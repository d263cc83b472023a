from typing import Any

from runner.worker import Ctx


async def run(args: dict[str, Any], ctx: Ctx) -> str:
    message = {"role": "user", "content": {"type": "text", "text": "What is the capital of France?"}}
    answers = await ctx.ask({"capital_question": ("sampling/createMessage", {"messages": [message], "maxTokens": 100})})
    return f"Model said: {answers['capital_question']['content']['text']}"
