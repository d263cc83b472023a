"""Documents that are no spec, and names that would break out of where they are written."""

import msgspec
import pytest

from runner.contract import Scope, SpecError, decode_spec
from tests.unit.runner.guarded import spec


@pytest.mark.parametrize("name", ["read\n", 'read"', "read write", "", "Read"])
def test_a_scope_must_fit_into_a_header(name: str) -> None:
    with pytest.raises(SpecError):
        decode_spec(msgspec.json.encode(spec(scopes=(Scope(name=name, description="d"),))))


@pytest.mark.parametrize("document", ["", "{", b"\xff", '{"name": "\ud800"}', '{"tools": [{"kind": "python", "meta": ' + '{"a": ' * 100_000])
def test_what_is_no_document_is_told_as_such(document: bytes | str) -> None:
    with pytest.raises(SpecError, match="not a JSON document"):
        decode_spec(document)
