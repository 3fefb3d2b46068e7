"""A VirtualServer and its VirtualServerRoutes become a RouteTable, with the endpoints and Secrets that they name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from headgate.api.nginx_org import VirtualServerRoute
from headgate.configuration import Resource
from headgate.problems import ObjectRef, Problem
from headgate.resolve.custom_host import CustomHost
from headgate.resolve.custom_listeners import custom_listeners
from headgate.resolve.delegated import Delegated, in_order
from headgate.resolve.lowered import Lowered
from headgate.resolve.members import Member
from headgate.resolve.search import Search
from headgate.resolve.secrets import LocalSecretStore
from headgate.resolve.snapshot import Snapshot
from headgate.routes import Layer, RouteTable, VirtualHost
from headgate.validation.delegation import qualified
from headgate.validation.virtualserver import ValidVirtualServer

WITHOUT = "this route has no location: its requests go to other routes, or get 404"


def lower_virtual_server(
    resource: Resource, snapshot: Snapshot, secrets: LocalSecretStore, *, allow_loopback: bool = False
) -> Lowered:
    """Lower *resource*, a VirtualServer with its VirtualServerRoutes, to routes; arguments as for an Ingress."""
    search = Search(snapshot, secrets, allow_loopback=allow_loopback)
    valid: ValidVirtualServer = resource.candidate.valid
    server = CustomHost(search, valid, Layer(resource.ref, valid.overrides))
    own, members = tuple(server.routes()), _members(search, resource, snapshot, server)
    listeners = custom_listeners(search, resource.ref, valid.spec)
    host = VirtualHost(
        name=valid.spec.host,
        policies=server.policies,
        origin=resource.ref,
        settings=(server.layer,),
        handed_down=(server.layer,),
        routes=(*own, *(route for member in members for route in member.routes)),
        tls=server.tls(),
        listeners=listeners or (),
        only_there=listeners is not None,
        gunzip=bool(valid.spec.gunzip),
        http_snippet=valid.http_snippet,
        shared=bool(valid.delegations),
    )
    search.report(*_unserved(resource, members))
    refs = (resource.ref, *(member.placed.candidate.ref for member in members))
    return search.lowered(RouteTable(origin=resource.ref, members=refs, hosts=(host,)))


def _members(search: Search, resource: Resource, snapshot: Snapshot, host: CustomHost) -> list[Member]:
    """Lower the VirtualServerRoutes of *resource*."""
    if not resource.attached:
        return []
    valid: ValidVirtualServer = resource.candidate.valid
    known = snapshot.members.take(resource.candidate, host.policies)
    routes = enumerate(valid.spec.routes or ())
    paths = (valid.delegations.paths[index] for index, route in routes if not (route.route or route.route_selector))
    taken = {path.location: str(resource.ref) for path in paths}
    parts = in_order(resource, known, taken, search)
    members = Delegated(resource.ref, host, known, snapshot.changed).lowered(search, parts)
    snapshot.members.keep(resource.candidate, host.policies, members)
    return members


def _unserved(resource: Resource, members: Iterable[Member]) -> Iterator[Problem]:
    """Yield a Problem for each route that refers to VirtualServerRoutes of which no subroute belongs to it."""
    valid: ValidVirtualServer = resource.candidate.valid
    served = {place for member in members for place in member.placed.places}
    there = {member.placed.candidate.ref for member in members}
    for index, route in enumerate(valid.spec.routes or ()):
        if index in served or not (route.route or route.route_selector):
            continue
        field, path = f"spec.routes[{index}]", valid.delegations.paths[index]
        if route.route:
            ref = VirtualServerRoute.KIND.ref(*qualified(route.route, resource.ref.namespace))
            reason = (
                _missing(resource, ref) if ref not in there else f"{ref} has no subroute whose path begins with {path}"
            )
            yield Problem(resource.ref, f"{field}.route", "", reason, WITHOUT)
        else:
            labels = (route.route_selector and route.route_selector.match_labels) or {}
            words = ", ".join(f"{key}={value}" for key, value in sorted(labels.items()))
            reason = (
                f"selects no VirtualServerRoute: none in the watched namespaces has the labels {words}, the host"
                f" {valid.spec.host} and subroutes for {path}"
            )
            yield Problem(resource.ref, f"{field}.routeSelector", "", reason, WITHOUT)


def _missing(resource: Resource, ref: ObjectRef) -> str:
    why = resource.declined.get(ref) or "the watched namespaces have none of this name and class"
    return f"{ref} doesn't exist or invalid: {why}"
