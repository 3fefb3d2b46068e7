"""Which addresses ``allow`` and ``deny`` let in: the first rule that covers one counts (ngx_http_access_module)."""

from __future__ import annotations

import ipaddress
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush

from headgate.ir.http import Line, Location, Server

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
EVERY: tuple[Network, ...] = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
_RULES = frozenset({"allow", "deny"})


def address_of(text: str) -> Address | None:
    """Return the address that *text* is, as nginx compares it: IPv4 in IPv6 is IPv4; ``None`` if it is none."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def rules_at(location: Location | None, server: Server) -> tuple[Line, ...]:
    """Return the rules in force at *location*: its own, or those of the *server* if it has none."""
    if location and location.open:
        return ()
    own = _rules(location.lines) if location else ()
    return own or _rules(server.lines)


def _rules(lines: Iterable[Line]) -> tuple[Line, ...]:
    return tuple(line for line in lines if line[0] in _RULES)


def is_allowed(rules: Iterable[Line], address: Address) -> bool:
    """Whether the client with *address* is let in."""
    fitting = (kind for kind, words in rules for network in _networks(words[0]) if address in network)
    return next(fitting, "allow") == "allow"


def verdicts(rules: Sequence[Line], *, ipv6: bool) -> frozenset[bool]:
    """Return what becomes of all clients together: some are let in (``True``), some are not; without *ipv6* of IPv4."""
    return frozenset(found for every in (EVERY if ipv6 else EVERY[:1]) for found in _outcomes(rules, every))


def _outcomes(rules: Sequence[Line], every: Network) -> Iterator[bool]:
    """Yield what becomes of the addresses from each one at which a network begins, or one ended, to the next such one.

    A list of clients may be long, so that networks are not compared with one another.
    """
    found = sorted(
        (int(network.network_address), int(network.broadcast_address) + 1, place)
        for place, (_, words) in enumerate(rules)
        for network in _networks(words[0])
        if network.version == every.version
    )
    points = {int(every.network_address), *(edge for start, end, _ in found for edge in (start, end))}
    covering: list[tuple[int, int]] = []
    following = deque(found)
    for point in sorted(points - {int(every.broadcast_address) + 1}):
        while following and following[0][0] <= point:
            _, end, place = following.popleft()
            heappush(covering, (place, end))
        while covering and covering[0][1] <= point:
            heappop(covering)
        yield not covering or rules[covering[0][0]][0] == "allow"


def _networks(text: str) -> tuple[Network, ...]:
    """Return the networks that the argument of a rule covers; what is no address (``unix:``) covers no client."""
    if text == "all":
        return EVERY
    try:
        return (ipaddress.ip_network(text, strict=False),)
    except ValueError:
        return ()
