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


class TlsClient(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """How checks speak TLS that verify servers, have a certificate, or need HTTP/2.

    Attributes:
        verify: whether a certificate of *ca* (a file) to *depth* is needed, for *name*.
        name: of the server; *send_name* whether it is sent (SNI).
        certificate: the file with certificate and key that is sent.
        protocols: the versions that are allowed; ``None`` for all that OpenSSL has.
        ciphers: ``None`` for those of OpenSSL.
        alpn: the protocol that is offered to the server.
    """

    verify: bool = False
    ca: str | None = None
    depth: int | None = None
    name: str = ""
    send_name: bool = False
    certificate: str | None = None
    protocols: tuple[str, ...] | None = None
    ciphers: str | None = None
    alpn: str | None = None


class LiveCheck(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Requests that find out whether servers can take requests; encoded as JSON it is what ``check.lua`` reads.

    Attributes:
        path: of the requests; ``headers`` are all of theirs, with ``Host``.
        interval: seconds between two checks of a server; ``jitter`` most seconds that are added at random.
        fails: failed checks until a server is unhealthy; ``passes`` passed ones until it is healthy again.
        port: ``None`` for that of the server.
        tls: whether the connection uses TLS; *secure* how, if not with any certificate and without a name.
        connect: seconds for a connection, ``send`` and ``read`` between two writes and two reads.
        status: ranges of status codes of a passed check; with ``negated``, of a failed one.
        mandatory: whether a new server gets no requests before it has passed a check.
        grpc: the service that is checked by the gRPC health protocol, ``""`` for the whole server; ``None`` for HTTP.
        tcp: what is sent and expected instead of all that; unset for HTTP and gRPC.
        grpc_status: the gRPC status of a passed check; with 0 the answer must be SERVING, too.
    """

    path: str
    headers: tuple[tuple[str, str], ...]
    interval: float = 5
    jitter: float = 0
    fails: int = 1
    passes: int = 1
    port: int | None = None
    tls: bool = False
    secure: TlsClient | None = None
    connect: float = 60
    send: float = 60
    read: float = 60
    status: tuple[tuple[int, int], ...] = ((200, 399),)
    negated: bool = False
    mandatory: bool = False
    grpc: str | None = None
    tcp: TcpCheck | msgspec.UnsetType = msgspec.UNSET
    grpc_status: int = 0


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
