"""What nginx's workers count in Lua (``lua/headgate/totals.lua``), read over the socket of the live state."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from headgate.ir import Layout
from headgate.ir.latency import BUCKETS
from headgate.ir.layout import LIVE_SOCKET
from headgate.nginx.control import ask, get

TARGET: Final = "/v1/metrics"
TIMEOUT_S: Final = 3.0
LIMIT: Final = 64 * 1024 * 1024
"""Bytes of an answer; an entry takes some 200."""
ANY: Final = "*"
"""The names of a group that counts all for which there was no place; as an upstream, those of a host that are gone."""
END: Final = b"end\n"
AT_ONCE: Final = 1000
"""Groups in one request to delete or move some."""
CLASSES: Final = 5
BEFORE_BUCKETS: Final = 4
"""Numbers of tries that come before the buckets."""


class Zone(msgspec.Struct, frozen=True, gc=False):
    """Requests of one server block that one upstream answered.

    Attributes:
        host: name of the server block, ``_`` for the default server, ``ANY`` for what there was no place for.
        upstream: name of the upstream block, empty if nginx answered by itself, ``ANY`` for those that are gone.
        responses: by class of status, 1xx first.
        discarded: ended without a response.
        received: bytes of requests; ``sent`` of responses.
        retries: tries after the first of a request.
    """

    host: str
    upstream: str
    responses: tuple[int, ...]
    discarded: int
    received: int
    sent: int
    retries: int

    @property
    def requests(self) -> int:
        """All of them."""
        return sum(self.responses) + self.discarded


class Tries(msgspec.Struct, frozen=True, gc=False):
    """Tries of one server of an upstream that ended with one status.

    Attributes:
        server: address and port, or ``unix:…``.
        code: what the server answered, 502 or 504 also where nginx got no answer, ``-`` if the try was given up before.
        buckets: those within each of ``BUCKETS``, not cumulated, then those that took longer.
        total_ms: milliseconds of all of them; ``header_ms`` until the header of the response.
        failed: of those in *buckets*, tries without a response.
        untimed: tries that are not in *buckets*.
    """

    upstream: str
    server: str
    code: str
    buckets: tuple[int, ...]
    total_ms: int
    header_ms: int
    failed: int
    untimed: int

    @property
    def timed(self) -> int:
        """How many are in *buckets*."""
        return sum(self.buckets)


Group = Zone | Tries


class Counted(msgspec.Struct, frozen=True):
    """All that workers have counted; *active* is the number of requests of a server, by upstream and server."""

    groups: tuple[Group, ...] = ()
    active: Mapping[tuple[str, str], int] = {}


async def counted(layout: Layout) -> Counted | None:
    """Ask nginx; ``None`` if it does not answer, or not to the end."""
    body = await get(layout.socket(LIVE_SOCKET), TARGET, TIMEOUT_S, LIMIT)
    if body is None or not body.endswith(END):
        return None
    try:
        return parse_counted(body.removesuffix(END).decode())
    except ValueError:
        return None


async def delete(layout: Layout, groups: Mapping[Group, Zone | None]) -> None:
    """Have *groups* deleted, and their counters added to the Zone that is the value, if any.

    What is counted later begins at 0. An nginx that does not answer keeps them.
    """
    items = list(groups.items())
    for first in range(0, len(items), AT_ONCE):
        some = items[first : first + AT_ONCE]
        change = {
            "delete": [_key(group) for group, to in some if to is None],
            "move": [[_key(group), _key(to)] for group, to in some if to is not None],
        }
        await ask(layout.socket(LIVE_SOCKET), TARGET, TIMEOUT_S, msgspec.json.encode(change))


def parse_counted(text: str) -> Counted:
    """Read the lines of an answer.

    Raises:
        ValueError: they are of another format.
    """
    active: dict[tuple[str, str], int] = {}
    groups: list[Group] = []
    for line in filter(None, text.split("\n")):
        kind, first, second, *rest = line.split("\t")
        if kind == "a":
            active[first, second] = active.get((first, second), 0) + int(rest[0])
        elif kind == "z":
            groups.append(_zone(first, second, tuple(_numbers(*rest))))
        elif kind == "s":
            groups.append(_tries(first, second, rest[0], tuple(_numbers(*rest[1:]))))
        else:
            raise ValueError(f"neither a count of requests nor one of tries: {line[:80]!r}")
    return Counted(tuple(groups), active)


def _numbers(text: str = "") -> Iterator[int]:
    for word in text.split():
        yield int(word) if word.isdigit() else math.trunc(float(word))  # 1e+15: more than Lua writes in digits


def _zone(host: str, upstream: str, numbers: tuple[int, ...]) -> Zone:
    discarded, received, sent, retries = numbers[CLASSES:]
    return Zone(host, upstream, numbers[:CLASSES], discarded, received, sent, retries)


def _tries(upstream: str, server: str, code: str, numbers: tuple[int, ...]) -> Tries:
    total, header, failed, untimed = numbers[:BEFORE_BUCKETS]
    if len(buckets := numbers[BEFORE_BUCKETS:]) != len(BUCKETS) + 1:
        raise ValueError(f"{len(buckets)} buckets")
    return Tries(upstream, server, code, buckets, total, header, failed, untimed)


def _key(group: Group) -> str:
    if isinstance(group, Zone):
        return f"z\t{group.host}\t{group.upstream}"
    return f"s\t{group.upstream}\t{group.server}\t{group.code}"
