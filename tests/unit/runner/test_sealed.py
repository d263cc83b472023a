"""What a client carries between two rounds opens for the same server, person and request, for ten minutes, and otherwise never."""

import base64
import os
import random

import pytest

from runner.guard.sealed import MAX_STATE, MAX_TEXT, TTL_SECONDS, Sealer, StateRefused, StateTooLarge

KEY = bytes(range(32))
STATE = b'{"answers":{"size":"large"},"round":2}'
NOW = 1_800_000_000.0
WHO, WHAT = "usr_1\x1fcli_1\x1fgrt_1", b"d" * 32
FORGED = "was altered, or belongs to another"


def sealed(state: bytes = STATE, *, key: bytes = KEY, principal: str = WHO, request: bytes = WHAT) -> str:
    return Sealer(key).seal(state, principal=principal, request=request, now=NOW)


def opened(text: str, *, key: bytes = KEY, principal: str = WHO, request: bytes = WHAT, now: float = NOW) -> bytes:
    return Sealer(key).open(text, principal=principal, request=request, now=now)


@pytest.mark.parametrize("state", [b"", b"\x00", STATE, os.urandom(5000), b"x" * MAX_STATE])
def test_what_was_sealed_opens_under_the_same_key(state: bytes) -> None:
    text = sealed(state)
    assert opened(text) == state
    assert len(text) <= MAX_TEXT
    assert text.isascii()
    assert not set(text) & set("+/= \n")


def test_the_same_state_never_looks_the_same_and_is_not_in_the_text() -> None:
    texts = {sealed(b"a" * 60) for _ in range(50)}
    assert len({text[20:] for text in texts}) == 50
    assert not any(b"aaaa" in base64.urlsafe_b64decode(text + "==") for text in texts)


def test_more_than_a_client_should_carry_is_not_sealed() -> None:
    with pytest.raises(StateTooLarge, match="at most"):
        sealed(b"x" * (MAX_STATE + 1))


def test_every_flipped_bit_is_refused() -> None:
    text = sealed()
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    for bit in range(len(raw) * 8):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(StateRefused):
            opened(base64.urlsafe_b64encode(flipped).decode().rstrip("="))


def test_every_changed_character_is_refused() -> None:
    # The last characters of base64 carry bits that a lenient decoder ignores.
    for text in (sealed(STATE), sealed(STATE + b"1"), sealed(STATE + b"12")):
        for place in [*range(0, len(text), 7), len(text) - 2, len(text) - 1]:
            for other in "AB_-+/= \n\u00e9\ud800":
                if other != text[place]:
                    with pytest.raises(StateRefused):
                        opened(text[:place] + other + text[place + 1 :])


def test_every_truncation_and_extension_is_refused() -> None:
    text = sealed()
    for end in range(len(text)):
        with pytest.raises(StateRefused):
            opened(text[:end])
    for more in ("A", "AAAA", "=", "==", "\n", " ", text):
        with pytest.raises(StateRefused):
            opened(text + more)


@pytest.mark.parametrize(
    "other",
    [
        {"principal": "usr_2\x1fcli_1\x1fgrt_1"},
        {"principal": ""},
        {"principal": WHO + "d", "request": WHAT[1:]},  # the same bytes, cut elsewhere
        {"request": b"e" * 32},
        {"request": b""},
        {"key": os.urandom(32)},
    ],
)
def test_another_person_request_or_server_is_refused(other: dict[str, object]) -> None:
    with pytest.raises(StateRefused, match=FORGED):
        opened(sealed(), **other)  # type: ignore[arg-type]


def test_it_is_good_for_ten_minutes() -> None:
    text = sealed()
    assert opened(text, now=NOW + TTL_SECONDS - 1) == STATE
    for late in (TTL_SECONDS, TTL_SECONDS + 1, 10**9):
        with pytest.raises(StateRefused, match="expired") as refused:
            opened(text, now=NOW + late)
        assert refused.value.reason == "has expired: it is good for 10 minutes; send the request anew without it"


def test_garbage_is_refused_with_a_reason_and_no_other_error() -> None:
    chance = random.Random(4)
    for text in ("", "A", "AAAA", "null", "\x00", "é", "\ud800", "🙂" * 100, "=" * 50, "-_" * 500):
        with pytest.raises(StateRefused, match=r"not issued by this server|form that this version"):
            opened(text)
    for length in (37, 40, 100, 5000):
        content = b"\x01" + chance.randbytes(length)
        with pytest.raises(StateRefused, match=FORGED):
            opened(base64.urlsafe_b64encode(content).decode().rstrip("="))
    with pytest.raises(StateRefused, match="longer than 64 KiB"):
        opened("A" * (MAX_TEXT + 1))


def test_the_next_form_is_told_apart_from_garbage() -> None:
    raw = base64.urlsafe_b64decode(sealed() + "==")
    with pytest.raises(StateRefused, match="a form that this version of the server does not know"):
        opened(base64.urlsafe_b64encode(b"\x02" + raw[1:]).decode().rstrip("="))
