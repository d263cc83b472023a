"""Which operations become tools."""

import pytest

from bmm.errors import BadInput
from bmm.sources import UnusableDocument
from bmm.sources.openapi.options import Options
from tests.unit.sources.documents import Json, compiled, document, remarks

PATHS: Json = {
    "/pets": {"get": {"operationId": "listPets", "tags": ["Pets"]}, "post": {"operationId": "createPet", "tags": ["Pets"]}},
    "/pets/{id}": {"get": {"operationId": "getPet", "tags": ["Pets"]}, "delete": {"operationId": "deletePet", "tags": ["Pets"]}},
    "/admin/audit/export": {"post": {"operationId": "exportAudit", "tags": ["Admin"]}},
    "/orders": {"get": {"operationId": "listOrders", "tags": ["orders", "public"]}},
    "/old": {"get": {"operationId": "old", "deprecated": True, "tags": ["Pets"]}},
}


def names(**options: object) -> list[str]:
    return [tool.name for tool in compiled(document(PATHS), options=Options(**options)).spec.tools]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["listPets", "createPet", "getPet", "deletePet", "exportAudit", "listOrders"]),
        ({"deprecated": True, "tags": ("pets",)}, ["listPets", "createPet", "getPet", "deletePet", "old"]),
        ({"tags": ("PUBLIC", "admin")}, ["exportAudit", "listOrders"]),
        ({"paths": ("/pets*",)}, ["listPets", "createPet", "getPet", "deletePet"]),
        ({"methods": ("get",)}, ["listPets", "getPet", "listOrders"]),
        ({"operations": ("list*", "GETPET")}, ["listPets", "getPet", "listOrders"]),
        ({"paths": ("/pets*",), "methods": ("GET", "delete"), "operations": ("*Pet",)}, ["getPet", "deletePet"]),
        ({"max_tools": 4}, ["listPets", "createPet", "getPet", "listOrders"]),
        ({"max_tools": 1}, ["listPets"]),
    ],
)
def test_filters_and_the_most_useful_first(options: dict[str, object], expected: list[str]) -> None:
    assert names(**options) == expected


def test_a_choice_is_explained_with_the_tags_there_are() -> None:
    found = compiled(document(PATHS), options=Options(max_tools=3))
    explained = next(each for each in found.findings if each.pointer == "/paths" and each.level == "warning")
    assert explained.message.startswith("the document has 6 operations; 3 are made into tools")
    assert "--tag TAG (Pets (4), Admin (1), orders (1), public (1))" in explained.fix
    assert ("note", "/paths") in remarks(found)


def test_deprecated_operations_alone_are_used() -> None:
    found = compiled(document({"/old": {"get": {"operationId": "old", "deprecated": True, "summary": "Old"}}}))
    assert (found.spec.tools[0].name, found.spec.tools[0].description) == ("old", "Deprecated. Old")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tags": ("nope",)}, "the document's tags are Admin, Pets, orders, public"),
        ({"operations": ("nope",)}, "there are listPets"),
        ({"paths": ("/nope",)}, "there are paths such as /pets"),
    ],
)
def test_a_filter_that_nothing_passes_says_what_there_is(options: dict[str, object], words: str) -> None:
    with pytest.raises(UnusableDocument, match=words):
        names(**options)


def test_a_skipped_operation_does_not_cost_a_place() -> None:
    broken = {"operationId": "broken", "parameters": [{"$ref": "#/nowhere"}]}
    found = compiled(document({"/a": {"get": broken}, "/b": {"get": {}}, "/c/d/e": {"get": {}}}), options=Options(max_tools=1))
    assert [tool.name for tool in found.spec.tools] == ["get_b"]


SERVERS = [
    {"url": "https://{region}.api.test/{v}", "variables": {"region": {"default": "eu", "enum": ["eu", "us"]}, "v": {"default": "v1"}}}
]


def test_server_variables() -> None:
    value = document({"/x": {"get": {}}}, servers=SERVERS)
    assert [host.name for host in compiled(value, options=Options(server_vars={"region": "us"})).spec.hosts] == ["us.api.test"]
    with pytest.raises(BadInput, match="region must be one of eu, us"):
        compiled(value, options=Options(server_vars={"region": "mars"}))
    with pytest.raises(BadInput, match="--server-var nope: no server that is used"):
        compiled(value, options=Options(server_vars={"nope": "1"}))


@pytest.mark.parametrize(
    ("pin", "words"), [({"nope": "1"}, "no operation has"), ({"n": "x"}, "must be integer"), ({"e": "z"}, "must be one of a, b")]
)
def test_a_pin_that_does_not_fit_is_refused(pin: dict[str, str], words: str) -> None:
    parameters = [
        {"name": "n", "in": "query", "schema": {"type": "integer"}},
        {"name": "e", "in": "query", "schema": {"type": "string", "enum": ["a", "b"]}},
    ]
    with pytest.raises(BadInput, match=words):
        compiled(document({"/x": {"get": {"parameters": parameters}}}), options=Options(pins=pin))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("//api.test/v1", "https://api.test/v1"),
        ("api.test/v1", "https://api.test/v1"),
        ("https:/api.test", "https://api.test"),
        ("http;//api.test", "http://api.test"),
        ("HTTPS://api.test/", "https://api.test"),
        ("https://api.test/v1?x=1#y", "https://api.test/v1"),
    ],
)
def test_server_urls_are_repaired(url: str, expected: str) -> None:
    found = compiled(document({"/x": {"get": {}}}, servers=[{"url": url}]))
    assert found.spec.tools[0].server == expected  # type: ignore[union-attr]
