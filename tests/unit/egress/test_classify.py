"""Which addresses are refused: every form in which a private place has been dressed up as a public one."""

from ipaddress import ip_address

import pytest

from bmm.egress.classify import refusal
from bmm.egress.dial import judged, own_addresses
from bmm.egress.refused import Reason, Refused

REFUSED = {
    "0.0.0.0": "unspecified", "0.1.2.3": "unspecified", "10.0.0.1": "private", "10.255.255.255": "private",
    "100.64.0.1": "shared by carriers (CGNAT)", "100.100.100.200": "shared by carriers (CGNAT)", "100.127.255.255": "shared by carriers (CGNAT)",
    "127.0.0.1": "loopback", "127.255.255.254": "loopback", "168.63.129.16": "cloud metadata", "169.254.169.254": "link-local",
    "169.254.0.1": "link-local", "172.16.0.1": "private", "172.31.255.255": "private", "192.0.0.1": "reserved", "192.0.0.192": "reserved",
    "192.0.2.1": "documentation", "192.88.99.1": "6to4 relay", "192.168.0.1": "private", "198.18.0.1": "benchmarking",
    "198.19.255.255": "benchmarking", "198.51.100.7": "documentation", "203.0.113.9": "documentation", "224.0.0.1": "multicast",
    "239.255.255.250": "multicast", "240.0.0.1": "reserved", "255.255.255.255": "reserved",
    "::": "unspecified", "::1": "loopback", "::ffff:127.0.0.1": "IPv4-mapped", "::ffff:8.8.8.8": "IPv4-mapped",
    "::ffff:169.254.169.254": "IPv4-mapped", "::7f00:1": "IPv4-compatible", "::ffff:0:127.0.0.1": "IPv4-translated",
    "64:ff9b::a9fe:a9fe": "NAT64", "64:ff9b::8.8.8.8": "NAT64", "64:ff9b:1::a00:1": "NAT64", "64:ff9b:1:ffff::1": "NAT64",
    "64:ff9b:2::1": "not public", "100::1": "discard-only", "2001::1": "Teredo", "2001:0:7f00:1::": "Teredo", "2001:2::1": "benchmarking",
    "2001:10::1": "reserved", "2001:20::1": "reserved", "2001:db8::1": "documentation", "2002:7f00:1::": "6to4", "2002:808:808::1": "6to4",
    "3fff::1": "documentation", "3fff:fff::1": "documentation", "5f00::1": "segment routing", "fc00::1": "private", "fd00:ec2::254": "private",
    "fd12:3456::1": "private", "fe80::1": "link-local", "fe80::1%eth0": "link-local", "2606:4700::1%eth0": "link-local",
    "febf::1": "link-local", "fec0::1": "site-local", "feff::1": "site-local", "ff02::1": "multicast", "ff0e::1": "multicast",
    "4000::1": "not public", "1::1": "not public", "e000::1": "not public",
    "": "not an address", "127.1": "not an address", "0x7f.1": "not an address", "2130706433": "not an address", "0177.0.0.1": "not an address",
    "localhost": "not an address", "1.1.1.1\x00.allowed.com": "not an address", "①②⑦.0.0.1": "not an address", "127。0。0。1": "not an address",
    "1.1.1.1 ": "not an address", "1.1.1.1\n": "not an address", "[::1]": "not an address", "010.8.8.8": "not an address",
}  # fmt: skip
ALLOWED = (
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1", "168.63.129.15",
    "169.253.255.255", "172.15.255.255", "172.32.0.0", "192.0.1.1", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0",
    "223.255.255.255", "2001:200::1", "2001:4860:4860::8888", "2606:4700:4700::1111", "2620:fe::fe", "2a00:1450:4001::200e", "2003::1",
)  # fmt: skip


@pytest.mark.parametrize(("address", "why"), REFUSED.items(), ids=repr)
def test_an_address_that_is_not_public_is_refused(address: str, why: str) -> None:
    assert refusal(address) == why


@pytest.mark.parametrize("address", ALLOWED)
def test_a_public_address_right_beside_a_refused_range_is_allowed(address: str) -> None:
    assert refusal(address) is None


def test_the_addresses_of_this_machine_are_refused_even_when_public() -> None:
    own = frozenset({ip_address("1.1.1.1"), ip_address("2606:4700::1")})
    assert refusal("1.1.1.1", own) == "this machine"
    assert refusal("2606:4700:0::1", own) == "this machine"
    assert refusal("1.1.1.2", own) is None


def test_the_kernel_tells_the_addresses_of_this_machine() -> None:
    assert ip_address("127.0.0.1") in own_addresses()


@pytest.mark.parametrize("bad", ["127.0.0.1", "169.254.169.254", "::1", "64:ff9b::7f00:1"])
def test_one_bad_answer_among_good_ones_refuses_the_name(bad: str) -> None:
    for answers in (["1.1.1.1", bad], [bad, "1.1.1.1"], ["2606:4700:4700::1111", "8.8.8.8", bad]):
        with pytest.raises(Refused) as refused:
            judged(answers)
        assert refused.value.reason == Reason.FORBIDDEN_ADDRESS
        assert bad in refused.value.detail


def test_good_answers_are_dialled_in_the_order_of_the_resolver() -> None:
    assert judged(["2606:4700:4700::1111", "8.8.8.8"]) == [ip_address("2606:4700:4700::1111"), ip_address("8.8.8.8")]
