"""A spec whose names would break out of where they are written."""

import msgspec
import pytest

from runner.contract import Scope, SpecError, decode_spec
from tests.unit.runner.guarded import spec


@pytest.mark.parametrize("name", ["read\n", 'read"', "read write", "", "Read"])
def test_a_scope_must_fit_into_a_header(name: str) -> None:
    with pytest.raises(SpecError):
        decode_spec(msgspec.json.encode(spec(scopes=(Scope(name=name, description="d"),))))
