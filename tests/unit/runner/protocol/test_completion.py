"""Completions: what begins with the typed text comes first, then what holds it, a hundred at most."""

import msgspec
import pytest

from runner.protocol.completion import CompleteParams, PromptRef, ResourceRef, completion


def completed(values: list[str], typed: str) -> dict[str, object]:
    found: dict[str, dict[str, object]] = msgspec.json.decode(b"{%b}" % completion(values, typed))
    return found["completion"]


def test_prefixes_first_then_the_rest_in_the_order_of_the_spec_whatever_the_case() -> None:
    found = completed(["spy", "PyTorch", "flask", "python", "spy"], "pY")
    assert found == {"values": ["PyTorch", "python", "spy"], "total": 3, "hasMore": False}


def test_nothing_typed_gives_all_and_nothing_found_none() -> None:
    assert completed(["b", "a"], "")["values"] == ["b", "a"]
    assert completed(["b", "a"], "x") == {"values": [], "total": 0, "hasMore": False}


@pytest.mark.parametrize(("count", "more"), [(100, False), (101, True)])
def test_a_hundred_at_most_and_the_total_says_how_many_there_are(count: int, more: bool) -> None:
    found = completed([f"v{number}" for number in range(count)], "v")
    assert (found["values"], found["total"], found["hasMore"]) == ([f"v{number}" for number in range(100)], count, more)


def test_params_are_read_as_clients_send_them() -> None:
    sent = b'{"ref":{"type":"ref/prompt","title":"t","name":"p"},"argument":{"name":"a","value":"x"},"context":{"arguments":{"b":"1"}},"_meta":{}}'
    params = msgspec.json.decode(sent, type=CompleteParams)
    assert (params.ref, params.argument.name, params.chosen) == (PromptRef(name="p"), "a", {"b": "1"})
    bare = msgspec.json.decode(
        b'{"ref":{"type":"ref/resource","uri":"x:{a}"},"argument":{"name":"a","value":""},"context":{}}', type=CompleteParams
    )
    assert (bare.ref, bare.chosen) == (ResourceRef(uri="x:{a}"), {})


def test_null_is_nothing_chosen() -> None:
    for context in (b"null", b'{"arguments":null}'):
        sent = b'{"ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"a","value":"x"},"context":%b}' % context
        assert msgspec.json.decode(sent, type=CompleteParams).chosen == {}
