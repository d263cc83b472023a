"""Which addresses may never be dialled: a pure judgement of one address, whatever name led there.

IPv4 is judged by a list of what is not public; IPv6 the other way round, because whole families of its addresses lead back into
IPv4 (mapped, NAT64, 6to4, Teredo) and `ipaddress` calls several of them global. From the IANA special-purpose registries.
"""

from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address

_V4 = tuple(
    (IPv4Network(network), reason)
    for network, reason in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared by carriers (CGNAT)"),
        ("127.0.0.0/8", "loopback"),
        # A public address that Azure answers itself on every machine: metadata and credentials.
        ("168.63.129.16/32", "cloud metadata"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "documentation"),
        ("192.31.196.0/24", "reserved"),
        ("192.52.193.0/24", "reserved"),
        ("192.88.99.0/24", "6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("192.175.48.0/24", "reserved"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)
_V6 = tuple(
    (IPv6Network(network), reason)
    for network, reason in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("::ffff:0:0/96", "IPv4-mapped"),
        ("::/96", "IPv4-compatible"),
        ("::ffff:0:0:0/96", "IPv4-translated"),
        ("64:ff9b::/96", "NAT64"),
        ("64:ff9b:1::/48", "NAT64"),
        ("100::/64", "discard-only"),
        ("2001::/32", "Teredo"),
        ("2001:2::/48", "benchmarking"),
        ("2001::/23", "reserved"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("2620:4f:8000::/48", "reserved"),
        ("3fff::/20", "documentation"),
        ("5f00::/16", "segment routing"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
    )
)
_V6_UNICAST = IPv6Network("2000::/3")


def refusal(address: str, own: Collection[Address] = ()) -> str | None:
    """Why this address must not be dialled, or None. `own` are the addresses of this machine."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return "not an address"
    if parsed in own:
        return "this machine"
    if isinstance(parsed, IPv4Address):
        return _named(parsed) or (None if parsed.is_global else "not public")
    if parsed.scope_id is not None:
        return "link-local"
    return _named(parsed) or (None if parsed in _V6_UNICAST and parsed.is_global else "not public")


def _named(address: Address) -> str | None:
    if isinstance(address, IPv4Address):
        return next((reason for network, reason in _V4 if address in network), None)
    return next((reason for network, reason in _V6 if address in network), None)
