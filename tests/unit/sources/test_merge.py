"""Several documents as one server."""

from typing import Any

import pytest

from bmm.errors import BadInput
from bmm.sources.finding import Compiled
from bmm.sources.merge import merged
from runner.contract import AllowedHost, HttpTool, KeyCredential, check_spec
from tests.unit.sources.documents import Json, compiled, document


def an_api(title: str, *ids: str, header: str = "X-Key", **more: Any) -> Compiled:
    root: Json = {"info": {"title": title}, "components": {"securitySchemes": {"k": {"type": "apiKey", "in": "header", "name": header}}}}
    return compiled(document({f"/{name}": {"get": {"operationId": name, "security": [{"k": []}]}} for name in ids}, **root, **more))


def test_names_that_clash_get_the_name_of_their_api() -> None:
    found = merged([an_api("Orders API", "list", "ship"), an_api("Pets", "list", "feed")])
    assert [tool.name for tool in found.spec.tools] == ["orders_api_list", "ship", "pets_list", "feed"]
    assert found.spec.name == "Orders API, Pets"
    assert [need.key for need in found.spec.secrets] == ["ORDERS_API_K", "PETS_K"]
    assert found.spec.hosts == (AllowedHost(name="api.test", reason="Orders API: 2 tools of the API; Pets: 2 tools of the API"),)
    assert found.spec.scopes[0].description == "Read data from Orders API, Pets"
    assert len(found.findings) == 2
    check_spec(found.spec)


def test_one_document_stays_as_it_is() -> None:
    one = an_api("Pets", "list")
    assert merged([one]) is one


def test_two_meanings_of_a_secret_get_two_names() -> None:
    found = merged([an_api("Pets", "a"), an_api("Pets", "b", header="X-Other")], name="Both")
    assert found.spec.name == "Both"
    keys = [need.key for need in found.spec.secrets]
    assert len(set(keys)) == 2
    tools = [tool for tool in found.spec.tools if isinstance(tool, HttpTool)]
    assert [tool.auth for tool in tools] == [
        ((KeyCredential(place="header", name="X-Key", secret=keys[0]),),),
        ((KeyCredential(place="header", name="X-Other", secret=keys[1]),),),
    ]
    same = merged([an_api("Pets", "a"), an_api("Pets", "b")])
    assert [need.key for need in same.spec.secrets] == ["PETS_K"]


def test_a_secret_is_not_shared_with_another_host() -> None:
    found = merged([an_api("API", "a"), an_api("API", "b", servers=[{"url": "https://other.test"}]), an_api("API", "c")])
    assert [need.key for need in found.spec.secrets] == ["API_K", "API_2_API_K"]
    assert [tool.auth[0][0] for tool in found.spec.tools if isinstance(tool, HttpTool)] == [
        KeyCredential(place="header", name="X-Key", secret=key) for key in ("API_K", "API_2_API_K", "API_K")
    ]


def test_too_many_tools_together_are_refused() -> None:
    many = [compiled(document({f"/p{n}": {"get": {}} for n in range(600)}, info={"title": title})) for title in ("A", "B")]
    with pytest.raises(BadInput, match="1,200 tools"):
        merged(many)
