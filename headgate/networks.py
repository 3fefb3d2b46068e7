"""Addresses and networks of clients, as nginx compares them."""

from __future__ import annotations

import ipaddress

MAPPED = 96
"""Bits in front of an IPv4 address that is written as one of IPv6 (RFC 4291, 2.5.5.2)."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def as_compared(text: str) -> str:
    """Return the address or CIDR block *text* in the form in which nginx finds its clients.

    ``::ffff:192.0.2.0/120`` is ``192.0.2.0/24``: nginx compares the address of a client of IPv4, and one that a header
    names in that form, with rules of IPv4 only. Bits beyond the prefix are cleared, which nginx warns about, and a
    netmask is the length of its prefix.

    Raises:
        ValueError: *text* is neither.
    """
    network: Network = ipaddress.ip_network(text, strict=False)
    mapped = network.network_address.ipv4_mapped if isinstance(network, ipaddress.IPv6Network) else None
    if mapped is not None and network.prefixlen >= MAPPED:
        network = ipaddress.IPv4Network((mapped, network.prefixlen - MAPPED))
    return str(network) if "/" in text else str(network.network_address)


def has_more_bits(text: str) -> bool:
    """Whether the CIDR block *text* has bits beyond its prefix."""
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return True
    return False
