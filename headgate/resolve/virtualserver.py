"""A VirtualServer and its VirtualServerRoutes become a RouteTable, with the endpoints and Secrets that they name."""

from __future__ import annotations

from headgate.configuration import Resource
from headgate.resolve.custom_host import CustomHost
from headgate.resolve.custom_listeners import custom_listeners, warn_of_redirect
from headgate.resolve.delegated import Delegated
from headgate.resolve.lowered import Lowered
from headgate.resolve.members import Roster
from headgate.resolve.search import Search
from headgate.resolve.secrets import LocalSecretStore
from headgate.resolve.snapshot import Snapshot
from headgate.resolve.unserved_routes import lower_unserved
from headgate.routes import Layer, RoutesByMember, RouteTable, VirtualHost
from headgate.validation.virtualserver import ValidVirtualServer


def lower_virtual_server(
    resource: Resource, snapshot: Snapshot, secrets: LocalSecretStore, *, allow_loopback: bool = False
) -> Lowered:
    """Lower *resource*, a VirtualServer with its VirtualServerRoutes, to routes; arguments as for an Ingress."""
    search = Search(snapshot, secrets, allow_loopback=allow_loopback)
    valid: ValidVirtualServer = resource.candidate.valid
    server = CustomHost(search, valid, Layer(resource.ref, valid.overrides))
    routes, roster = tuple(server.routes()), _members(search, resource, snapshot, server)
    own = (*routes, *lower_unserved(search, resource, server, roster))
    listeners, tls = custom_listeners(search, resource.ref, valid.spec), server.tls()
    if tls:
        warn_of_redirect(search, resource.ref, valid.spec, listeners or ())
    host = VirtualHost(
        name=valid.spec.host,
        policies=server.policies,
        origin=resource.ref,
        settings=(server.layer,),
        handed_down=(server.layer,),
        routes=RoutesByMember(own, roster.routes) if roster.routes else own,
        tls=tls,
        listeners=listeners or (),
        only_there=listeners is not None,
        gunzip=bool(valid.spec.gunzip),
        http_snippet=valid.http_snippet,
        shared=bool(valid.delegations),
    )
    return search.lowered(RouteTable(origin=resource.ref, members=roster.refs, hosts=(host,)), roster)


def _members(search: Search, resource: Resource, snapshot: Snapshot, host: CustomHost) -> Roster:
    """Lower the VirtualServerRoutes of *resource*."""
    delegations = host.valid.delegations
    roster = snapshot.members.take(resource.candidate, host.policies)
    if roster is None:
        own = (delegations.paths[index].location for index in delegations.own)
        roster = Roster(resource.candidate, host.policies, own if delegations else (), delegations.delegated)
    if not delegations:
        return roster
    Delegated(host, roster, snapshot.changed).lower(search, resource)
    if roster.members:
        snapshot.members.keep(roster)
    return roster
