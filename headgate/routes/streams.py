"""Routes of TCP and UDP."""

from __future__ import annotations

import msgspec

from headgate.problems import ObjectRef
from headgate.routes.backends import Backend, SecretReference
from headgate.routes.checks import StreamCheck
from headgate.routes.listeners import Listener
from headgate.settings import Snippet, Words


class Session(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How connections are made and how long they last; times as nginx writes them.

    Attributes:
        timeout: the longest time without data.
        connect_timeout: the longest time to connect to an endpoint.
        next_upstream: whether another endpoint is tried if one cannot be reached: for how long, and how many (0: all).
        requests: the datagrams of a client after which the next one begins a new session.
        responses: the datagrams that are expected in answer to one.
    """

    timeout: str = "10m"
    connect_timeout: str = "60s"
    next_upstream: bool = False
    next_upstream_timeout: str = "0s"
    next_upstream_tries: int = 0
    requests: int | None = None
    responses: int | None = None


class StreamBackend(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A port of a Service, and how its endpoints are used.

    Attributes:
        backend: the port.
        method: how endpoints are chosen, in the words of nginx; ``None`` for one after the other.
        max_fails: failures until an endpoint is avoided; ``fail_timeout`` is within which, and for how long.
        max_conns: the most connections to an endpoint; 0 is any number.
        check: how it is found out which endpoints are well; ``None`` if by sessions alone.
    """

    backend: Backend
    method: Words | None = None
    max_fails: int = 1
    fail_timeout: str = "10s"
    max_conns: int = 0
    check: StreamCheck | None = None


class StreamTls(msgspec.Struct, frozen=True, gc=False):
    """That TLS is terminated with the certificate of *secret*."""

    secret: SecretReference


class StreamRoute(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The backends of a listener of TCP or UDP.

    Attributes:
        listener: where connections (or datagrams) arrive.
        target: the upstream that gets them.
        backends: every upstream of the object by its name, *target* among them.
        origin: the object that asks for it.
        host: the server name (SNI, RFC 6066) of the TLS connections; empty for every connection.
        tls: ``None`` where TLS is not terminated.
        session: how connections are made and how long they last.
        field: where the object asks for it.
        proxied: whether the addresses of clients come by the PROXY protocol.
        part: tells several routes of one object apart; empty where it has one.
        server_snippet: configuration inside the server; ``stream_snippet`` beside it.
    """

    listener: Listener
    target: str
    backends: tuple[StreamBackend, ...]
    origin: ObjectRef
    host: str = ""
    tls: StreamTls | None = None
    session: Session = Session()
    field: str = ""
    proxied: bool = False
    part: str = ""
    server_snippet: Snippet | None = None
    stream_snippet: Snippet | None = None

    @property
    def backend(self) -> Backend:
        """The backend that gets the connections."""
        return next(each.backend for each in self.backends if each.backend.upstream == self.target)
