"""A VirtualServer and its VirtualServerRoutes become a RouteTable, with the endpoints and Secrets that they name."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from operator import attrgetter

from headgate.api.nginx_org import VirtualServerRoute
from headgate.configuration import Resource
from headgate.problems import ObjectRef, Problem
from headgate.resolve.custom_host import CustomHost
from headgate.resolve.custom_listeners import custom_listeners
from headgate.resolve.delegated import Delegated
from headgate.resolve.lowered import Lowered
from headgate.resolve.members import Member, Roster
from headgate.resolve.search import Search
from headgate.resolve.secrets import LocalSecretStore
from headgate.resolve.snapshot import Snapshot
from headgate.routes import Layer, MemberRoutes, RouteTable, VirtualHost
from headgate.validation.delegation import qualified
from headgate.validation.virtualserver import ValidVirtualServer

_GROUP, _REF, _ROUTES = attrgetter("group"), attrgetter("ref"), attrgetter("routes")
WITHOUT = "this route has no location: its requests go to other routes, or get 404"


def lower_virtual_server(
    resource: Resource, snapshot: Snapshot, secrets: LocalSecretStore, *, allow_loopback: bool = False
) -> Lowered:
    """Lower *resource*, a VirtualServer with its VirtualServerRoutes, to routes; arguments as for an Ingress."""
    search = Search(snapshot, secrets, allow_loopback=allow_loopback)
    valid: ValidVirtualServer = resource.candidate.valid
    server = CustomHost(search, valid, Layer(resource.ref, valid.overrides))
    own, (roster, members) = tuple(server.routes()), _members(search, resource, snapshot, server)
    by_member = (MemberRoutes(resource.ref, own), *map(_GROUP, members))
    listeners = custom_listeners(search, resource.ref, valid.spec)
    host = VirtualHost(
        name=valid.spec.host,
        policies=server.policies,
        origin=resource.ref,
        settings=(server.layer,),
        handed_down=(server.layer,),
        routes=tuple(chain.from_iterable(map(_ROUTES, by_member))),
        tls=server.tls(),
        listeners=listeners or (),
        only_there=listeners is not None,
        gunzip=bool(valid.spec.gunzip),
        http_snippet=valid.http_snippet,
        shared=bool(valid.delegations),
    )
    search.report(*_unserved(resource, roster))
    refs = tuple(map(_REF, by_member))
    return search.lowered(RouteTable(origin=resource.ref, members=refs, hosts=(host,), by_member=by_member))


def _members(
    search: Search, resource: Resource, snapshot: Snapshot, host: CustomHost
) -> tuple[Roster, tuple[Member, ...]]:
    """Lower the VirtualServerRoutes of *resource*."""
    delegations = host.valid.delegations
    roster = snapshot.members.take(resource.candidate, host.policies)
    if roster is None:
        own = (delegations.paths[index].location for index in delegations.own)
        roster = Roster(resource.candidate, host.policies, own if delegations else ())
    if not delegations:
        return roster, ()
    members = Delegated(host, roster, snapshot.changed).lowered(search, resource)
    if members:
        snapshot.members.keep(roster)
    return roster, members


def _unserved(resource: Resource, roster: Roster) -> Iterator[Problem]:
    """Yield a Problem for each route that refers to VirtualServerRoutes of which no subroute belongs to it."""
    valid: ValidVirtualServer = resource.candidate.valid
    for index in sorted(valid.delegations.delegated - roster.places.keys):
        route = (valid.spec.routes or ())[index]
        field, path = f"spec.routes[{index}]", valid.delegations.paths[index]
        if route.route:
            ref = VirtualServerRoute.KIND.ref(*qualified(route.route, resource.ref.namespace))
            reason = (
                _missing(resource, ref)
                if ref not in roster.members
                else f"{ref} has no subroute whose path begins with {path}"
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
