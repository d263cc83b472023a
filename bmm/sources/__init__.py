"""Where specs come from: every source takes a description and returns a `ServerSpec` with its findings."""

from bmm.sources.curl import compile_curl
from bmm.sources.database import compile_database
from bmm.sources.finding import Compiled, Finding, UnusableDocument
from bmm.sources.har import compile_har
from bmm.sources.openapi import compile_openapi
from bmm.sources.template import compile_template

__all__ = ["Compiled", "Finding", "UnusableDocument", "compile_curl", "compile_database", "compile_har", "compile_openapi", "compile_template"]
