"""The ClientHello reader: real hellos in every fragmentation, and nothing but its own error for anything else."""

import random
import ssl

import pytest

from bmm.egress.hello import MAX_BYTES, HelloReader
from bmm.egress.refused import Refused


def hello(name: str | None, *, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> bytes:
    """What OpenSSL sends first."""
    context = ssl.create_default_context()
    context.maximum_version = newest
    context.check_hostname = name is not None
    context.set_alpn_protocols(["h2", "http/1.1"])
    sent = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return sent.read()


def in_records(raw: bytes, size: int) -> bytes:
    """The same hello, spread over records of `size` bytes."""
    message = raw[5:]
    pieces = [message[at : at + size] for at in range(0, len(message), size)]
    return b"".join(raw[:3] + len(piece).to_bytes(2, "big") + piece for piece in pieces)


def with_extensions(*extensions: tuple[int, bytes]) -> bytes:
    packed = b"".join(kind.to_bytes(2, "big") + len(content).to_bytes(2, "big") + content for kind, content in extensions)
    body = b"\x03\x03" + bytes(32) + b"\x00" + b"\x00\x02\x13\x01" + b"\x01\x00" + len(packed).to_bytes(2, "big") + packed
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message


def sni(*names: bytes, kind: int = 0) -> tuple[int, bytes]:
    listed = b"".join(bytes((kind,)) + len(name).to_bytes(2, "big") + name for name in names)
    return 0, len(listed).to_bytes(2, "big") + listed


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("name", ["shop.test", "a.b-c.example.com", "x" * 63 + ".example"])
def test_the_name_of_a_real_hello_is_read(name: str, newest: ssl.TLSVersion) -> None:
    assert HelloReader().feed(hello(name, newest=newest)) == name


def test_a_hello_without_a_name_names_nobody() -> None:
    assert HelloReader().feed(hello(None)) == ""


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 50, 200])
def test_a_hello_spread_over_many_records_and_arriving_byte_by_byte_is_read(size: int) -> None:
    reader, raw = HelloReader(), in_records(hello("shop.test"), size)
    answers = [reader.feed(raw[at : at + 1]) for at in range(len(raw))]
    assert answers == [None] * (len(raw) - 1) + ["shop.test"]


def test_what_follows_the_hello_is_not_looked_at() -> None:
    assert HelloReader().feed(hello("shop.test") + b"\x14\x03\x03\x00\x01\x01 and early data") == "shop.test"


@pytest.mark.parametrize("cut", [1, 4, 5, 6, 9, 43, 44, 100, 200])
def test_a_truncated_hello_is_waited_for(cut: int) -> None:
    assert HelloReader().feed(hello("shop.test")[:cut]) is None


REFUSED = {
    "http": b"GET / HTTP/1.1\r\n",
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
    "sslv2": b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10",
    "nulls": bytes(64),
    "an alert": b"\x15\x03\x01\x00\x02\x02\x28",
    "an empty record": b"\x16\x03\x01\x00\x00",
    "a record longer than TLS allows": b"\x16\x03\x01\xff\xff",
    "another version": b"\x16\x02\x00\x00\x04",
    "a ServerHello": b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",
    "a hello of 16 MB": b"\x16\x03\x01\x00\x04\x01\xff\xff\xff",
    "a hello that ends early": b"\x16\x03\x01\x00\x06\x01\x00\x00\x02\x03\x03",
    "two names": with_extensions(sni(b"shop.test", b"evil.test")),
    "two name extensions": with_extensions(sni(b"shop.test"), sni(b"evil.test")),
    "a name of another type": with_extensions(sni(b"shop.test", kind=1)),
    "an empty name list": with_extensions((0, b"\x00\x00")),
    "an empty name extension": with_extensions((0, b"")),
    "bytes behind the name": with_extensions((0, sni(b"shop.test")[1] + b"x")),
    "a name that is not ASCII": with_extensions(sni("shöp.test".encode())),
    "an extension longer than the hello": with_extensions((0, b"\x00\xff\x00")),
    "a second message in the record": (lambda raw: raw[:3] + (len(raw) - 5 + 4).to_bytes(2, "big") + raw[5:] + b"\x01\x00\x00\x00")(
        with_extensions(sni(b"shop.test"))
    ),
    "17 KB in tiny records": in_records(with_extensions((21, bytes(16000)), sni(b"shop.test")), 2),
}


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED)
def test_what_is_no_proper_hello_is_refused(raw: bytes) -> None:
    with pytest.raises(Refused):
        HelloReader().feed(raw)


def test_a_name_with_a_nul_is_passed_on_as_it_is_and_equals_no_allowed_name() -> None:
    assert HelloReader().feed(with_extensions(sni(b"shop.test\x00.evil"))) == "shop.test\x00.evil"


def test_a_client_that_never_completes_its_hello_is_refused_at_16_kib() -> None:
    reader = HelloReader()
    never_complete = b"\x16\x03\x01\x00\x04\x01\x00\x40\x00" + b"\x16\x03\x01\x00\x01\x00" * (MAX_BYTES // 6 - 2)
    assert reader.feed(never_complete) is None
    with pytest.raises(Refused):
        reader.feed(b"\x16\x03\x01\x00\x01\x00" * 3)


def test_mutated_hellos_raise_nothing_but_refused() -> None:
    chance = random.Random(20261121)
    originals = [hello("shop.test"), in_records(hello("a.example"), 40), with_extensions(sni(b"shop.test"))]
    for _ in range(3000):
        raw = bytearray(chance.choice(originals))
        for _ in range(chance.randint(1, 8)):
            at = chance.randrange(len(raw))
            removed = chance.choice((0, 1, 2, chance.randint(1, 9)))
            raw[at : at + removed] = chance.choice((b"", b"\xff\xff", b"\x00\x00", b"\x40\x00", chance.randbytes(chance.randint(1, 9))))
            raw = raw or bytearray(1)
        reader, piece = HelloReader(), chance.randint(1, 600)
        try:
            for at in range(0, len(raw), piece):
                answer = reader.feed(bytes(raw[at : at + piece]))
                assert answer is None or isinstance(answer, str)
                if answer is not None:
                    break
        except Refused:
            pass
