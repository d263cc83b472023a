from typing import Any

from runner.worker import Ctx

FORM = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "description": "User name", "default": "John Doe"},
        "age": {"type": "integer", "description": "User age", "default": 30},
        "score": {"type": "number", "description": "User score", "default": 95.5},
        "status": {"type": "string", "description": "User status", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "description": "Verification status", "default": True},
    },
    "required": [],
}


async def run(args: dict[str, Any], ctx: Ctx) -> str:
    answer = await ctx.elicit("Please provide user information", FORM)
    return f"Elicitation completed: action={answer['action']}, content={answer.get('content', {})}"
