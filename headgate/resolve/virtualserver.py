"""A VirtualServer and its VirtualServerRoutes become a RouteTable, with the endpoints and Secrets that they name."""

from __future__ import annotations

from itertools import chain
from operator import attrgetter

from headgate.configuration import Resource
from headgate.resolve.custom_host import CustomHost
from headgate.resolve.custom_listeners import custom_listeners, warn_of_redirect
from headgate.resolve.delegated import Delegated
from headgate.resolve.lowered import Lowered
from headgate.resolve.members import Member, Roster
from headgate.resolve.search import Search
from headgate.resolve.secrets import LocalSecretStore
from headgate.resolve.snapshot import Snapshot
from headgate.resolve.unserved_routes import lower_unserved
from headgate.routes import Layer, MemberRoutes, RouteTable, VirtualHost
from headgate.validation.virtualserver import ValidVirtualServer

_GROUP, _REF, _ROUTES = attrgetter("group"), attrgetter("ref"), attrgetter("routes")


def lower_virtual_server(
    resource: Resource, snapshot: Snapshot, secrets: LocalSecretStore, *, allow_loopback: bool = False
) -> Lowered:
    """Lower *resource*, a VirtualServer with its VirtualServerRoutes, to routes; arguments as for an Ingress."""
    search = Search(snapshot, secrets, allow_loopback=allow_loopback)
    valid: ValidVirtualServer = resource.candidate.valid
    server = CustomHost(search, valid, Layer(resource.ref, valid.overrides))
    own, (roster, members) = tuple(server.routes()), _members(search, resource, snapshot, server)
    unserved = lower_unserved(search, resource, server, roster)
    by_member = (MemberRoutes(resource.ref, (*own, *unserved)), *map(_GROUP, members))
    listeners, tls = custom_listeners(search, resource.ref, valid.spec), server.tls()
    if tls:
        warn_of_redirect(search, resource.ref, valid.spec, listeners or ())
    host = VirtualHost(
        name=valid.spec.host,
        policies=server.policies,
        origin=resource.ref,
        settings=(server.layer,),
        handed_down=(server.layer,),
        routes=tuple(chain.from_iterable(map(_ROUTES, by_member))),
        tls=tls,
        listeners=listeners or (),
        only_there=listeners is not None,
        gunzip=bool(valid.spec.gunzip),
        http_snippet=valid.http_snippet,
        shared=bool(valid.delegations),
    )
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
