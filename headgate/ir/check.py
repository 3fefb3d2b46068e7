"""Health checks of the servers of an upstream, as nginx's workers receive them."""

from __future__ import annotations

from typing import Literal

import msgspec


class TcpCheck(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What is sent over a connection, and what must come.

    Attributes:
        send: bytes, as hexadecimal digits; *expect* those that the answer must contain, empty for any.
        regex: what it must match instead; *ignore_case* whether regardless of case.
    """

    send: str = ""
    expect: str = ""
    regex: str = ""
    ignore_case: bool = False


class LiveCheck(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Requests that find out whether servers can take requests; encoded as JSON it is what ``check.lua`` reads.

    Attributes:
        path: of the requests; ``headers`` are all of theirs, with ``Host``.
        interval: seconds between two checks of a server; ``jitter`` most seconds that are added at random.
        fails: failed checks until a server is unhealthy; ``passes`` passed ones until it is healthy again.
        port: ``None`` for that of the server.
        tls: whether the connection uses TLS.
        connect: seconds for a connection, ``send`` and ``read`` between two writes and two reads.
        status: ranges of status codes of a passed check; with ``negated``, of a failed one.
        mandatory: whether a new server gets no requests before it has passed a check.
        grpc: the service that is checked by the gRPC health protocol, ``""`` for the whole server; ``None`` for HTTP.
        tcp: what is sent and expected instead of all that; unset for HTTP and gRPC.
    """

    path: str
    headers: tuple[tuple[str, str], ...]
    interval: float = 5
    jitter: float = 0
    fails: int = 1
    passes: int = 1
    port: int | None = None
    tls: bool = False
    connect: float = 60
    send: float = 60
    read: float = 60
    status: tuple[tuple[int, int], ...] = ((200, 399),)
    negated: bool = False
    mandatory: bool = False
    grpc: str | None = None
    tcp: TcpCheck | msgspec.UnsetType = msgspec.UNSET


State = Literal["up", "checking", "unhealthy"]


class ServerHealth(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What checks found out about a server.

    Attributes:
        upstream: the name of the upstream; ``server`` the address, with the port if it has one.
        state: ``checking`` until the first check of a server that must pass one.
        checks: how often it was checked, ``fails`` how often it did not pass, ``unhealthy`` how often it became that.
    """

    upstream: str
    server: str
    state: State
    checks: int
    fails: int
    unhealthy: int
