"""A VirtualServer and its VirtualServerRoutes become a RouteTable, with the endpoints and Secrets that they name."""

from __future__ import annotations

from collections.abc import Iterator

from headgate.api.nginx_org import VirtualServerRoute
from headgate.configuration import Attached, Resource
from headgate.problems import ObjectRef, Problem
from headgate.resolve.contents import SecretKind
from headgate.resolve.custom_listeners import custom_listeners
from headgate.resolve.custom_routes import Asked, CustomRoutes, Names
from headgate.resolve.ingress import UNENCRYPTED
from headgate.resolve.lowered import Lowered
from headgate.resolve.policies.kinds import Referrer, Scope, lower_policies
from headgate.resolve.search import Search
from headgate.resolve.secrets import LocalSecretStore
from headgate.resolve.snapshot import Snapshot
from headgate.routes import Layer, Layers, Policies, Route, RouteTable, Tls, VirtualHost
from headgate.validation.delegation import qualified
from headgate.validation.routepath import RoutePath
from headgate.validation.virtualserver import ValidVirtualServer
from headgate.validation.virtualserverroute import FIELD, ValidVirtualServerRoute

WITHOUT = "this route has no location: its requests go to other routes, or get 404"
OTHERS = "that one answers it"


def lower_virtual_server(
    resource: Resource, snapshot: Snapshot, secrets: LocalSecretStore, *, allow_loopback: bool = False
) -> Lowered:
    """Lower *resource*, a VirtualServer with its VirtualServerRoutes, to routes; arguments as for an Ingress."""
    search = Search(snapshot, secrets, allow_loopback=allow_loopback)
    valid: ValidVirtualServer = resource.candidate.valid
    server = _Server(search, valid, Layer(resource.ref, valid.overrides))
    delegated = _delegated(search, resource)
    listeners = custom_listeners(search, resource.ref, valid.spec)
    host = VirtualHost(
        name=valid.spec.host,
        policies=server.policies,
        origin=resource.ref,
        settings=(server.layer,),
        handed_down=(server.layer,),
        routes=(*server.routes(), *(route for part in delegated for route in part.routes(server))),
        tls=server.tls(),
        listeners=listeners or (),
        only_there=listeners is not None,
        gunzip=bool(valid.spec.gunzip),
        http_snippet=valid.http_snippet,
        shared=bool(valid.delegations),
    )
    search.report(*_unserved(resource, delegated))
    members = (resource.ref, *(part.ref for part in delegated))
    return search.lowered(RouteTable(origin=resource.ref, members=members, hosts=(host,)))


class _Server:
    """The host of a VirtualServer, and its own routes."""

    def __init__(self, search: Search, valid: ValidVirtualServer, layer: Layer) -> None:
        self.layer = layer
        self.valid = valid
        self._search = search
        ref = layer.origin
        names = Names(f"vs_{ref.namespace}_{ref.name}_", "/internal_location_")
        self._routes = CustomRoutes(search, ref, valid.spec.upstreams or (), valid.upstreams, names)
        tls = valid.spec.tls is not None
        guarded = f"all of {valid.spec.host}"
        referrer = Referrer(origin=ref, field="spec.policies", scope=Scope.HOST, guarded=guarded, tls=tls)
        self.policies = lower_policies(search, referrer, valid.spec.policies)
        """Those of the host."""
        self._route_policies: dict[int, Policies] = {}

    def route_policies(self, index: int) -> Policies:
        """Return the Policies of the route *index*, which also apply to subroutes that have none of their own."""
        if index not in self._route_policies:
            self._route_policies[index] = self._lower_policies(index)
        return self._route_policies[index]

    def _lower_policies(self, index: int) -> Policies:
        route = (self.valid.spec.routes or ())[index]
        field = f"spec.routes[{index}].policies"
        referrer = Referrer(origin=self.layer.origin, field=field, scope=Scope.ROUTE, guarded=f"path {route.path}")
        return lower_policies(self._search, referrer, route.policies).over(self.policies)

    def tls(self) -> Tls | None:
        """Return the TLS of the host."""
        tls = self.valid.spec.tls
        if tls is None:
            return None
        effect = UNENCRYPTED.format(hosts=self.valid.spec.host)
        if tls.secret:
            found = self._search.secret(self.layer.origin, "spec.tls.secret", tls.secret, SecretKind.TLS, effect)
            return Tls(found, tls.secret)
        wildcard = self._search.wildcard
        if wildcard is None:
            return None  # as the incumbent: plain HTTP only
        self._search.need_wildcard(self.layer.origin, "spec.tls.secret", effect)
        return Tls(wildcard)

    def routes(self) -> Iterator[Route]:
        """Yield the routes in their order, each followed by the internal ones to which it leads."""
        for index, route in enumerate(self.valid.spec.routes or ()):
            if route.route or route.route_selector:
                continue
            overrides = self.valid.routes[index]
            asked = Asked(
                route=route,
                field=f"spec.routes[{index}]",
                path=self.valid.delegations.paths[index],
                below=(self.layer,),
                above=(Layer(self.layer.origin, overrides),) if overrides else (),
                error_pages=route.error_pages or (),
                policies=self.route_policies(index),
            )
            yield from self._routes.routes(asked)


class _Part:
    """The routes of one VirtualServerRoute; ``places`` are the routes of the VirtualServer that they belong to.

    ``kept`` are the indexes of the subroutes whose path no older object has.
    """

    def __init__(self, search: Search, attached: Attached, server: ObjectRef, places: tuple[int, ...]) -> None:
        self.ref = attached.candidate.ref
        self.valid: ValidVirtualServerRoute = attached.candidate.valid
        self._search = search
        self.created = attached.candidate.item.metadata.creation_timestamp
        self.places = places
        self.kept: list[int] = []
        own = f"{self.ref.namespace}_{self.ref.name}_"
        names = Names(f"vs_{server.namespace}_{server.name}_vsr_{own}", f"/internal_location_{own}")
        self._routes = CustomRoutes(search, self.ref, self.valid.spec.upstreams or (), self.valid.upstreams, names)

    def routes(self, server: _Server) -> Iterator[Route]:
        """Yield the subroutes that are kept, each followed by the internal ones to which it leads."""
        for index in self.kept:
            yield from self._routes.routes(self._asked(server, index))

    def _asked(self, server: _Server, index: int) -> Asked:
        """Return a subroute with what it inherits from the route of the VirtualServer that it belongs to.

        location-snippets, add-header-inherit and error pages are inherited; its own replace them.
        """
        route, place = self.valid.subroutes[index], self.places[index]
        parent, inherited = (server.valid.spec.routes or ())[place], server.valid.routes[place]
        below: Layers = (server.layer, *([Layer(server.layer.origin, inherited)] if inherited else []))
        return Asked(
            route=route,
            field=f"{FIELD}[{index}]",
            path=self.valid.paths[index],
            below=below,
            above=(Layer(self.ref, self.valid.routes[index]),),
            error_pages=route.error_pages or parent.error_pages or (),
            policies=self._policies(server, index),
        )

    def _policies(self, server: _Server, index: int) -> Policies:
        """Return the Policies of a subroute, or if it has none, those of the route that it belongs to."""
        route = self.valid.subroutes[index]
        if not route.policies:
            return server.route_policies(self.places[index])
        field = f"{FIELD}[{index}].policies"
        referrer = Referrer(origin=self.ref, field=field, scope=Scope.ROUTE, guarded=f"path {route.path}")
        return lower_policies(self._search, referrer, route.policies).over(server.policies)


# --- VirtualServerRoutes ------------------------------------------------------------------------------


def _delegated(search: Search, resource: Resource) -> list[_Part]:
    """Return the VirtualServerRoutes in the order of the routes that refer to them, those of one route by age.

    nginx tries regular expressions in this order. Of two subroutes with the same path the older one holds it; routes of
    the VirtualServer itself take precedence.
    """
    valid: ValidVirtualServer = resource.candidate.valid
    own = enumerate(valid.spec.routes or ())
    paths = (valid.delegations.paths[index] for index, route in own if not (route.route or route.route_selector))
    taken = {path.location: str(resource.ref) for path in paths}
    parts: list[_Part] = []
    for attached in resource.attached:
        route: ValidVirtualServerRoute = attached.candidate.valid
        places = valid.delegations.placed(route.name, route.labels, route.paths)
        assert not isinstance(places, str)  # noqa: S101 - else it would not attach
        part = _Part(search, attached, resource.ref, places)
        _take(search, part, taken)
        parts.append(part)
    return sorted(parts, key=lambda part: min(part.places, default=len(valid.delegations.paths)))


def _take(search: Search, part: _Part, taken: dict[RoutePath, str]) -> None:
    """Record the paths that *part* keeps, and report those that are *taken*."""
    named = f"{part.ref}, created {part.created}" if part.created else str(part.ref)
    for index, path in enumerate(part.valid.paths):
        holder = taken.setdefault(path.location, named)
        if holder == named:
            part.kept.append(index)
        else:
            reason = f"is taken by another resource: {holder}; use another path"
            search.report(Problem(part.ref, f"{FIELD}[{index}].path", str(path), reason, OTHERS))


def _unserved(resource: Resource, delegated: list[_Part]) -> Iterator[Problem]:
    """Yield a Problem for each route that refers to VirtualServerRoutes of which no subroute belongs to it."""
    valid: ValidVirtualServer = resource.candidate.valid
    served = {place for part in delegated for place in part.places}
    there = {part.ref for part in delegated}
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
