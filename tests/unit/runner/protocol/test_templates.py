"""URI templates match what RFC 6570 level 1 expands, refuse the rest, and cost little however long the URI is."""

import pytest

from runner.protocol.templates import MAX_URI, Malformed, expanded, filled, parsed, places
from tests.waiting import at_best, processor_seconds

FREE: dict[str, tuple[str, ...]] = {}


@pytest.mark.parametrize(
    ("template", "uri", "found"),
    [
        ("docs://{page}", "docs://start", {"page": "start"}),
        ("docs://{page}", "docs://", None),
        ("docs://{page}", "docs://a/b", None),
        ("docs://{page}", "docs://a%2Fb", None),
        ("docs://{page}", "other://a", None),
        ("docs://{page}", "docs://S%C3%A3o%20Paulo", {"page": "São Paulo"}),
        ("docs://{page}", "docs://%FF", None),
        ("docs://{page}", "docs://100%", {"page": "100%"}),
        ("db://{table}/rows/{id}", "db://users/rows/7", {"table": "users", "id": "7"}),
        ("db://{table}/rows/{id}", "db://users/rows/7/x", None),
        ("db://{table}/rows/{id}", "db:///rows/7", None),
        ("x:{a}-{b}.json", "x:1-2-3.json", {"a": "1", "b": "2-3"}),
        ("x:{a}.json", "x:.json", None),
        ("x:{a}.json", "x:a.jsonx", None),
        ("q://s?x={x}&y={y}", "q://s?x=a%26y%3Db&y=c", {"x": "a&y=b", "y": "c"}),
    ],
)
def test_free_variables(template: str, uri: str, found: dict[str, str] | None) -> None:
    assert parsed(template).match(uri, FREE) == found


@pytest.mark.parametrize(
    ("template", "uri", "found"),
    [
        ("docs://{p}", "docs://guide/start", {"p": "guide/start"}),
        ("docs://{p}", "docs://guide%2Fstart", {"p": "guide/start"}),
        ("docs://{p}", "docs://guide", None),
        ("docs://{p}/{n}", "docs://guide/start/1", {"p": "guide/start", "n": "1"}),
        ("docs://{p}/{n}", "docs://a/1", {"p": "a", "n": "1"}),
        ("docs://{p}/{n}", "docs://b/1", None),
    ],
)
def test_a_variable_with_values_is_one_of_them_and_may_hold_a_slash(template: str, uri: str, found: dict[str, str] | None) -> None:
    assert parsed(template).match(uri, {"p": ("guide/start", "a")}) == found


@pytest.mark.parametrize("value", ["a", "a/b", "ä ö", "100%", "{x}", "a&b=c", "..", "日本"])
def test_what_is_expanded_matches_again(value: str) -> None:
    assert parsed("x://{a}/end").match(expanded("x://{a}/end", {"a": value}), {"a": (value,)}) == {"a": value}


def test_values_are_percent_encoded_with_their_slashes() -> None:
    assert expanded("x://{a}/{b}", {"a": "a/b", "b": "ä"}) == "x://a%2Fb/%C3%A4"


def test_a_uri_that_is_one_place_is_the_value_itself() -> None:
    assert expanded("{uri}", {"uri": "test://a/b"}) == "test://a/b"


@pytest.mark.parametrize("template", ["x:{a}{b}", "x:{a}/{a}", "x:{a", "x:a}", "x:{}", "x:{{a}}", "x:{+a}", "x:{a*}", "x:{a,b}", "x:{1}"])
def test_templates_that_nobody_could_match_are_refused(template: str) -> None:
    with pytest.raises(Malformed):
        parsed(template)


def test_texts_are_filled_once_and_braces_are_doubled() -> None:
    assert filled("{{{a}}} {a} {{a}} {b}|", {"a": "{b}", "b": "{{"}) == "{{b}} {b} {a} {{|"
    assert filled("{a}|", {}) == "|"
    assert places("{{a}} {b}{c} {b}") == ["b", "c", "b"]
    with pytest.raises(Malformed, match="character 3"):
        places('a {"x": 1}')


@pytest.mark.parametrize("length", [MAX_URI - 20, 1_000_000])
@pytest.mark.parametrize("character", ["/", "-", "a", "%", "%2F", "%2F-", "é"])
def test_a_long_uri_costs_little(length: int, character: str) -> None:
    template = parsed("x://" + "-".join(f"{{v{number}}}" for number in range(40)) + "/end")
    values = {f"v{number}": ("-" * 50, "a") for number in range(40)}
    uri = "x://" + character * (length // len(character))
    assert template.match(uri, FREE) is None
    assert template.match(uri, values) is None
    at_best(lambda: processor_seconds(lambda: (template.match(uri, FREE), template.match(uri, values))), within=0.05)


def test_a_uri_longer_than_the_limit_names_nothing() -> None:
    assert parsed("x:{a}").match("x:" + "a" * (MAX_URI - 2), FREE) is not None
    assert parsed("x:{a}").match("x:" + "a" * (MAX_URI - 1), FREE) is None
