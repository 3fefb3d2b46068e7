"""The blocks of ``stream {}`` as frozen values; every one that a user caused carries its origin."""

from __future__ import annotations

import msgspec

from headgate.ir.http import Name, Upstream, ports_of
from headgate.problems import ObjectRef
from headgate.settings import Quoted, Snippet, Words


class StreamServer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One server of TCP or UDP.

    Attributes:
        listens: the arguments of each ``listen``.
        name: the argument of ``server_name``; empty for every connection.
        upstream: the name of the Upstream; empty for one that closes connections. ``pushed`` whether its servers are
            pushed at run time, so that there is no block of that name.
        certificate: path of certificate and key; ``reject`` refuses handshakes with ``unrecognized_name`` (RFC 6066).
        trusted: whose PROXY protocol says where clients come from, for ``set_real_ip_from``.
        timeout: the longest time without data; ``connect_timeout`` to connect.
        next_upstream: whether the next server of the upstream is tried; ``next_upstream_timeout`` for how long,
            ``next_upstream_tries`` how many.
        requests: the datagrams of a session, ``None`` for any number; ``responses`` to each of them.
        logs: the arguments of each ``access_log``; empty for those of ``stream {}``.
    """

    origin: ObjectRef | None
    listens: tuple[Words, ...]
    name: Name | Quoted = ""
    upstream: Name = ""
    pushed: bool = False
    certificate: Quoted | None = None
    reject: bool = False
    trusted: tuple[Name, ...] = ()
    timeout: Name = ""
    connect_timeout: Name = ""
    next_upstream: bool = False
    next_upstream_timeout: Name = ""
    next_upstream_tries: int = 0
    requests: int | None = None
    responses: int | None = None
    logs: tuple[Words, ...] = ()
    snippet: Snippet | None = None


class StreamConfig(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One file: what an object, or Headgate itself, contributes to ``stream {}``.

    Attributes:
        file: its name, relative to the configuration directory.
        origin: the object.
        secrets: the directory that ``$secret_dir_path`` is, where the file says so; ``caches`` whether it says that
            certificates are cached.
        log_format: the arguments of the format that a log of its servers has, ``None`` without one.
        snippet: text beside the servers.
        standby: what the file holds while nginx refuses its servers; empty for a file that is absent then.
        follows: as in a File.
    """

    file: str
    origin: ObjectRef | None
    upstreams: tuple[Upstream, ...] = ()
    servers: tuple[StreamServer, ...] = ()
    secrets: Quoted | None = None
    caches: bool = False
    log_format: Words | None = None
    snippet: Snippet | None = None
    standby: tuple[StreamServer, ...] = ()
    follows: int | None = None

    @property
    def names(self) -> frozenset[str]:
        """The names that must be unique in all of nginx; upstreams of HTTP may be called alike."""
        return frozenset([f"file {self.file}", *(f"stream upstream {each.name}" for each in self.upstreams)])

    @property
    def claims(self) -> frozenset[str]:
        """Everything in the file that belongs to one object alone: its names, and what it serves on which address."""
        return self.names.union(
            f"stream {address} {'udp' if 'udp' in flags else 'tcp'} {server.name}"
            for server in self.servers
            for address, *flags in server.listens
        )

    @property
    def opens(self) -> frozenset[int]:
        """The ports of TCP on which its servers listen, unless they only do where others do."""
        lines = (tuple(line for line in server.listens if "udp" not in line) for server in self.servers)
        return frozenset() if self.follows else ports_of(frozenset(lines))


class PassthroughEntry(msgspec.Struct, frozen=True, gc=False):
    """Which socket gets the TLS connections with a server name (SNI), as an entry of a ``map``; *host* is that name."""

    host: str
    name: Name | Quoted
    socket: Quoted


class Passthrough(msgspec.Struct, frozen=True, kw_only=True):
    """The server that passes TLS connections on by their server name.

    Attributes:
        listens: the arguments of each ``listen``.
        hosts: the file with the entries of the map.
        default: the socket of all other connections: of HTTPS.
        trusted: whose PROXY protocol says where clients come from.
    """

    listens: tuple[Words, ...]
    hosts: Quoted
    default: Quoted
    trusted: tuple[Name, ...] = ()
