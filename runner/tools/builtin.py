"""Tools of kind python whose code is `builtin:<name>`: functions of the guard itself.

They stand in for code until workers run it, for one server only: the one that the official conformance suite is held against
(tests/conformance/spec.json), and `echo` for benchmarks. The names and texts are the suite's.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from runner.tools.context import Context, NotCapable, Question
from runner.tools.result import ToolAnswer, failed

PREFIX = "builtin:"
IMAGE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
SOUND = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA="

Arguments = dict[str, Any]
Function = Callable[[Arguments, Context], Awaitable[ToolAnswer]]


class BuiltinRunner:
    """One such tool."""

    def __init__(self, function: Function) -> None:
        self._function = function

    async def run(self, arguments: Arguments, context: Context) -> ToolAnswer:
        return await self._function(arguments, context)


def builtin(code: str) -> BuiltinRunner | None:
    """The tool that the code names; None where it is real code, or nobody's name."""
    function = _FUNCTIONS.get(code.removeprefix(PREFIX)) if code.startswith(PREFIX) else None
    return None if function is None else BuiltinRunner(function)


def _says(text: str) -> Function:
    async def say(arguments: Arguments, context: Context) -> ToolAnswer:
        return ToolAnswer(text=text)

    return say


def _shows(*blocks: dict[str, Any], text: str | None = None) -> Function:
    async def show(arguments: Arguments, context: Context) -> ToolAnswer:
        return ToolAnswer(text=text, blocks=blocks)

    return show


async def _echo(arguments: Arguments, context: Context) -> ToolAnswer:
    return ToolAnswer(text=str(arguments.get("text", "")))


async def _fail(arguments: Arguments, context: Context) -> ToolAnswer:
    return failed("failed", "This tool intentionally returns an error for testing")


async def _header(arguments: Arguments, context: Context) -> ToolAnswer:
    return ToolAnswer(text=f"region={arguments.get('region', '<none>')}")


async def _log_thrice(arguments: Arguments, context: Context) -> ToolAnswer:
    for line in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await context.log("info", line)
        await asyncio.sleep(0.05)
    return ToolAnswer(text="Tool with logging executed successfully")


async def _log_once(arguments: Arguments, context: Context) -> ToolAnswer:
    await context.log("info", "test_logging_tool ran")
    return ToolAnswer(text="logged")


async def _progress(arguments: Arguments, context: Context) -> ToolAnswer:
    for step in (0, 50, 100):
        await context.progress(step, 100, f"Completed step {step} of 100")
        await asyncio.sleep(0.05)
    return ToolAnswer(text="Progress reported")


async def _reconnection(arguments: Arguments, context: Context) -> ToolAnswer:
    await context.log("info", "Before the wait")
    await asyncio.sleep(0.2)
    return ToolAnswer(text="Reconnection test completed")


async def _tools_changed(arguments: Arguments, context: Context) -> ToolAnswer:
    context.changed("tools")
    return ToolAnswer(text="tool list changed")


async def _prompts_changed(arguments: Arguments, context: Context) -> ToolAnswer:
    context.changed("prompts")
    return ToolAnswer(text="prompt list changed")


def _form(message: str, properties: dict[str, Any], required: list[str] | None = None) -> Question:
    schema: dict[str, Any] = {"type": "object", "properties": properties, "required": list(properties) if required is None else required}
    return Question(method="elicitation/create", params={"mode": "form", "message": message, "requestedSchema": schema})


def _sample(prompt: str, *, tokens: int = 100) -> Question:
    message = {"role": "user", "content": {"type": "text", "text": prompt}}
    return Question(method="sampling/createMessage", params={"messages": [message], "maxTokens": tokens})


_ROOTS = Question(method="roots/list")
_NAME = {"name": {"type": "string"}}
_OK = {"ok": {"type": "boolean"}}


def _asks(line: str, question: Question) -> Function:
    """Elicits, and tells what came: `line` has places for the action and the content."""

    async def ask(arguments: Arguments, context: Context) -> ToolAnswer:
        answer = (await context.ask({"answer": question}))["answer"]
        return ToolAnswer(text=line.format(action=answer.get("action"), content=answer.get("content", {})))

    return ask


async def _elicit(arguments: Arguments, context: Context) -> ToolAnswer:
    question = _form(str(arguments["message"]), {"username": {"type": "string"}, "email": {"type": "string"}}, ["username", "email"])
    return await _asks("User response: action={action}, content={content}", question)(arguments, context)


async def _sampling(arguments: Arguments, context: Context) -> ToolAnswer:
    answer = (await context.ask({"answer": _sample(str(arguments["prompt"]))}))["answer"]
    return ToolAnswer(text=f"LLM response: {_text(answer)}")


async def _capability(arguments: Arguments, context: Context) -> ToolAnswer:
    if not context.can("sampling"):
        raise NotCapable(frozenset({"sampling"}))
    return ToolAnswer(text="The client offers sampling")


async def _greet(arguments: Arguments, context: Context) -> ToolAnswer:
    answer = (await context.ask({"user_name": _form("What is your name?", _NAME)}))["user_name"]
    return ToolAnswer(text=f"Hello, {_field(answer, 'name', 'stranger')}!")


async def _capital(arguments: Arguments, context: Context) -> ToolAnswer:
    answer = (await context.ask({"capital_question": _sample("What is the capital of France?")}))["capital_question"]
    return ToolAnswer(text=f"Model said: {_text(answer)}")


async def _roots(arguments: Arguments, context: Context) -> ToolAnswer:
    answer = (await context.ask({"client_roots": _ROOTS}))["client_roots"]
    return ToolAnswer(text=f"Client exposed {len(answer.get('roots', []))} root(s).")


async def _confirmed(arguments: Arguments, context: Context) -> ToolAnswer:
    await context.ask({"confirm": _form("Please confirm", _OK)})
    return ToolAnswer(text="state-ok: confirmation received")


async def _three_inputs(arguments: Arguments, context: Context) -> ToolAnswer:
    await context.ask(
        {"user_name": _form("What is your name?", _NAME), "greeting": _sample("Generate a greeting", tokens=50), "client_roots": _ROOTS}
    )
    return ToolAnswer(text="All inputs received.")


async def _two_rounds(arguments: Arguments, context: Context) -> ToolAnswer:
    name = (await context.ask({"step1": _form("Step 1: What is your name?", _NAME)}))["step1"]
    color = (await context.ask({"step2": _form("Step 2: What is your favorite color?", {"color": {"type": "string"}})}))["step2"]
    return ToolAnswer(text=f"{_field(name, 'name', '?')} likes {_field(color, 'color', '?')}.")


async def _what_it_can(arguments: Arguments, context: Context) -> ToolAnswer:
    questions: dict[str, Question] = {}
    if context.can("sampling"):
        questions["sample"] = _sample("Say hello", tokens=50)
    if context.can("elicitation"):
        questions["ask"] = _form("What is your name?", _NAME)
    await context.ask(questions)
    return ToolAnswer(text="Asked what the client can answer.")


def _field(answer: dict[str, Any], name: str, default: str) -> str:
    content = answer.get("content")
    return str(content.get(name, default)) if isinstance(content, dict) else default


def _text(answer: dict[str, Any]) -> str:
    content = answer.get("content")
    return str(content.get("text", "")) if isinstance(content, dict) else ""


_DEFAULTS = _form(
    "Please provide user information",
    {
        "name": {"type": "string", "description": "User name", "default": "John Doe"},
        "age": {"type": "integer", "description": "User age", "default": 30},
        "score": {"type": "number", "description": "User score", "default": 95.5},
        "status": {"type": "string", "description": "User status", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "description": "Verification status", "default": True},
    },
    [],
)
_ENUMS = _form(
    "Please select values using different enum schema types",
    {
        "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
        "titledSingle": {"type": "string", "oneOf": [{"const": f"value{n}", "title": f"Option {n}"} for n in (1, 2, 3)]},
        "legacyEnum": {"type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": ["Option One", "Option Two", "Option Three"]},
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": ["option1", "option2", "option3"]}},
        "titledMulti": {"type": "array", "items": {"anyOf": [{"const": f"value{n}", "title": f"Choice {n}"} for n in (1, 2, 3)]}},
    },
    [],
)
_IMAGE = {"type": "image", "data": IMAGE, "mimeType": "image/png"}
_SOUND = {"type": "audio", "data": SOUND, "mimeType": "audio/wav"}
_MIXED = {"uri": "test://mixed-content-resource", "mimeType": "application/json", "text": '{"test":"data","value":123}'}
_EMBEDDED = {"uri": "test://embedded-resource", "mimeType": "text/plain", "text": "This is an embedded resource content."}

_FUNCTIONS: dict[str, Function] = {
    "echo": _echo,
    "test_simple_text": _says("This is a simple text response for testing."),
    "test_image_content": _shows(_IMAGE),
    "test_audio_content": _shows(_SOUND),
    "test_embedded_resource": _shows({"type": "resource", "resource": _EMBEDDED}),
    "test_multiple_content_types": _shows(_IMAGE, {"type": "resource", "resource": _MIXED}, text="Multiple content types test:"),
    "test_tool_with_logging": _log_thrice,
    "test_logging_tool": _log_once,
    "test_tool_with_progress": _progress,
    "test_error_handling": _fail,
    "test_x_mcp_header": _header,
    "test_reconnection": _reconnection,
    "json_schema_2020_12_tool": _says("json_schema_2020_12_tool"),
    "test_trigger_tool_change": _tools_changed,
    "test_trigger_prompt_change": _prompts_changed,
    "test_sampling": _sampling,
    "test_elicitation": _elicit,
    "test_elicitation_sep1034_defaults": _asks("Elicitation completed: action={action}, content={content}", _DEFAULTS),
    "test_elicitation_sep1330_enums": _asks("Elicitation completed: action={action}, content={content}", _ENUMS),
    "test_missing_capability": _capability,
    "test_streaming_elicitation": _asks("elicitation {action}", _form("The streaming probe asks for a word", {"word": {"type": "string"}})),
    "test_input_required_result_elicitation": _greet,
    "test_input_required_result_sampling": _capital,
    "test_input_required_result_list_roots": _roots,
    "test_input_required_result_request_state": _confirmed,
    "test_input_required_result_multiple_inputs": _three_inputs,
    "test_input_required_result_multi_round": _two_rounds,
    "test_input_required_result_tampered_state": _confirmed,
    "test_input_required_result_capabilities": _what_it_can,
}
