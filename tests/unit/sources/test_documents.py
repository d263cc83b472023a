"""Several documents: what a person decides has to fit one of them, and each keeps its share."""

import json
from typing import Any

import pytest

from bmm.errors import BadInput
from bmm.sources.documents import compile_documents
from bmm.sources.finding import Compiled
from bmm.sources.openapi.options import Options
from tests.unit.sources.documents import Json, document

VERSION = {"name": "version", "in": "query", "schema": {"type": "integer"}}
ORDERS = document({f"/orders/{n}": {"get": {"operationId": f"order{n}", "parameters": [VERSION]}} for n in range(6)}, info={"title": "Orders"})
PETS = document(
    {"/pets": {"get": {"operationId": "pets", "tags": ["pets"]}}}, info={"title": "Pets"},
    servers=[{"url": "https://{region}.pets.test", "variables": {"region": {"default": "eu"}}}],
)  # fmt: skip


def made(*documents: Json, **options: Any) -> Compiled:
    return compile_documents([(json.dumps(each).encode(), None) for each in documents], options=Options(**options))


def test_a_pin_and_a_variable_of_one_document_do_not_have_to_be_in_the_other() -> None:
    found = made(ORDERS, PETS, pins={"version": "2"}, server_vars={"region": "us"})
    assert not any("version" in tool.input_schema["properties"] for tool in found.spec.tools)
    assert [host.name for host in found.spec.hosts] == ["api.test", "us.pets.test"]


def test_a_filter_may_leave_nothing_of_one_document_and_it_is_said() -> None:
    found = made(ORDERS, PETS, tags=("pets",), name="Mine")
    assert (found.spec.name, [tool.name for tool in found.spec.tools]) == ("Mine", ["pets"])
    assert [each.message.partition(":")[0] for each in found.findings] == ["one document gives no tools"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pins": {"version": "2", "nope": "1"}}, "--pin nope: no operation has"), ({"server_vars": {"nope": "1"}}, "--server-var nope: no server"),
        ({"picks": {"nope": ("/id",)}}, "--pick nope: no operation"),
        ({"tags": ("nope",)}, "No operation passes the filters"), ({"pins": {"version": "two"}}, "--pin version=two: version must be integer"),
    ],
)  # fmt: skip
def test_what_fits_none_of_them_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        made(ORDERS, PETS, **options)


def test_each_document_keeps_its_share_of_the_tools() -> None:
    found = made(ORDERS, PETS, max_tools=3, pins={"version": "2"})
    assert [tool.name for tool in found.spec.tools] == ["order0", "order1", "pets"]
