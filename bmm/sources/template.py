"""Built-in servers to start with: JSON files beside this one, each a spec with a few values left open."""

import re
from functools import cache
from importlib.resources import files
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from bmm.errors import BadInput, NotFound
from bmm.sources.database import compile_database
from bmm.sources.database.options import Options as DatabaseOptions
from bmm.sources.finding import Compiled
from bmm.sources.openapi.servers import ServerError, allowed_hosts, base_url
from runner.contract import HttpTool, ServerSpec, SpecError, decode_spec

_OPEN = re.compile(r"\$\{(\w+)\}")


class Setting(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A value a template leaves open. Without a default it has to be given."""

    about: str
    default: str | None = None
    pattern: str = r"[^\x00-\x1f]{1,300}"


class Template(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`names` are words that mean this template by themselves, `words` those that do together; `source` makes it instead of a spec."""

    name: str
    title: str
    about: str
    names: tuple[str, ...]
    words: tuple[str, ...] = ()
    settings: dict[str, Setting] = {}
    source: str | None = None
    spec: msgspec.Raw = msgspec.Raw(b"{}")

    @property
    def command(self) -> str:
        """The words after `bmm new` that use it."""
        needed = [name for name, each in self.settings.items() if each.default is None]
        return " ".join([f"--template {self.name}", *(f"--set {name}=…" for name in needed)])


class TemplateUnknown(NotFound):
    code = "template_unknown"


@cache
def templates() -> tuple[Template, ...]:
    """All of them, by name."""
    found = [each for each in files("bmm.sources").joinpath("templates").iterdir() if each.name.endswith(".json")]
    return tuple(sorted((msgspec.json.decode(each.read_bytes(), type=Template) for each in found), key=lambda each: each.name))


def compile_template(name: str, settings: dict[str, str] | None = None, *, database: DatabaseOptions | None = None) -> Compiled:
    """The spec of a template with its open values filled in; `database` is for one that is made of a database.

    Raises:
        TemplateUnknown: there is none of this name; says which there are.
        BadInput: a value is missing, unknown or cannot be.
    """
    template = next((each for each in templates() if each.name == name), None)
    if template is None:
        raise TemplateUnknown(f"There is no template {name[:60]!r}; there are {', '.join(each.name for each in templates())}")
    values = _values(template, settings or {})
    if template.source == "database":
        return compile_database(values["url"], options=database)
    spec = _filled(msgspec.json.decode(template.spec), values)
    try:
        made = msgspec.convert(spec, ServerSpec)
        made = made if made.hosts else msgspec.structs.replace(made, hosts=allowed_hosts(each for each in made.tools if isinstance(each, HttpTool)))
        return Compiled(spec=decode_spec(msgspec.json.encode(made)))
    except (msgspec.ValidationError, SpecError) as error:
        raise BadInput(f"The template {name} cannot be made with these values: {error}") from error


def _values(template: Template, given: dict[str, str]) -> dict[str, str]:
    if unknown := sorted(set(given) - set(template.settings)):
        known = f"it has {', '.join(template.settings)}" if template.settings else "it has none"
        raise BadInput(f"--set {unknown[0]}: the template {template.name} has no such value; {known}")
    values: dict[str, str] = {}
    for name, setting in template.settings.items():
        value = given.get(name, setting.default)
        if value is None:
            raise BadInput(f"The template {template.name} needs --set {name}=VALUE: {setting.about}")
        if not re.fullmatch(setting.pattern, value):
            raise BadInput(f"--set {name}={value[:60]} cannot be: {setting.about}")
        values[name] = _base(value) if template.source is None and urlsplit(value).scheme in ("http", "https") else value
    return values


def _base(url: str) -> str:
    try:
        return base_url(url, "")
    except ServerError as error:
        raise BadInput(f"{url[:80]}: {error.message}. {error.fix}") from error


def _filled(value: object, values: dict[str, str]) -> object:
    if isinstance(value, str):
        return _OPEN.sub(lambda match: values[match.group(1)], value)
    if isinstance(value, list):
        return [_filled(each, values) for each in value]
    return {key: _filled(each, values) for key, each in value.items()} if isinstance(value, dict) else value
