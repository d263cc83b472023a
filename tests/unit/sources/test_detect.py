"""What stands in a prompt already is found, whole and with nothing around it, and what is shown of it holds no credential."""

import time

import pytest

from bmm.sources.detect import found_in, shown, suggestions, without
from tests.waiting import at_best, processor_seconds


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Tools for https://shop.test/openapi.yaml, please.", [("openapi", "https://shop.test/openapi.yaml")]),
        ("(see https://petstore3.swagger.io/api/v3/openapi.json).", [("openapi", "https://petstore3.swagger.io/api/v3/openapi.json")]),
        ("https://x.test/v3/api-docs and https://x.test/swagger/v1/swagger.json",
         [("openapi", "https://x.test/v3/api-docs"), ("openapi", "https://x.test/swagger/v1/swagger.json")]),
        ("our site is https://shop.test/about.html", []), ("read https://x.test/openapi.json?key=s3cr3t", [("openapi", "https://x.test/openapi.json?key=s3cr3t")]),
        ("Read postgres://ann:pw@db.test:5433/shop?sslmode=require.", [("database", "postgres://ann:pw@db.test:5433/shop?sslmode=require")]),
        ("mysql+pymysql://u@h/d or sqlite:///shop.db", [("database", "mysql+pymysql://u@h/d"), ("database", "sqlite:///shop.db")]),
        ("Make a tool of `curl https://x.test/a -H 'A: b'` please", [("curl", "curl https://x.test/a -H 'A: b'")]),
        ("Make a tool of curl https://x.test/a and also let it delete", [("curl", "curl https://x.test/a")]),
        ("Use curl https://x.test/a -d 'x=1'. Then more.", [("curl", "curl https://x.test/a -d 'x=1'")]),
        ("I use curl to fetch things; curl is nice", []), ("curling https://x.test", []),
        ("Two:\n```\ncurl https://x.test/a \\\n  -H 'A: b'\ncurl -X DELETE https://x.test/b\n```\nthat's it",
         [("curl", "curl https://x.test/a \\\n  -H 'A: b'"), ("curl", "curl -X DELETE https://x.test/b")]),
        ("$ curl 'https://x.test/openapi.json' | jq .", [("curl", "curl 'https://x.test/openapi.json'")]), ("curl 'https://x.test/never closed", []),
        ("curl https://x.test/a -d 'curl https://y.test/b\nx'", [("curl", "curl https://x.test/a -d 'curl https://y.test/b\nx'")]),
        ("", []),
    ],
)  # fmt: skip
def test_descriptions_in_a_text(text: str, found: list[tuple[str, str]]) -> None:
    assert [(each.kind, each.given) for each in found_in(text)] == found
    for each in found_in(text):
        assert text[each.start : each.end] == each.given


@pytest.mark.parametrize("end", ["\\", " \\", "\\\n", " \\\r\n"])
def test_a_command_cut_off_after_a_backslash_is_still_found(end: str) -> None:
    (found,) = found_in(f"curl https://x.test/a -F n=1{end}")
    assert (found.shown, found.end) == ("curl https://x.test/a", found.start + len(found.given))


def test_what_is_shown_holds_no_credential() -> None:
    text = "Read postgres://ann:s3cr3t@db.test/shop, https://k:s3cr3t@x.test/openapi.json?key=s3cr3t and curl 'https://x.test/a?k=s3cr3t' -u a:s3cr3t now"
    found = found_in(text)
    assert [each.kind for each in found] == ["database", "openapi", "curl"]
    assert "s3cr3t" not in repr(found) + without(text, found)
    assert without(text, found) == "Read postgres://db.test/shop, https://x.test/openapi.json and curl https://x.test/a now"
    assert shown("curl -u a:s3cr3t https://x.test/a\ncurl x.test/b") == "curl https://x.test/a, curl x.test/b"
    assert shown("shop.yaml") == "shop.yaml"


def test_a_command_as_windows_copies_it_leaves_nothing_of_its_credential_behind() -> None:
    copied = 'curl ^"https://x.test/users?a=1^&b=50^%^25^" ^\r\n  -H ^"accept: */*^" ^\r\n  -H ^"x-api-key: abc-s3cr3t^"'
    text = f"Make {copied} my server, with a ^ in it"
    (found,) = found_in(text)
    assert found.given == copied
    assert without(text, (found,)) == "Make curl https://x.test/users my server, with a ^ in it"


@pytest.mark.parametrize(
    ("words", "sources"),
    [
        ("Tools for the tables of our MySQL", ["database"]), ("we have a Swagger file", ["openapi"]), ("call our HTTP endpoints", ["curl"]),
        ("the internal tool I use in my browser", ["har"]), ("write me a haiku", []), ("Zugriff auf unsere Datenbank", ["database"]),
    ],
)  # fmt: skip
def test_sources_that_fit_the_words(words: str, sources: list[str]) -> None:
    found = suggestions(words)
    assert [each.source for each in found if each.source != "template"] == sources
    assert all(each.reason and each.command.startswith("--") for each in found)


@pytest.mark.parametrize("piece", ["curl -x ", "curl https://x.test ", "`curl https://x.test ", "curl 'https://x.test "])
def test_beginnings_of_commands_do_not_add_up(piece: str) -> None:
    prompt = piece * (20_000 // len(piece))
    at_best(lambda: processor_seconds(lambda: found_in(prompt)), within=8, tries=2)


def test_a_huge_prompt_is_read_in_time() -> None:
    began = time.process_time()
    assert found_in("curl " * 4000) == ()
    assert [each.kind for each in found_in("`" * 20_000 + "curl https://x.test")] == ["curl"]
    assert found_in("https://" + "a/" * 10_000) == ()
    assert [each.source for each in suggestions("api " * 5000)] == ["curl"]
    assert time.process_time() - began < 8
