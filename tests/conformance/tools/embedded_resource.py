from typing import Any

from runner.worker import Content, Ctx


async def run(args: dict[str, Any], ctx: Ctx) -> Content:
    return ctx.resource("test://embedded-resource", "This is an embedded resource content.", "text/plain")
