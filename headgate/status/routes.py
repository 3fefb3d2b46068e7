"""The hosts of a Generation, with the state of everything behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

import msgspec

from headgate.api import EndpointSlice, Service, TopLevel
from headgate.api.networking import ServiceBackendPort
from headgate.pipeline import Generation
from headgate.pipeline.generator import Rendered
from headgate.problems import ObjectRef
from headgate.resolve import SliceIndex
from headgate.resolve.endpoints import Condition, conditions
from headgate.routes import (
    Backend,
    Choice,
    Forward,
    Listener,
    PathType,
    Protocol,
    Route,
    Split,
    StreamRoute,
    Tls,
    VirtualHost,
)
from headgate.status.report import (
    BackendStatus,
    CertificateStatus,
    EndpointStatus,
    Health,
    HostStatus,
    RouteStatus,
    Serving,
    StreamStatus,
)
from headgate.translate import Environment
from headgate.translate.live_streams import in_files

Find = Callable[[type[TopLevel], ObjectRef], TopLevel | None]
Checked = Mapping[tuple[ObjectRef, str, str], str]

_HEALTH = {
    Condition.READY: Health.READY,
    Condition.DRAINING: Health.TERMINATING,
    Condition.NOT_READY: Health.NOT_READY,
}


class Cluster(msgspec.Struct, frozen=True):
    """The objects that a status shows beside the routes: *find* looks one up, *slices* are the EndpointSlices.

    *checked* is what health checks found: the state of a server, by object, name of the Service, and address.
    """

    find: Find
    slices: SliceIndex
    checked: Checked = {}

    @classmethod
    def of(cls, find: Find, slices: Iterable[EndpointSlice], checked: Checked | None = None) -> Cluster:
        """Return a cluster with these *slices*."""
        index = SliceIndex()
        for slice_ in slices:
            index.update(slice_.ref, slice_)
        return cls(find, index, checked or {})

    def created(self, ref: ObjectRef, kinds: Iterable[type[TopLevel]]) -> datetime | None:
        """Return when *ref*, an object of one of the *kinds*, was created, if that is known."""
        found = next((self.find(kind, ref) for kind in kinds if kind.KIND.includes(ref)), None)
        text = found.metadata.creation_timestamp if found else None
        try:
            return datetime.fromisoformat(text) if text else None
        except ValueError:
            return None


def hosts(
    generation: Generation,
    cluster: Cluster,
    kinds: Iterable[type[TopLevel]],
    serving: Mapping[ObjectRef, Serving] | None = None,
) -> tuple[HostStatus, ...]:
    """Return every host of *generation*, by name.

    Args:
        generation: the result of the pipeline.
        cluster: the objects that it was made of.
        kinds: the kinds of the objects that hold hosts.
        serving: which version of an object nginx serves, if it is not the current one.
    """
    kinds = tuple(kinds)
    found = [
        _host(host, rendered, generation.env, cluster, kinds, (serving or {}).get(host.origin, version))
        for rendered, version in _served(generation)
        for host in rendered.table.hosts
    ]
    return tuple(sorted(found, key=lambda host: (_reversed(host.host), host.object)))


def streams(
    generation: Generation,
    cluster: Cluster,
    kinds: Iterable[type[TopLevel]],
    serving: Mapping[ObjectRef, Serving] | None = None,
) -> tuple[StreamStatus, ...]:
    """Return every stream route of *generation* that nginx has; arguments as of ``hosts``."""
    kinds = tuple(kinds)
    found = [
        _stream(route, generation.env, cluster, kinds, (serving or {}).get(route.origin, version))
        for rendered, version in _served(generation)
        for route in rendered.table.streams
        if any(file.origin == route.origin for file in rendered.files)
    ]
    return tuple(sorted(found, key=lambda each: (each.listener, each.host, each.object)))


def _stream(
    route: StreamRoute, env: Environment, cluster: Cluster, kinds: tuple[type[TopLevel], ...], serving: Serving
) -> StreamStatus:
    """Return the status of *route*; a listener without a port of its own has that for TLS passthrough."""
    secret, listener = route.tls.secret if route.tls else None, route.listener
    protocol = "UDP" if listener.protocol is Protocol.UDP else "TCP"
    return StreamStatus(
        listener=listener.name,
        port=listener.port or env.https_port,
        protocol=listener.protocol.value,
        host=route.host,
        object=str(route.origin),
        created=cluster.created(route.origin, kinds),
        serving=serving,
        certificate=CertificateStatus(secret.ref.key, secret.expires, secret.error) if secret else None,
        backend=_backend(route.backend, route.origin, cluster, protocol),
        in_files=in_files(route, env),
    )


def _served(generation: Generation) -> Iterable[tuple[Rendered, Serving]]:
    for generated in generation.resources.values():
        if generated.served:
            yield generated.served, Serving.PREVIOUS if generated.outdated else Serving.CURRENT


def _reversed(host: str) -> tuple[str, ...]:
    """Sort by domain, then by subdomain: ``a.example.com`` beside ``b.example.com``."""
    return tuple(reversed(host.split(".")))


def _host(  # noqa: PLR0913 - all of it is one row
    host: VirtualHost,
    rendered: Rendered,
    env: Environment,
    cluster: Cluster,
    kinds: tuple[type[TopLevel], ...],
    serving: Serving,
) -> HostStatus:
    return HostStatus(
        host=host.name,
        object=str(host.origin),
        created=cluster.created(host.origin, kinds),
        serving=serving if rendered.is_open(host.name) else Serving.NONE,
        ports=_ports(rendered.listeners.get(host.name, frozenset())),
        certificate=_certificate(host.tls, env),
        routes=tuple(_route(each, host, cluster) for each in host.routes if each.match.type is not PathType.INTERNAL),
        default=_backend(host.default.backend, host.origin, cluster) if host.default else None,
        routed=host.name in rendered.routed,
        dedicated=rendered.dedicated,
    )


def _ports(listeners: Iterable[Listener]) -> tuple[str, ...]:
    ordered = sorted(listeners, key=lambda listener: (listener.tls, listener.port))
    return tuple(f"{'https' if listener.tls else 'http'} {listener.port}" for listener in ordered)


def _certificate(tls: Tls | None, env: Environment) -> CertificateStatus | None:
    if tls is None:
        return None
    if tls.default and env.default_certificate and (tls.secret is None or tls.secret.error):
        return CertificateStatus("", default=True)
    if tls.secret is None:
        return CertificateStatus("", None, "no Secret is named, and there is no -wildcard-tls-secret")
    return CertificateStatus(tls.secret.ref.key, tls.secret.expires, tls.secret.error)


def _route(route: Route, host: VirtualHost, cluster: Cluster) -> RouteStatus:
    kind = f"regex {route.match.regex.value}" if route.match.regex else route.match.type.value
    targets = {(each.namespace, each.service, each.port): each for each in _targets(route, host)}
    backends = tuple(_backend(backend, route.origin, cluster) for backend in targets.values())
    return RouteStatus(f"{route.match.modifier}{route.match.path}", kind, str(route.origin), backends)


def _targets(route: Route, host: VirtualHost) -> Iterable[Backend]:
    """Yield the backends of *route*, by way of the internal routes to which it leads."""
    match route.action:
        case Forward(backends):
            yield from backends
        case Split(shares):
            names = [target for _, target in shares]
        case Choice(cases, otherwise):
            names = [*(case.target for case in cases), otherwise]
        case _:
            names = []
    if not isinstance(route.action, Forward):
        for inner in host.routes:
            if inner.match.type is PathType.INTERNAL and inner.match.path in names:
                yield from _targets(inner, host)


def _backend(backend: Backend, origin: ObjectRef, cluster: Cluster, protocol: str = "TCP") -> BackendStatus:
    endpoints = tuple(_endpoints(backend, origin, cluster, protocol))
    backup = backend.backup.endpoints.servers if backend.backup else ()
    return BackendStatus(
        f"{backend.namespace}/{backend.service}", backend.port, endpoints, backend.weight, tuple(map(str, backup))
    )


def _port(text: str) -> ServiceBackendPort:
    return ServiceBackendPort(number=int(text)) if text.isdecimal() else ServiceBackendPort(name=text)


def _endpoints(backend: Backend, origin: ObjectRef, cluster: Cluster, protocol: str) -> Iterable[EndpointStatus]:
    """Yield the addresses that get requests, then those that do not."""
    service = cluster.find(Service, Service.KIND.ref(backend.namespace, backend.service))
    slices = cluster.slices.get((backend.namespace, backend.service), ())
    known = conditions(service, _port(backend.port), slices, protocol) if isinstance(service, Service) else {}
    used = backend.endpoints.servers
    for address in used:
        pod, condition = known.get(address, (backend.endpoints.pods.get(address, ""), None))
        health = _HEALTH[condition] if condition else Health.UNKNOWN
        check = cluster.checked.get((origin, backend.service, address), "")
        yield EndpointStatus(address, pod, health, used=check in {"", "up"}, check=check)
    for address in sorted(known.keys() - set(used)):
        pod, condition = known[address]
        yield EndpointStatus(address, pod, _HEALTH[condition], used=False)
