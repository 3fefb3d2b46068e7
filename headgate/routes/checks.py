"""Health checks of the servers behind a backend, as an object asks for them."""

from __future__ import annotations

import msgspec


class Check(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Requests that find out whether servers can take requests. Times are seconds.

    Attributes:
        field: where the object asks for them (``spec.upstreams[0].healthCheck``).
        path: of the requests.
        headers: names and values.
        interval: between two checks of a server; ``jitter`` is the most that is added at random.
        fails: failed checks until a server is unhealthy; ``passes`` passed ones until it is healthy again.
        port: ``None`` for that of the server.
        tls: whether connections use TLS; ``None`` if as those of requests.
        connect_timeout: ``None`` if as of requests; ``send_timeout`` and ``read_timeout`` likewise.
        status: ranges of status codes of a passed check; with ``negated``, of a failed one.
        grpc: the service that is checked by the gRPC health protocol, ``""`` for the whole server; ``None`` for HTTP.
        grpc_status: the gRPC status of a passed check, if another one than 0.
        mandatory: whether a new server gets no requests before it has passed a check.
        keepalive: for how long a connection is used, as the object writes it.
    """

    field: str
    path: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    interval: float = 5
    jitter: float = 0
    fails: int = 1
    passes: int = 1
    port: int | None = None
    tls: bool | None = None
    connect_timeout: float | None = None
    send_timeout: float | None = None
    read_timeout: float | None = None
    status: tuple[tuple[int, int], ...] = ((200, 399),)
    negated: bool = False
    grpc: str | None = None
    grpc_status: int = 0
    mandatory: bool = False
    keepalive: str = ""


class StreamCheck(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Connections that find out whether servers of TCP are well. Times are seconds; what Check has means the same.

    Attributes:
        timeout: of the connection, and of what is expected.
        send: what is sent.
        expect: what the answer must contain; *regex* what it must match instead, *ignore_case* regardless of case.
    """

    field: str
    interval: float = 5
    jitter: float = 0
    fails: int = 1
    passes: int = 1
    port: int | None = None
    timeout: float = 5
    send: bytes = b""
    expect: bytes = b""
    regex: str = ""
    ignore_case: bool = False
