"""Routes of TCP and UDP become servers of ``stream {}``. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
from msgspec import structs

from headgate.ir.http import HttpConfig, Upstream
from headgate.ir.layout import NOWHERE_SOCKET
from headgate.ir.stream import PassthroughEntry, StreamConfig, StreamServer
from headgate.problems import Problem, Severity
from headgate.routes import Listener, Protocol, RouteTable, StreamBackend, StreamRoute
from headgate.settings import Quoted, Words
from headgate.translate import naming
from headgate.translate.draft import Draft
from headgate.translate.environment import Environment
from headgate.translate.listens import addresses
from headgate.translate.live_streams import SESSION_LOG, live_stream, warn_of_check
from headgate.translate.sessions import session_format, session_logs
from headgate.translate.tls import certificate_file
from headgate.translate.upstreams import ZONE, external_file, external_servers, parameters, unreachable

NOT_SERVED = "it is not served"
ANY_SOCKET = "unix:"
"""The peers on Unix sockets, for ``set_real_ip_from``."""


class StreamPlace(msgspec.Struct, frozen=True):
    """A listener on which TLS is terminated, and whether it is for every connection there (no host)."""

    listener: Listener
    every: bool


class Streams(msgspec.Struct, frozen=True):
    """What the stream routes of a resource become.

    Attributes:
        configs: their files; ``members`` are those of Services whose names nginx resolves as it loads.
        entries: their entries of the map for TLS passthrough.
        places: their listeners with TLS.
    """

    configs: tuple[StreamConfig, ...] = ()
    members: tuple[HttpConfig, ...] = ()
    entries: tuple[PassthroughEntry, ...] = ()
    places: tuple[StreamPlace, ...] = ()


def translate_streams(draft: Draft, table: RouteTable) -> Streams:
    """Translate the stream routes of *table*; a Problem for each that this nginx cannot serve."""
    configs: list[StreamConfig] = []
    members: list[HttpConfig] = []
    entries: list[PassthroughEntry] = []
    places: list[StreamPlace] = []
    for route in table.streams:
        if reason := _lack(draft.env, route):
            draft.problems[Problem(route.origin, "", "", reason, NOT_SERVED, Severity.ERROR)] = None
            continue
        upstreams = tuple(_with_pushed(draft.env, route, backend) for backend in route.backends)
        for found, upstream in zip(route.backends, upstreams, strict=True):
            warn_of_check(draft, route, found, upstream)
        configs.append(_config(draft, route, upstreams))
        members += (
            external_file(upstream, upstream.external, draft.env, NOWHERE_SOCKET)
            for upstream in upstreams
            if upstream.external
        )
        if route.listener.protocol is Protocol.TLS_PASSTHROUGH:
            entries.append(PassthroughEntry(route.host, naming.sni(route.host), _socket(draft.env, route)))
        elif route.tls:
            places.append(StreamPlace(route.listener, not route.host))
    return Streams(tuple(configs), tuple(members), tuple(entries), tuple(places))


def translate_common_streams(env: Environment, places: Iterable[StreamPlace]) -> Iterator[StreamConfig]:
    """Translate what servers with TLS on the listeners of *places* need.

    A listener on which every connection names a host has a default server, which refuses names that no object has.
    """
    found = set(places)
    if not found:
        return
    caches = env.capabilities.ssl_certificate_cache
    yield StreamConfig(file=naming.STREAM_TLS, origin=None, secrets=Quoted(env.layout.secrets), caches=caches)
    every = {place.listener for place in found if place.every}
    listeners = {place.listener for place in found} - every
    for listener in sorted(listeners, key=lambda each: each.name):
        server = _rejection(env, listener)
        file = naming.stream_listener_file(listener.name)
        yield StreamConfig(file=file, origin=None, servers=(server,), follows=listener.port)


def _rejection(env: Environment, listener: Listener) -> StreamServer:
    return StreamServer(origin=None, listens=stream_listens(env, listener, "ssl", "default_server"), reject=True)


def _lack(env: Environment, route: StreamRoute) -> str:
    """Return what this nginx lacks to serve *route*, ``""`` if nothing."""
    able = env.capabilities
    if able.stream is None:
        advice = "install it (libnginx-mod-stream or nginx-mod-stream), or use the embedded nginx"
        return f"needs ngx_stream_module, which this nginx does not have; {advice}"
    if route.listener.protocol is Protocol.TLS_PASSTHROUGH and not env.passthrough:
        return "needs ngx_stream_ssl_preread_module, which this nginx does not have"
    if route.tls and not able.stream_ssl:
        return "needs ngx_stream_ssl_module, which this nginx does not have"
    version = ".".join(map(str, able.version))
    if route.tls and route.host and not able.stream_hosts:
        return f"needs nginx 1.25.5 to serve spec.host by the server name, and this is nginx {version}"
    if route.tls and route.tls.secret.error and not able.stream_hosts:
        return f"has no certificate: Secret {route.tls.secret.ref.key} {route.tls.secret.error}"
    return ""


def _config(draft: Draft, route: StreamRoute, upstreams: tuple[Upstream, ...]) -> StreamConfig:
    env = draft.env
    pushed = any(each.stream for each in upstreams)
    server = _server(env, route, pushed=pushed)
    default = any("default_server" in flags for flags in server.listens)
    return StreamConfig(
        file=naming.stream_file(route.origin, route.part, draft.salt),
        origin=route.origin,
        upstreams=upstreams,
        servers=(server,),
        log_format=session_format(env, route),
        snippet=route.stream_snippet,
        standby=(_rejection(env, route.listener),) if default else (),
    )


def _server(env: Environment, route: StreamRoute, *, pushed: bool) -> StreamServer:
    secret, session = route.tls.secret if route.tls else None, route.session
    passed = route.listener.protocol is Protocol.TLS_PASSTHROUGH
    return StreamServer(
        origin=route.origin,
        listens=(Words((_socket(env, route), "proxy_protocol")),) if passed else _listens(env, route),
        name=naming.server_name(route.host) if route.host and not passed else "",
        upstream=route.target,
        pushed=pushed,
        certificate=Quoted(f"$secret_dir_path/{certificate_file(secret.file)}")
        if secret and not secret.error
        else None,
        reject=bool(secret and secret.error),
        trusted=(ANY_SOCKET,) if passed and env.capabilities.stream_realip else (),
        timeout=session.timeout,
        connect_timeout=session.connect_timeout,
        next_upstream=session.next_upstream,
        next_upstream_timeout=session.next_upstream_timeout,
        next_upstream_tries=session.next_upstream_tries,
        requests=session.requests,
        responses=session.responses,
        logs=_logs(env, route, pushed=pushed),
        snippet=route.server_snippet,
    )


def _logs(env: Environment, route: StreamRoute, *, pushed: bool) -> tuple[Words, ...]:
    """Return the logs of the server; a list of its own ends that of ``stream {}``, by which njs counts sessions."""
    logs = tuple(session_logs(env, route))
    return (*logs, SESSION_LOG) if logs and pushed else logs


def _listens(env: Environment, route: StreamRoute) -> tuple[Words, ...]:
    flags = ["udp"] if route.listener.protocol is Protocol.UDP else []
    if route.proxied:
        flags.append("proxy_protocol")
    if route.tls:
        flags.append("ssl")
        if env.capabilities.stream_hosts and not route.host:
            flags.append("default_server")
    return stream_listens(env, route.listener, *flags)


def stream_listens(env: Environment, listener: Listener, *flags: str) -> tuple[Words, ...]:
    """Return the arguments of every ``listen`` of *listener*."""
    return tuple(Words((address, *flags)) for address in addresses(env, listener))


def _socket(env: Environment, route: StreamRoute) -> Quoted:
    return Quoted(f"unix:{naming.passthrough_socket(env.layout, route.origin, route.part)}")


def _with_pushed(env: Environment, route: StreamRoute, found: StreamBackend) -> Upstream:
    """Return the upstream of *found*, with what is pushed of it."""
    return structs.replace(_upstream(env, route, found), stream=live_stream(route, found, env))


def _upstream(env: Environment, route: StreamRoute, found: StreamBackend) -> Upstream:
    """Return the upstream of *found*; one without endpoints closes connections."""
    backend = found.backend
    name, endpoints = backend.upstream, backend.endpoints
    if not endpoints.servers:
        return unreachable(name, route.origin, backend.service, env, NOWHERE_SOCKET)
    resolved = endpoints.named and env.resolves
    external, included = external_servers(name, backend, env)
    shared = len(endpoints.servers) > 1 or resolved or found.max_conns
    return Upstream(
        name=name,
        servers=endpoints.servers,
        origin=route.origin,
        service=backend.service,
        pods=endpoints.pods,
        external=external,
        included=included,
        parameters=parameters(found.max_fails, found.fail_timeout, found.max_conns, resolved=resolved),
        method=found.method,
        zone=Words((name, str(ZONE))) if shared else None,
    )
