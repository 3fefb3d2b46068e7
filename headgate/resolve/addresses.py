"""Which addresses a backend may have, and how nginx spells them.

The API server refuses special addresses in an EndpointSlice (Kubernetes, ``ValidateNonSpecialIP``);
a folder of manifests has no API server in front, and an ExternalName is not held against that rule
at all. Such an address would let a user who may write a Service reach what listens inside the
controller's own Pod or at the cloud's metadata service.
"""

from __future__ import annotations

import ipaddress
import re

from headgate.validation.text import domain_fault

HIGHEST_PORT = 65535
_UNICAST = re.compile(
    r"([1-9][0-9]?|1[0-9]{2}|2[01][0-9]|22[0-3])(?:\.(?:[0-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5])){3}"
)
"""IPv4 addresses below 224.0.0.0, without 0.0.0.0/8, in their usual form."""
_SPECIAL_BLOCKS = frozenset({"127", "169"})
"""First octets of loopback and link-local addresses (RFC 6890)."""
_NUMERIC = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
"""Names that a resolver reads as an IPv4 address: ``127.1``, ``2130706433``, ``0x7f.1`` (inet_aton(3))."""

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def ip_fault(text: str, *, allow_loopback: bool) -> str:
    """Return why the IP address *text* cannot be a backend, or ``""``."""
    if _is_ordinary(text):
        return ""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return "is not an IP address"
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id:
        return "has a zone, which means something on one machine only"
    return _special(_mapped(address), allow_loopback=allow_loopback)


def host_fault(text: str, *, allow_loopback: bool) -> str:
    """Return why *text*, a DNS name or an IP address, cannot be a backend, or ``""``.

    What a name resolves to is not known here: nginx asks when it loads its configuration.
    """
    if is_ip(text):
        return ip_fault(text, allow_loopback=allow_loopback)
    name = text.lower()
    if fault := domain_fault(name):
        return fault
    if _NUMERIC.fullmatch(name):
        return "is neither a name nor an IP address in its usual form"
    if not allow_loopback and (name == "localhost" or name.endswith(".localhost")):
        return "is a loopback name, which would be the controller's own Pod (RFC 6761)"
    return ""


def _is_ordinary(text: str) -> bool:
    """Whether *text* is an IPv4 address outside of the blocks with special addresses, as nearly all are."""
    found = _UNICAST.fullmatch(text)
    return found is not None and found[1] not in _SPECIAL_BLOCKS


def is_ip(text: str) -> bool:
    """Whether *text* is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def with_port(host: str, port: int) -> str:
    """Join *host* and *port* as nginx writes them, an IPv6 address in its shortest form and in brackets."""
    return f"[{ipaddress.IPv6Address(host)}]:{port}" if ":" in host else f"{host}:{port}"


def _mapped(address: IPAddress) -> IPAddress:
    """Return the IPv4 address that an IPv6 address stands for (``::ffff:127.0.0.1``), else itself."""
    return (isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped) or address


def _special(address: IPAddress, *, allow_loopback: bool) -> str:
    if address.is_loopback:
        return "" if allow_loopback else "is a loopback address, which would be the controller's own Pod"
    if address.is_link_local:
        return "is a link-local address, which Kubernetes does not allow for endpoints"
    if address.is_unspecified:
        return "is the unspecified address, which would be the controller's own Pod"
    if address.is_multicast:
        return "is a multicast address"
    return ""
