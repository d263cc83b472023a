"""What a person may decide about a document before it becomes tools."""

from collections.abc import Set

from msgspec import Struct

from bmm.errors import BadInput
from runner.contract import MAX_TOOLS

MAX_BYTES = 50 * 1024 * 1024
SENSIBLE_TOOLS = 128
"""How many tools a person gets who does not say a number: what a model and its client can still overlook."""


class Options(Struct, frozen=True, kw_only=True):
    """`server` replaces every server URL, `server_vars` the defaults of server variables, `name` the title.

    `pins` fixes arguments by name, `picks` the fields of answers (JSON pointers) by operation id or tool name. `tags`, `paths` and
    `operations` (globs) and `methods` each narrow the choice; empty means all.
    """

    server: str | None = None
    server_vars: dict[str, str] = {}
    name: str | None = None
    pins: dict[str, str] = {}
    picks: dict[str, tuple[str, ...]] = {}
    tags: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    max_tools: int = MAX_TOOLS
    deprecated: bool = False
    max_bytes: int = MAX_BYTES


class OptionsUnused(BadInput):
    """Names that `pins`, `picks` or `server_vars` have and the document has not; the sentence is about the first."""

    def __init__(self, *, pins: Set[str], picks: Set[str], variables: Set[str]) -> None:
        self.pins, self.picks, self.variables = frozenset(pins), frozenset(picks), frozenset(variables)
        if pins:
            super().__init__(f"--pin {min(pins)}: no operation has a parameter or a body property of this name.")
        elif picks:
            super().__init__(f"--pick {min(picks)}: no operation that becomes a tool has this id or tool name.")
        else:
            super().__init__(f"--server-var {min(variables)}: no server that is used has this variable.")
