from typing import Any

from runner.worker import Ctx


async def run(args: dict[str, Any], ctx: Ctx) -> str:
    message = {"role": "user", "content": {"type": "text", "text": args["prompt"]}}
    answers = await ctx.ask({"answer": ("sampling/createMessage", {"messages": [message], "maxTokens": 100})})
    return f"LLM response: {answers['answer']['content']['text']}"
