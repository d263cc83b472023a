"""The tools of one server, found by name and compiled when they are first called."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from runner.contract import BUILTIN_ECHO, HttpTool, JsonSchema, ServerSpec, SqlTool, Tool
from runner.sql.databases import Databases
from runner.tools.builtin import Echo
from runner.tools.confirm import property_of
from runner.tools.context import Context
from runner.tools.http import HttpRunner, Upstreams
from runner.tools.queries import Queries
from runner.tools.result import ToolAnswer
from runner.tools.sql import SqlRunner

if TYPE_CHECKING:
    from runner.tools.arguments import Checker
    from runner.tools.python import Services


class KindNotRunnable(ValueError):
    """The spec holds a kind of tool that this version cannot run."""


class SchemaUnusable(ValueError):
    """A tool's schema is at fault, not what was checked against it."""


class Runner(Protocol):
    """What each kind of tool provides. `arguments` fit the tool's input schema; an expected failure is part of the answer."""

    async def run(self, arguments: dict[str, Any], context: Context) -> ToolAnswer: ...


class RegisteredTool:
    """A tool and what it takes to check and run a call."""

    def __init__(self, tool: Tool, runner: Runner) -> None:
        self.tool, self.runner = tool, runner
        self.scopes = frozenset(tool.scopes)
        self.confirm = property_of(tool.input_schema) if tool.confirm else None
        """The argument with which a client says that the person agrees; None where nobody is asked."""
        self.binds = binds(tool)

    def problems(self, arguments: dict[str, Any]) -> list[str]:
        """What is wrong with the arguments, in words a model can act on."""
        return self._input.problems(arguments)

    def output_problems(self, value: Any) -> list[str]:
        """What is wrong with the structured content of a tool whose output schema binds."""
        return self._output.problems(value)

    @cached_property
    def _input(self) -> "Checker":
        return _checker(self.tool.input_schema)

    @cached_property
    def _output(self) -> "Checker":
        return _checker(self.tool.output_schema or {})


def binds(tool: Tool) -> bool:
    """Whether the output schema is a promise of the owner; an API's only describes (docs/decisions/010)."""
    return tool.output_schema is not None and not isinstance(tool, HttpTool)


def _checker(schema: JsonSchema) -> "Checker":
    # The validator's library costs 20 ms to import; a start waits for nothing that only calls need.
    from runner.tools.arguments import Checker

    return Checker(schema)


def registered(
    spec: ServerSpec, *, secrets: Mapping[str, str], upstreams: Upstreams, files: Path = Path("/app/files"), code: "Services | None" = None
) -> dict[str, RegisteredTool]:
    """Every tool of a spec by its name. `files` holds what was uploaded with the spec; `code` runs python tools.

    Raises:
        KindNotRunnable: names the first tool that cannot run.
    """
    tools: dict[str, RegisteredTool] = {}
    databases = Databases(spec, ways=upstreams, secrets=secrets, files=files)
    for tool in spec.tools:
        if isinstance(tool, HttpTool):
            runner: Runner = HttpRunner(tool, upstreams, secrets)
        elif isinstance(tool, SqlTool):
            runner = SqlRunner(tool, databases)
        elif tool.code == BUILTIN_ECHO:
            runner = Echo()
        elif code is not None:
            runner = code.runner(tool, Queries(databases))
        else:
            raise KindNotRunnable(f"tool {tool.name!r} is code, and there is nothing here that runs it")
        tools[tool.name] = RegisteredTool(tool, runner)
    return tools
