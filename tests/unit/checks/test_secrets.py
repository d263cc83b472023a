"""Credentials in prompts are found, also split and encoded; harmless texts are left alone."""

import pytest

from bmm.checks.prompt import scan_text
from bmm.checks.secrets import hits
from tests.checks.secret_texts import HARMLESS, with_secrets
from tests.checks.texts_third import HARMLESS_TOO, SECRETS

TEXTS = with_secrets()


def test_of_more_than_a_hundred_credentials_at_least_95_percent_are_found() -> None:
    missed = [name for name, text, _ in TEXTS if not scan_text(text)]
    assert len(TEXTS) >= 100
    assert len(missed) <= len(TEXTS) * 0.05, missed


@pytest.mark.parametrize("name", [name for name, _, _ in TEXTS if name.endswith(("sentence", "shell", "json"))])
def test_written_plainly_none_is_missed(name: str) -> None:
    text = next(text for each, text, _ in TEXTS if each == name)
    assert scan_text(text)


def test_a_finding_has_the_line_and_nothing_of_the_value() -> None:
    for _, text, key in TEXTS:
        for found in scan_text(f"first line\n{text}"):
            assert found.id == "secret.in_prompt"
            assert found.level == "block"
            assert key[:12] not in str(found)
            assert found.line is not None


def test_the_line_is_that_of_the_credential() -> None:
    text = "Make tools.\nThe host is api.example.com.\nUse sk\u2011ant\u2011api03\u2011Qw3Rt5Yu8Io2PasD4fGh6Jk and list orders."
    (found,) = scan_text(text)
    assert (found.line, found.message) == (3, "Line 3 holds what looks like an Anthropic key.")


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless_is(text: str) -> None:
    assert hits(text) == []
    assert hits(text, code=True) == []


def test_there_are_a_hundred_harmless_texts() -> None:
    assert len(set(HARMLESS)) >= 100


def test_a_long_text_is_scanned_in_little_time() -> None:
    assert hits("a word and another one, key of the door; " * 3_000) == []
    assert hits("A" * 100_000) == []
    assert hits("sk-" * 30_000 + "eyJ" * 10_000) == []


@pytest.mark.parametrize("name", SECRETS)
def test_found_is_what_a_third_round_hid(name: str) -> None:
    assert scan_text(SECRETS[name])


@pytest.mark.parametrize("name", HARMLESS_TOO)
def test_harmless_is_what_looks_like_it(name: str) -> None:
    assert hits(HARMLESS_TOO[name]) == []
    assert hits(HARMLESS_TOO[name], code=True) == []
