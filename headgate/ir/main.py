"""The whole of nginx: ``nginx.conf`` as a frozen value."""

from __future__ import annotations

import msgspec

from headgate.ir.addons import Addon
from headgate.ir.capabilities import Capabilities
from headgate.ir.latency import Measured
from headgate.ir.layout import Layout
from headgate.ir.live import POOLS, LuaModules, NjsModule
from headgate.settings import Delta, Header, Quoted, Snippet, Words


class StatusServer(msgspec.Struct, frozen=True):
    """``stub_status`` for administrators: where it listens and which addresses are allowed."""

    listens: tuple[Words, ...]
    allow: tuple[str, ...]


class Database(msgspec.Struct, frozen=True):
    """A GeoIP2 database: its file, and variables with the places of their values."""

    path: str
    variables: tuple[tuple[str, Words], ...]


class Main(msgspec.Struct, frozen=True, kw_only=True):
    """What stands once in the configuration.

    Attributes:
        user: the workers' user when the master is root.
        settings: every setting's value.
        request_headers: sent to every backend whose location does not say otherwise.
        latency_name: the format of the latency log, empty without latency metrics; ``latency_format`` is its text,
            ``latency_variable`` the upstream's name in it, ``latency_log`` where it goes.
        measured: what workers count in Lua in place of that log, if they do.
        stream: whether there is a ``stream {}``; ``stream_module`` is to be loaded first, if any.
        stream_js: how njs is loaded, if servers of TCP and UDP are pushed at run time.
        addons: the modules that something asks for, beside these; ``own_addons`` are loaded by a snippet.
        databases: those of GeoIP2 that are read.
        passthrough: the port of HTTPS where that arrives over a Unix socket, with the addresses of clients by the PROXY
            protocol; 0 elsewhere.
        access_log: the target of the access log, and its format.
        live: how the Lua module is loaded, if the servers of upstreams are pushed at run time; ``live_memory`` is the
            size of the memory for them.
        pool: connections to backends that each worker keeps for hosts without a server block, 0 if there are none;
            *pools* are the upstream blocks that keep so many.
        claims: variables with members of tokens that logs read; empty where no location sets them.
        sessions: whether there may be sessions of OpenID Connect.
        clock: pattern and value of a map from ``$msec`` to ``clock_variable``, a time that logs write, if they do.
    """

    layout: Layout
    capabilities: Capabilities
    settings: Delta
    user: str | None = None
    request_headers: tuple[Header, ...] = ()
    response_headers: tuple[Header, ...] = ()
    hide_headers: tuple[str, ...] = ()
    status: StatusServer | None = None
    status_socket: bool = False
    latency_name: str = ""
    latency_variable: str = ""
    latency_format: Quoted = Quoted("")
    latency_log: str = ""
    measured: Measured | None = None
    access_log: Words = Words()
    live: LuaModules | None = None
    live_memory: str = ""
    pool: int = 0
    pools: tuple[str, ...] = tuple(POOLS.values())
    sessions: bool = False
    clock: tuple[Quoted, ...] = ()
    clock_variable: str = ""
    claims: tuple[str, ...] = ()
    stream: bool = False
    stream_module: str = ""
    stream_js: NjsModule | None = None
    addons: tuple[Addon, ...] = ()
    own_addons: frozenset[str] = frozenset()
    databases: tuple[Database, ...] = ()
    passthrough: int = 0
    server_names_hash_max_size: int = 1024
    server_names_hash_bucket_size: int = 256
    map_hash_max_size: int = 2048
    map_hash_bucket_size: int = 256
    main_snippet: Snippet | None = None
    http_snippet: Snippet | None = None
    stream_snippet: Snippet | None = None

    def loads(self, addon: str) -> bool:
        """Whether the module *addon* is loaded, here or by a snippet."""
        return any(each.name == addon for each in self.addons) or addon in self.own_addons
