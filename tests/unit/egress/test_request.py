"""The plain HTTP request reader: the Host of the first request, and nothing that two readers could understand differently."""

import contextlib
import random
import time

import pytest

from bmm.egress.refused import Refused
from bmm.egress.request import RequestReader


@pytest.mark.parametrize("raw", [
    b"GET / HTTP/1.1\r\nHost: shop.test:81\r\n\r\n",
    b"POST /a?b=c%20d HTTP/1.1\r\nhost:shop.test:81\r\nContent-Length: 3\r\n\r\nabc",
    b"OPTIONS * HTTP/1.0\r\nX-A: 1\r\nHOST: \tshop.test:81 \t\r\n\r\n",
])  # fmt: skip
def test_the_host_of_a_request_is_read_however_it_arrives(raw: bytes) -> None:
    assert RequestReader().feed(raw) == "shop.test:81"
    reader = RequestReader()
    answers = [reader.feed(raw[at : at + 1]) for at in range(raw.index(b"\r\n\r\n") + 4)]
    assert answers[-1] == "shop.test:81"
    assert set(answers[:-1]) == {None}


@pytest.mark.parametrize("raw", [
    b"GET http://evil.test/ HTTP/1.1\r\nHost: shop.test\r\n\r\n",
    b"CONNECT evil.test:443 HTTP/1.1\r\nHost: shop.test\r\n\r\n",
    b"CONNECT /x HTTP/1.1\r\nHost: shop.test\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: shop.test\r\nHost: evil.test\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: shop.test\r\nX: 1\nHost: evil.test\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : shop.test\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: shop.test\r\n evil.test\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: shop.test\x00\r\n\r\n",
    b"GET /a b HTTP/1.1\r\nHost: shop.test\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/1.1 \r\nHost: shop.test\r\n\r\n",
    b"get / HTTP/1.1\r\nHost: shop.test\r\n\r\n",
    b"\r\n\r\nGET / HTTP/1.1\r\nHost: shop.test\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"SSH-2.0-x\r\n",
    b"GET / HTTP/1.1\r\nX: " + b"a" * 40_000,
])  # fmt: skip
def test_what_could_reach_another_host_or_is_not_http_is_refused(raw: bytes) -> None:
    with pytest.raises(Refused):
        RequestReader().feed(raw)


def test_a_header_made_to_be_slow_to_read_takes_no_time() -> None:
    began = time.thread_time()
    for filling in (b" " * 30_000, b"\t" * 30_000, b" x" * 15_000):
        with pytest.raises(Refused):
            RequestReader().feed(b"GET / HTTP/1.1\r\nHost:" + filling + b"\x00\r\n\r\n")
    assert time.thread_time() - began < 1


def test_mutated_requests_raise_nothing_but_refused() -> None:
    chance = random.Random(7)
    original = b"GET /orders HTTP/1.1\r\nHost: shop.test\r\nAccept: */*\r\n\r\n"
    for _ in range(2000):
        raw = bytearray(original)
        for _ in range(chance.randint(1, 5)):
            raw[chance.randrange(len(raw))] = chance.randrange(256)
        with contextlib.suppress(Refused):
            RequestReader().feed(bytes(raw))
