"""A secret's value stays where it was given for."""

import msgspec
import pytest

from bmm.core.destinations import only_as_before
from runner.contract import BasicCredential, BearerCredential, Database, HttpTool, KeyCredential, PythonTool, ServerSpec, SqlTool

HTTP = HttpTool(
    name="a", description="A.", input_schema={"type": "object"}, method="GET", server="https://a.test", path="/a",
    auth=((KeyCredential(place="header", name="X-Key", secret="K"),),),
)  # fmt: skip
SQL = SqlTool(name="b", description="B.", input_schema={"type": "object"}, database="main", query="SELECT 1")
MAIN = Database(name="main", kind="postgresql", host="db.test", database="shop", user="u", password="P")
BASE = ServerSpec(name="Both", tools=(HTTP, SQL), databases=(MAIN,))


@pytest.mark.parametrize("key", ["K", "P"])
def test_other_paths_names_and_queries_are_the_same_place(key: str) -> None:
    tools = (msgspec.structs.replace(HTTP, name="c", path="/c", method="POST"), msgspec.structs.replace(SQL, query="SELECT 2"))
    assert only_as_before(key, msgspec.structs.replace(BASE, tools=tools), BASE)
    assert only_as_before(key, msgspec.structs.replace(BASE, tools=()), BASE)


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("K", {"server": "https://b.test"}), ("K", {"server": "http://a.test"}), ("K", {"server": "https://a.test:8443"}),
        ("K", {"auth": ((KeyCredential(place="query", name="X-Key", secret="K"),),)}), ("K", {"auth": ((BearerCredential(secret="K"),),)}),
        ("K", {"auth": (*HTTP.auth, (BasicCredential(username="U", password="K"),))}), ("P", {"auth": ((BearerCredential(secret="P"),),)}),
    ],
)  # fmt: skip
def test_a_tool_that_sends_it_elsewhere_or_otherwise(key: str, change: dict[str, object]) -> None:
    assert not only_as_before(key, msgspec.structs.replace(BASE, tools=(HTTP, msgspec.structs.replace(HTTP, **change), SQL)), BASE)


@pytest.mark.parametrize(
    "change",
    [{"host": "evil.test"}, {"port": 6432}, {"user": "root"}, {"tls": "off"}, {"trust": "x"}, {"database": "other"}, {"kind": "mysql"}, {"password": "K"}],
)
def test_another_database_is_another_place(change: dict[str, str]) -> None:
    other = msgspec.structs.replace(MAIN, name="other", **change)
    assert not only_as_before(change.get("password", "P"), msgspec.structs.replace(BASE, databases=(MAIN, other)), BASE)


def test_code_may_send_it_anywhere() -> None:
    code = PythonTool(name="c", description="C.", input_schema={"type": "object"}, code="async def run(args, ctx): ...")
    with_code = msgspec.structs.replace(BASE, tools=(HTTP, SQL, code))
    assert not only_as_before("K", with_code, BASE)
    assert only_as_before("K", with_code, with_code)
