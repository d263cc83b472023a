import base64
from typing import Any

from runner.worker import Content, Ctx

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="


async def run(args: dict[str, Any], ctx: Ctx) -> list[Content]:
    return [
        ctx.text("Multiple content types test:"),
        ctx.image(base64.b64decode(PIXEL)),
        ctx.resource("test://mixed-content-resource", '{"test":"data","value":123}', "application/json"),
    ]
