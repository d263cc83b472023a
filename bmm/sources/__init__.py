"""Where specs come from: every source takes a description and returns a `ServerSpec` with its findings."""

from bmm.sources.finding import Compiled, Finding, UnusableDocument
from bmm.sources.openapi import compile_openapi

__all__ = ["SOURCES", "Compiled", "Finding", "UnusableDocument", "compile_openapi"]

SOURCES = {"openapi": compile_openapi}
"""Name in `bmm compile NAME` -> what compiles it."""
