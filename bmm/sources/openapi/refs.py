"""Local `$ref`s: JSON pointers into the document (RFC 6901), followed to their end."""

from urllib.parse import unquote

from bmm.sources.finding import Remarks


class RefError(Exception):
    """A `$ref` that leads nowhere usable; `pointer` is where it stands."""

    def __init__(self, message: str, pointer: str) -> None:
        super().__init__(message)
        self.message, self.pointer = message, pointer


def escape(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1") if "/" in step or "~" in step else step


def segments(pointer: str) -> list[str]:
    """What a pointer goes through, from the top."""
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def under(pointer: str, *steps: str | int) -> str:
    """The pointer of a place below another."""
    for step in steps:
        pointer = f"{pointer}/{escape(step) if isinstance(step, str) else step}"
    return pointer


class Document:
    """The decoded document, in which nothing is ever changed, and what was remarked about it."""

    def __init__(self, root: dict[str, object], remarks: Remarks | None = None) -> None:
        self.root, self.remarks = root, remarks or Remarks()
        self._found: dict[str, tuple[object, str]] = {}

    def follow(self, node: object, pointer: str) -> tuple[object, str]:
        """The node itself, or what its `$ref` finally leads to, and where that stands.

        Raises:
            RefError: it leads outside the document, nowhere, or around in a circle.
        """
        if not isinstance(node, dict) or "$ref" not in node:
            return node, pointer
        passed: set[str] = set()
        while isinstance(node, dict) and isinstance(node.get("$ref"), str):
            ref = node["$ref"]
            if ref in passed:
                raise RefError(f"the $ref {ref!r} leads back to itself", pointer)
            passed.add(ref)
            node, pointer = self.target(ref, pointer)
        return node, pointer

    def target(self, ref: str, pointer: str) -> tuple[object, str]:
        """What one `$ref` names and its canonical pointer; `pointer` is where the `$ref` stands.

        Raises:
            RefError: it leads outside the document or nowhere.
        """
        if ref not in self._found:
            self._found[ref] = self._look_up(ref, pointer)
        return self._found[ref]

    def _look_up(self, ref: str, pointer: str) -> tuple[object, str]:
        if not ref.startswith("#"):
            raise RefError(f"the $ref {ref!r} leads to another document, which is not read", pointer)
        path = unquote(ref[1:])
        if path and not path.startswith("/"):
            raise RefError(f"the $ref {ref!r} is not a JSON pointer", pointer)
        node: object = self.root
        for step in segments(path):
            node = self._step(node, step, ref, pointer)
        return node, path

    def _step(self, node: object, step: str, ref: str, pointer: str) -> object:
        if isinstance(node, dict) and step in node:
            return node[step]
        if isinstance(node, list) and step.isdecimal() and int(step) < len(node):
            return node[int(step)]
        raise RefError(f"the $ref {ref!r} leads to nothing", pointer)
