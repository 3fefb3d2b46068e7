"""Which upstreams of TCP and UDP have their servers pushed at run time, and in which form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final
from zlib import crc32

from headgate.ir.check import LiveCheck, TcpCheck
from headgate.ir.http import Upstream
from headgate.ir.layout import NOWHERE_SOCKET
from headgate.ir.live import LiveStream, StreamMethod
from headgate.routes import Protocol, StreamBackend, StreamCheck, StreamRoute
from headgate.settings import Words
from headgate.settings.values import Duration
from headgate.translate.checks import UNCHECKED
from headgate.translate.draft import Draft
from headgate.translate.environment import Environment
from headgate.translate.live import peer

MOST: Final = 1000
"""Servers of an upstream that njs reads at once: it must have received the whole of a change before it takes any."""
SESSION_LOG: Final = Words(("/dev/null", "stream-main", "if=$headgate_session"))
"""The arguments of the ``access_log`` by which njs learns that a session has ended; nothing is written."""
NEEDED: Final = "needs the live data plane (-data-plane=live and an nginx with Lua, and njs for TCP)"
MOST_ON_RING: Final = 25
"""Servers whose points njs reads at once."""
POINTS: Final = 160
"""Of a server, as in ngx_stream_upstream_hash_module."""
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_METHODS: Final[dict[tuple[str, ...], StreamMethod]] = {
    (): "round_robin",
    ("least_conn",): "least_conn",
    ("random",): "random",
    ("random", "two"): "random_two",
    ("random", "two", "least_conn"): "random_two",
}
_VARIABLE: Final = re.compile(r"\$\{?(\w+)\}?")
_TEXTS: Final = {"binary_remote_addr": "remote_addr"}
"""Variables that are no text, and what says the same as text."""
_KNOWN: Final = frozenset({"remote_addr", "remote_port", "server_addr", "server_port", "protocol", "hostname"})
"""Variables that every nginx has. Of another one ``nginx -t`` must say whether it exists."""


def live_stream(route: StreamRoute, found: StreamBackend, env: Environment) -> LiveStream | None:
    """Return what is pushed for the servers of *found*; ``None`` if they are in the file."""
    if env.unpushed_streams or why_in_files(route, found):
        return None
    method, key = _method(found.method or Words())
    assert method  # noqa: S101 - else they are in the file
    servers = found.backend.endpoints.servers or (f"unix:{env.layout.socket(NOWHERE_SOCKET)}",)
    return LiveStream(
        peers=tuple(map(peer, servers)),
        method=method,
        key=key,
        ring=ring(servers) if method == "consistent_hash" else None,
        max_fails=found.max_fails,
        fail_timeout=Duration.parse(found.fail_timeout).seconds,
        connect_timeout=Duration.parse(route.session.connect_timeout).seconds,
        answers=bool(route.session.responses),
        check=_check(found.check) if found.check and _is_checked(route, found) else None,
    )


def _is_checked(route: StreamRoute, found: StreamBackend) -> bool:
    return route.listener.protocol is not Protocol.UDP and bool(found.backend.endpoints.servers)


def _check(asked: StreamCheck) -> LiveCheck:
    return LiveCheck(
        path="",
        headers=(),
        interval=asked.interval,
        jitter=asked.jitter,
        fails=asked.fails,
        passes=asked.passes,
        port=asked.port,
        connect=asked.timeout,
        send=asked.timeout,
        read=asked.timeout,
        tcp=TcpCheck(
            send=asked.send.hex(), expect=asked.expect.hex(), regex=asked.regex, ignore_case=asked.ignore_case
        ),
    )


def warn_of_check(draft: Draft, route: StreamRoute, found: StreamBackend, upstream: Upstream) -> None:
    """Warn of checks that are not run."""
    if found.check is None or (upstream.stream and (upstream.stream.check or not found.backend.endpoints.servers)):
        return
    why = in_files(route, draft.env) or why_in_files(route, found)
    reason = f"needs the live data plane, and these servers are in files: {why}" if why else NEEDED
    if route.listener.protocol is Protocol.UDP:
        reason = "is not available for UDP; a server that does not answer is left out for failTimeout"
    draft.warn(route.origin, found.check.field, "", (reason, UNCHECKED))


def in_files(route: StreamRoute, env: Environment) -> str:
    """Say why the servers of *route* are in the file though others are pushed; ``""`` if that is not so."""
    if env.live is None:
        return ""
    found = next(each for each in route.backends if each.backend.upstream == route.target)
    return env.unpushed_streams or why_in_files(route, found)


def why_in_files(route: StreamRoute, found: StreamBackend) -> str:
    """Say why the servers of *found* are in the file, whatever the data plane; ``""`` if they need not be."""
    endpoints = found.backend.endpoints
    if found.backend.upstream != route.target:
        return "no action sends connections there"
    if endpoints.named:
        return "nginx resolves their name"
    if len(endpoints.servers) > MOST:
        return f"there are more than {MOST}"
    if route.server_snippet or route.stream_snippet:
        return "the object has snippets"
    if route.session.next_upstream:
        return "nextUpstream is true: only nginx itself tries another server for a connection"
    if found.max_conns:
        return "maxConns is set: only nginx itself counts connections of all workers"
    method = _method(found.method or Words())[0]
    if method == "consistent_hash" and len(endpoints.servers) > MOST_ON_RING:
        return f"there are more than {MOST_ON_RING} for a consistent hash"
    if method is None:
        return f"only nginx itself knows loadBalancingMethod {' '.join(found.method or ())}"
    return ""


def _method(words: Words) -> tuple[StreamMethod | None, tuple[str, ...] | None]:
    """Return the method and the parts of its key; no method if workers cannot do what *words* say."""
    if not words or words[0] != "hash":
        return _METHODS.get(tuple(words)), None
    parts = _VARIABLE.split(words[1])
    names = [_TEXTS.get(name, name) for name in parts[1::2]]
    parts[1::2] = names
    known: StreamMethod = "consistent_hash" if "consistent" in words else "hash"
    return (known if _KNOWN.issuperset(names) else None), tuple(parts)


def ring(servers: Sequence[str]) -> str:
    """Return the points of *servers* as nginx computes them (Ketama), so that clients keep their servers."""
    points = [(point, place) for place, server in enumerate(servers) for point in _points(server)]
    return "".join(f"{point:08x}{_DIGITS[place // 36]}{_DIGITS[place % 36]}" for point, place in sorted(points))


def _points(server: str) -> Iterator[int]:
    host, _, port = (server[len("unix:") :], "", "") if server.startswith("unix:") else server.rpartition(":")
    base = crc32(f"{host}\0{port}".encode())
    point = 0
    for _ in range(POINTS):
        point = crc32(point.to_bytes(4, "little"), base)
        yield point
