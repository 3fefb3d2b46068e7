"""Service + EndpointSlices → addresses."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterator, Mapping

import msgspec

from headgate.api import EndpointSlice, Pod, Service
from headgate.api.core import ServicePort as Port
from headgate.api.core import ServiceSpec
from headgate.api.discovery import Endpoint, EndpointPort
from headgate.api.networking import ServiceBackendPort
from headgate.problems import ObjectRef, Problem, show
from headgate.resolve.addresses import HIGHEST_PORT, host_fault, ip_fault, is_ip, with_port
from headgate.routes import Endpoints

NO_ADDRESS = "no EndpointSlice has an address for this port"
UNSERVED = "requests for it are answered with an error until it has some"
CLOSED = "connections to it are closed until it has some"
SKIPPED = "the address is left out"
SHOWN = 3
"""Refused addresses of one Service that are named one by one."""


class Condition(enum.Enum):
    """What an EndpointSlice says about an endpoint."""

    READY = "ready"
    DRAINING = "draining"
    """It terminates and still serves."""
    NOT_READY = "not ready"


class Wanted(msgspec.Struct, frozen=True):
    """A backend that a resource names.

    Attributes:
        origin: the resource.
        field: where it names the backend.
        service: the Service, in the namespace of the resource.
        port: its port, by number or name.
        use_cluster_ip: the setting by which the Service's own address is wanted, so that kube-proxy balances, else
            ``""``.
        allow_loopback: whether an endpoint may be on this machine (standalone mode).
        namespace: that of the Service, if not that of the resource.
        protocol: ``TCP`` or ``UDP`` for connections and datagrams, ``""`` for requests of HTTP.
        labels: those by which endpoints were selected, for what is reported.
        unserved: what happens while it has no address, if it is not the usual.
        external_names: whether a Service of type ExternalName is used.
    """

    origin: ObjectRef
    field: str
    service: str
    port: ServiceBackendPort | None
    use_cluster_ip: str = ""
    allow_loopback: bool = False
    namespace: str = ""
    protocol: str = ""
    labels: Mapping[str, str] = {}
    unserved: str = ""
    external_names: bool = True

    def problem(self, reason: str, effect: str, value: str = "", *, passing: bool = False) -> Problem:
        """Say what is wrong with this backend."""
        return Problem(self.origin, self.field, value, reason, effect, passing=passing)

    def nothing(self, reason: str, *, passing: bool = False) -> tuple[Endpoints, list[Problem]]:
        """Return no address, and why; the words in front are the incumbent's."""
        effect = self.unserved or (CLOSED if self.protocol else UNSERVED)
        return Endpoints(), [self.problem(no_endpoints(self.service, reason), effect, passing=passing)]


def endpoints(
    wanted: Wanted, service: Service | None, slices: Collection[EndpointSlice]
) -> tuple[Endpoints, list[Problem]]:
    """Return the addresses behind a Service port.

    All *slices* of the Service count, of both families. Ready endpoints are used; if there is none,
    those that still serve while they terminate (KEP-1669), which otherwise are only for sessions that
    began there. An ExternalName gives its name and port,
    which nginx resolves while it runs where it has a resolver; else when it loads its configuration, and
    a name that cannot be resolved then is refused by nginx itself.

    Returns:
        the addresses, perhaps none, and a Problem for each thing that keeps some or all away.
    """
    if service is None or service.spec is None:
        return wanted.nothing(
            f"there is no Service {wanted.namespace or wanted.origin.namespace}/{wanted.service}", passing=True
        )
    spec = service.spec
    if spec.type == "ExternalName":
        if not wanted.external_names:
            return wanted.nothing("it is of type ExternalName, which --disable-svc-external-name does not permit")
        if wanted.labels:
            return wanted.nothing("a Service of type ExternalName has no Pods whose labels could be selected")
        return _external(wanted, spec)
    protocol = wanted.protocol or "TCP"
    port = find_port(spec, wanted.port, protocol)
    if port is None:
        return wanted.nothing(
            f"it has no {protocol} port {show(str(wanted.port or ''))}; its ports are {_listed(spec)}"
        )
    if not wanted.use_cluster_ip:
        return _from_slices(wanted, port, slices)
    if headless(spec):
        found, problems = _from_slices(wanted, port, slices)
        reason = no_cluster_ip(wanted.use_cluster_ip, wanted.service)
        return found, [wanted.problem(reason, "its endpoints are used"), *problems]
    return _cluster_ip(wanted, spec, port)


def conditions(
    service: Service, port: ServiceBackendPort, slices: Collection[EndpointSlice], protocol: str = "TCP"
) -> Mapping[str, tuple[str, Condition]]:
    """Return the Pod (perhaps ``""``) and the condition of each address behind a Service port, ready or not."""
    wanted = find_port(service.spec, port, protocol) if service.spec else None
    found = [each for slice_ in slices for each in _behind(slice_, wanted)] if wanted else []
    return {
        with_port(each.address, each.port): (each.pod, each.condition)
        for each in found
        if is_ip(each.address) or each.kind == "FQDN"
    }


def no_endpoints(service: str, reason: str) -> str:
    """Say that a Service has no address, and why."""
    return f"No endpoints found for service {service}: {reason}"


def no_cluster_ip(setting: str, service: str) -> str:
    """Say that a Service has no address of its own, which *setting* needs."""
    return f"{setting} needs a cluster IP, and service {service} has none"


def headless(spec: ServiceSpec) -> bool:
    """Whether a Service has no address of its own."""
    return spec.cluster_ip in {None, "", "None"}


def find_port(spec: ServiceSpec, port: ServiceBackendPort | None, protocol: str = "TCP") -> Port | None:
    """Return the port of a Service that *port* names; the same number may exist for TCP and for UDP."""
    return next((found for found in spec.ports or () if _protocol(found) == protocol and _names(port, found)), None)


def _names(port: ServiceBackendPort | None, found: Port) -> bool:
    if port is None:
        return False
    return found.port == port.number if port.number else bool(port.name) and found.name == port.name


def _protocol(port: Port | EndpointPort) -> str:
    return port.protocol or "TCP"


def _listed(spec: ServiceSpec) -> str:
    """Spell the ports of a Service: ``80, 443 (https), 53/UDP (dns)``."""
    kinds = [(port, "" if _protocol(port) == "TCP" else f"/{_protocol(port)}") for port in spec.ports or ()]
    return ", ".join(f"{port.port}{kind}{f' ({port.name})' if port.name else ''}" for port, kind in kinds) or "none"


def _external(wanted: Wanted, spec: ServiceSpec) -> tuple[Endpoints, list[Problem]]:
    """Return the name of an ExternalName with the port; such a Service need not declare ports."""
    name = (spec.external_name or "").removesuffix(".").lower()
    if fault := host_fault(name, allow_loopback=wanted.allow_loopback):
        return wanted.nothing(f"its externalName {show(name)} {fault}")
    declared = find_port(spec, wanted.port, wanted.protocol or "TCP")
    number = (wanted.port and wanted.port.number) or (declared and declared.port) or 0
    if not _is_port(number):
        return wanted.nothing(f"its externalName needs a port number, and port {wanted.port or ''} is none")
    return Endpoints((with_port(name, number),), named=not is_ip(name)), []


def _cluster_ip(wanted: Wanted, spec: ServiceSpec, port: Port) -> tuple[Endpoints, list[Problem]]:
    address = spec.cluster_ip or ""
    fault = ip_fault(address, allow_loopback=wanted.allow_loopback)
    if fault or not _is_port(port.port):
        return wanted.nothing(f"its cluster IP {show(address)} with port {port.port} {fault or 'is not an address'}")
    return Endpoints((with_port(address, port.port),)), []


def _from_slices(wanted: Wanted, port: Port, slices: Collection[EndpointSlice]) -> tuple[Endpoints, list[Problem]]:
    """Return what the slices offer, each address once, and why the rest is not used."""
    present = [found for slice_ in slices for found in _behind(slice_, port)]
    draining = [found for found in present if found.condition is Condition.DRAINING]
    chosen = [found for found in present if found.condition is Condition.READY] or draining
    if not chosen:
        return wanted.nothing(_absence(len(present), wanted.labels), passing=True)
    servers: dict[str, str] = {}
    refused: set[tuple[str, str]] = set()
    for found in chosen:
        if fault := found.fault(allow_loopback=wanted.allow_loopback):
            refused.add((found.address, fault))
        else:
            servers[with_port(found.address, found.port)] = found.pod
    problems = _refused(wanted, sorted(refused))
    if not servers:
        problems += wanted.nothing("none of its addresses can be used")[1]
    leaving = {
        with_port(found.address, found.port): found.pod
        for found in draining
        if not found.fault(allow_loopback=wanted.allow_loopback)
    }
    pods = {server: pod for server, pod in (*leaving.items(), *servers.items()) if pod}
    named = any(found.kind == "FQDN" and not is_ip(found.address) for found in chosen)
    return Endpoints(tuple(sorted(servers)), pods, named, tuple(sorted(leaving.keys() - servers))), problems


class _Behind(msgspec.Struct, frozen=True):
    """An endpoint behind a Service port, with the address and the port number that it has."""

    endpoint: Endpoint
    kind: str
    address: str
    port: int

    @property
    def pod(self) -> str:
        target = self.endpoint.target_ref
        return target.name if target and target.kind == Pod.KIND.name else ""

    @property
    def condition(self) -> Condition:
        if _ready(self.endpoint):
            return Condition.READY
        return Condition.DRAINING if _draining(self.endpoint) else Condition.NOT_READY

    def fault(self, *, allow_loopback: bool) -> str:
        if not _is_port(self.port):
            return f"has the port {self.port}, which is none"
        check = host_fault if self.kind == "FQDN" else ip_fault
        return check(self.address, allow_loopback=allow_loopback)


def _behind(slice_: EndpointSlice, port: Port) -> Iterator[_Behind]:
    """Yield the endpoints of a slice at *port*; the first address stands for an endpoint (Kubernetes API)."""
    number = _number(slice_, port)
    if number is None:
        return
    for endpoint in slice_.endpoints or ():
        if endpoint.addresses:
            yield _Behind(endpoint, slice_.address_type or "", endpoint.addresses[0], number)


def _number(slice_: EndpointSlice, port: Port) -> int | None:
    """Return the number that a Service port has in a slice.

    Ports belong together by name, and no name is a name too. In a slice that was written by hand the
    names may differ: then the target port's number decides. A target port with a name has its number
    in the slice, perhaps another one in each.
    """
    ports = [found for found in slice_.ports or () if _protocol(found) == _protocol(port)]
    target = port.target_port or port.port
    for found in ports:
        if (found.name or "") == (port.name or ""):
            return found.port or (target if isinstance(target, int) else None)
    return next((found.port for found in ports if found.port == target), None)


def _ready(endpoint: Endpoint) -> bool:
    """Whether new requests may go there; an absent condition counts as ready (Kubernetes API)."""
    return endpoint.conditions is None or endpoint.conditions.ready is not False


def _draining(endpoint: Endpoint) -> bool:
    """Whether it terminates and still serves."""
    state = endpoint.conditions
    return bool(state and state.terminating and state.serving)


def _absence(present: int, labels: Mapping[str, str]) -> str:
    with_labels = f" with the labels {','.join(f'{key}={value}' for key, value in sorted(labels.items()))}"
    which = with_labels if labels else ""
    if not present:
        return f"no EndpointSlice has an address of a Pod{which} for this port" if labels else NO_ADDRESS
    return (
        f"none of its {present} endpoints{which} is ready" if present > 1 else f"its only endpoint{which} is not ready"
    )


def _refused(wanted: Wanted, refused: list[tuple[str, str]]) -> list[Problem]:
    """Say which addresses are not used: a few by name, the rest by number."""
    problems = [
        wanted.problem(f"of service {wanted.service} {fault}", SKIPPED, address) for address, fault in refused[:SHOWN]
    ]
    if len(refused) > SHOWN:
        rest = f"{len(refused) - SHOWN} more addresses of service {wanted.service} cannot be used either"
        problems.append(wanted.problem(rest, "they are left out"))
    return problems


def _is_port(number: int) -> bool:
    return 1 <= number <= HIGHEST_PORT
