"""What can be said about a spec without running it: kinds that run, destinations the operator allows, secrets that are there."""

from collections.abc import Collection, Iterator
from typing import NoReturn

import jsonschema_rs

from bmm.config import Config
from bmm.errors import BadInput, SecretsMissing
from runner.contract import HttpTool, JsonSchema, PythonTool, ServerSpec, SpecError, decode_spec


def read_spec(document: bytes | str) -> ServerSpec:
    """The spec, or why it cannot be used.

    Raises:
        BadInput: with the place in the document.
    """
    try:
        return decode_spec(document)
    except SpecError as error:
        raise BadInput(f"The spec cannot be used: {error.message}", pointer=error.pointer or None) from error


def check(spec: ServerSpec, config: Config, secret_keys: Collection[str], slug: str) -> Iterator[str]:
    """Refuse what cannot run; yield what is odd but harmless, as sentences.

    Raises:
        BadInput: a tool kind that does not run yet, or plain HTTP where the operator has not allowed it.
        SecretsMissing: names every missing key.
    """
    for number, tool in enumerate(spec.tools):
        # A built-in double stands for code until code can run; the candidate refuses a name that is none.
        if not isinstance(tool, HttpTool) and not (isinstance(tool, PythonTool) and tool.code.startswith("builtin:")):
            raise BadInput(f"The tool {tool.name!r} has a kind that does not run yet; only http tools do", pointer=f"/tools/{number}/kind")
        _compiles(tool.input_schema, f"/tools/{number}/input_schema")
    for number, host in enumerate(spec.hosts):
        place = f"{host.name}:{host.port}"
        if host.plain and place not in config.egress_plain_http:
            raise BadInput(
                f'{place} would be reached without TLS. An operator can allow that with egress_plain_http = ["{place}"] in the settings',
                pointer=f"/hosts/{number}",
            )
    missing = [need.key for need in spec.secrets if need.required and need.key not in secret_keys]
    if missing:
        commands = " and ".join(f"`bmm secret set {slug} {key} --next`" for key in missing)
        raise SecretsMissing(f"Secrets are missing: {', '.join(missing)}. Run {commands}, then deploy again")
    for key in sorted(set(secret_keys) - {need.key for need in spec.secrets}):
        yield f"The secret {key} is set, but this spec does not use it; `bmm secret rm {slug} {key}` removes it"


def _compiles(schema: JsonSchema, pointer: str) -> None:
    """A schema that the guard could not use would show at the first call only."""
    try:
        jsonschema_rs.Draft202012Validator(schema, retriever=_refuse)
    except ValueError as error:
        raise BadInput(f"This is not a usable JSON Schema: {str(error).splitlines()[0][:300]}", pointer=pointer) from error


def _refuse(address: str) -> NoReturn:
    raise ValueError(f"it refers to {address[:200]}, outside itself")
