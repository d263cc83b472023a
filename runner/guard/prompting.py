"""Prompts whose missing arguments the person is asked for."""

from typing import Any

from runner.protocol.jsonrpc import INVALID_PARAMS, RpcError
from runner.protocol.offers import Offers
from runner.protocol.requests import PromptGet
from runner.tools.context import Context, Question, Unanswered

KEY = "arguments"


async def prompted(offers: Offers, get: PromptGet, context: Context) -> bytes:
    """The inner JSON of a prompt, once the person has given what the client left out.

    Raises:
        RpcError: no such prompt, or an argument is still missing.
        InputNeeded: let it pass.
    """
    arguments = dict(get.arguments)
    missing = offers.missing(get.name, arguments)
    if missing and context.can("elicitation"):
        properties: dict[str, Any] = {}
        for argument in missing:
            shown = {"type": "string", "title": argument.title or argument.name, "description": argument.description, "enum": argument.values}
            properties[argument.name] = {name: value for name, value in shown.items() if value}
        schema = {"type": "object", "properties": properties, "required": [argument.name for argument in missing]}
        message = f"The prompt {get.name} needs more."
        question = Question(method="elicitation/create", params={"mode": "form", "message": message, "requestedSchema": schema})
        try:
            answer = (await context.ask({KEY: question}))[KEY]
        except Unanswered as error:
            raise RpcError(INVALID_PARAMS, str(error)) from None
        content = answer.get("content") if answer["action"] == "accept" else None
        if not isinstance(content, dict):
            raise RpcError(INVALID_PARAMS, f"The person did not give the argument {missing[0].name!r}.")
        arguments |= {name: value for name, value in content.items() if name in properties and isinstance(value, str)}
    return offers.prompt(get.name, arguments)
