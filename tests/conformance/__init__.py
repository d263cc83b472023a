"""A server with the fixtures of the official conformance suite: a folder as `bmm deploy` takes it, whose tools are code."""

from pathlib import Path

from bmm.cli.parts.spec_files import read_spec_document
from runner.contract import ServerSpec, decode_spec

FOLDER = Path(__file__).resolve().parent


def fixtures() -> ServerSpec:
    """The folder as one spec, with the code of its tools in it."""
    return decode_spec(read_spec_document(str(FOLDER)))
