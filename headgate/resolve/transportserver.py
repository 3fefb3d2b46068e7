"""A TransportServer becomes a RouteTable: with the listener, the endpoints and the Secret that it names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from headgate.api.networking import ServiceBackendPort
from headgate.api.nginx_org.transportserver import (
    SessionParameters,
    TransportServerUpstream,
    UpstreamParameters,
)
from headgate.configuration import Resource
from headgate.problems import ObjectRef, Problem, Severity
from headgate.resolve.checks import stream_check_of
from headgate.resolve.contents import SecretKind
from headgate.resolve.lowered import Lowered
from headgate.resolve.search import Search
from headgate.resolve.secrets import LocalSecretStore
from headgate.resolve.snapshot import Snapshot
from headgate.routes import (
    Backend,
    Listener,
    Protocol,
    RouteTable,
    Session,
    StreamBackend,
    StreamRoute,
    StreamTls,
)
from headgate.settings import Snippet, Words
from headgate.settings.values import Duration
from headgate.validation.transportserver import ValidTransportServer

METHOD: Final = "random two least_conn"
"""How endpoints are chosen where the object does not say."""
_BRACES: Final = re.compile(r"\$\{(\w+)\}")


def lower_transport_server(
    resource: Resource, snapshot: Snapshot, secrets: LocalSecretStore, *, allow_loopback: bool = False
) -> Lowered:
    """Lower *resource*, a TransportServer, to a route; it has none without its listener."""
    search = Search(snapshot, secrets, allow_loopback=allow_loopback)
    valid: ValidTransportServer = resource.candidate.valid
    listener = _listener(search, resource.ref, valid)
    streams = (_route(search, resource.ref, valid, listener),) if listener else ()
    return search.lowered(RouteTable(origin=resource.ref, members=(resource.ref,), streams=streams))


def _listener(search: Search, origin: ObjectRef, valid: ValidTransportServer) -> Listener | None:
    """Return the listener that the object names; a Problem in the words of the incumbent if it does not exist."""
    if valid.passthrough:
        return Listener(0, Protocol.TLS_PASSTHROUGH, tls=True, name=valid.listener)
    known = search.listeners()
    found = known.found.get(valid.listener)
    if found and found.protocol.value == valid.protocol:
        return found
    reason = f"Listener {valid.listener} doesn't exist: {known.absence(valid.listener)}"
    effect = "it is not served"
    search.report(Problem(origin, "", "", reason, effect, Severity.ERROR, code="Rejected"))
    return None


def _route(search: Search, origin: ObjectRef, valid: ValidTransportServer, listener: Listener) -> StreamRoute:
    spec = valid.spec
    return StreamRoute(
        listener=listener,
        target=_block(origin, spec.action.pass_ if spec.action else ""),
        backends=tuple(_backends(search, origin, valid)),
        origin=origin,
        host=valid.host,
        tls=_tls(search, origin, valid),
        session=_session(spec.upstream_parameters, spec.session_parameters),
        field="spec.action.pass",
        server_snippet=_snippet(spec.server_snippets),
        stream_snippet=_snippet(spec.stream_snippets),
    )


def _block(origin: ObjectRef, upstream: str) -> str:
    """Return the name of the block of an *upstream*."""
    return f"ts_{origin.namespace}_{origin.name}_{upstream}"


def _snippet(text: str | None) -> Snippet | None:
    return Snippet(text) if text and text.strip() else None


def _tls(search: Search, origin: ObjectRef, valid: ValidTransportServer) -> StreamTls | None:
    tls = valid.spec.tls
    if tls is None or not tls.secret:
        return None
    effect = "TLS handshakes are rejected"
    return StreamTls(search.secret(origin, "spec.tls.secret", tls.secret, SecretKind.TLS, effect))


def _session(upstreams: UpstreamParameters | None, session: SessionParameters | None) -> Session:
    given = upstreams or UpstreamParameters()
    usual = Session()
    return Session(
        timeout=_time(session.timeout if session else None, usual.timeout),
        connect_timeout=_time(given.connect_timeout, usual.connect_timeout),
        next_upstream=given.next_upstream,
        next_upstream_timeout=_time(given.next_upstream_timeout, usual.next_upstream_timeout),
        next_upstream_tries=given.next_upstream_tries or 0,
        requests=given.udp_requests,
        responses=given.udp_responses,
    )


def _time(text: str | None, usual: str) -> str:
    return str(Duration.parse(text)) if text else usual


def _backends(search: Search, origin: ObjectRef, valid: ValidTransportServer) -> Iterator[StreamBackend]:
    for index, upstream in enumerate(valid.spec.upstreams or ()):
        yield _backend(search, origin, valid, upstream, f"spec.upstreams[{index}]")


def _backend(
    search: Search, origin: ObjectRef, valid: ValidTransportServer, upstream: TransportServerUpstream, field: str
) -> StreamBackend:
    protocol = "UDP" if valid.protocol == "UDP" else "TCP"
    name, port = (origin.namespace, upstream.service), ServiceBackendPort(number=upstream.port)
    endpoints = search.service(origin, f"{field}.service", name, port, protocol=protocol)
    return StreamBackend(
        backend=Backend(
            upstream.service,
            str(upstream.port or ""),
            origin.namespace,
            endpoints,
            upstream=_block(origin, upstream.name),
        ),
        method=_method(upstream.load_balancing_method or METHOD),
        max_fails=1 if upstream.max_fails is None else upstream.max_fails,
        fail_timeout=_time(upstream.fail_timeout, "10s"),
        max_conns=upstream.max_conns or 0,
        check=stream_check_of(upstream, field),
    )


def _method(text: str) -> Words | None:
    words = _BRACES.sub(r"$\1", text).split()
    return None if words == ["round_robin"] else Words(words)
