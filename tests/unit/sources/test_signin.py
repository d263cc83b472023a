"""Parameters that are credentials are not asked of a model; what is only called like one stays."""

import pytest

from runner.contract import HttpTool, KeyCredential
from runner.tools.request import build_request
from tests.unit.sources.documents import Json, compiled, operation, remarks

SCHEMES: Json = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "key": {"type": "apiKey", "in": "query", "name": "key"},
    "token": {"type": "apiKey", "in": "query", "name": "token"},
}
SAID = {"token": "Authentication token. Requires scope: `chat:write`", "key": "API key. Your API key identifies your project."}


def parameter(name: str, place: str = "query", about: str = "", *, required: bool = False) -> Json:
    return {"name": name, "in": place, "required": required, "description": about, "schema": {"type": "string"}}


def asked(*parameters: Json, security: list[Json], schemes: Json | None = None) -> tuple[HttpTool, list[tuple[str, str]]]:
    root = {"components": {"securitySchemes": {"bearer": SCHEMES["bearer"]} if schemes is None else schemes}}
    found = compiled(operation(parameters=list(parameters), security=security, root=root))
    tool = found.spec.tools[0]
    assert isinstance(tool, HttpTool)
    return tool, remarks(found)


@pytest.mark.parametrize(
    ("name", "about"), [("access_token", ""), ("oauth_token", ""), ("apiKey", ""), ("token", SAID["token"]), ("key", SAID["key"])]
)
def test_an_optional_credential_gives_way_to_the_security_scheme(name: str, about: str) -> None:
    tool, found = asked(parameter(name, about=about), security=[{"bearer": []}])
    assert tool.input_schema["properties"] == {}
    assert build_request(tool, {}, {"SHOP_BEARER_TOKEN": "t"}).url == "https://api.test/v1/x"
    assert found == [("note", "/paths/~1x/get/parameters/0")]


@pytest.mark.parametrize(
    ("name", "about"),
    [
        ("key", "The key of the property."),
        ("key", ""),
        ("token", "Pagination token."),
        ("app_key", "App key to deactivate"),
        ("tokenId", ""),
    ],
)
def test_what_is_only_called_like_a_credential_stays(name: str, about: str) -> None:
    tool, found = asked(parameter(name, about=about, required=True), security=[{"bearer": []}])
    assert (list(tool.input_schema["properties"]), found) == ([name], [])


def test_a_required_token_is_the_one_the_operation_signs_in_with() -> None:
    tool, _ = asked(parameter("token", "header", SAID["token"], required=True), security=[{"bearer": []}])
    headers = dict(build_request(tool, {}, {"SHOP_BEARER_TOKEN": "t"}).headers)
    assert (headers["Authorization"], headers["token"]) == ("Bearer t", "t")
    assert tool.input_schema["properties"] == {}


def test_a_required_key_beside_a_token_is_a_secret_of_its_own() -> None:
    tool, _ = asked(parameter("api_key", required=True), security=[{"bearer": []}])
    assert build_request(tool, {}, {"SHOP_BEARER_TOKEN": "t", "SHOP_API_KEY": "k"}).url == "https://api.test/v1/x?api_key=k"


@pytest.mark.parametrize("security", [[], [{"key": []}, {"token": []}], [{"key": [], "token": []}]])
def test_parameters_of_the_document_s_own_keys_are_those_keys(security: list[Json]) -> None:
    parameters = (parameter("key", required=True), parameter("token", required=True))
    tool, _ = asked(*parameters, security=security, schemes=SCHEMES)
    assert tool.input_schema["properties"] == {}
    assert build_request(tool, {}, {"SHOP_KEY": "k", "SHOP_TOKEN": "t"}).url.partition("?")[2] in ("key=k&token=t", "token=t&key=k")


def test_without_security_each_optional_credential_will_do() -> None:
    tool, _ = asked(parameter("key", about=SAID["key"]), parameter("access_token"), security=[])
    key, token = (KeyCredential(place="query", name=name, secret=f"SHOP_{name.upper()}") for name in ("key", "access_token"))
    assert tool.auth == ((key, token), (key,), (token,), ())
