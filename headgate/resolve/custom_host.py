"""The host of a VirtualServer: its Policies, its TLS and its own routes."""

from __future__ import annotations

from collections.abc import Iterator

from headgate.resolve.contents import SecretKind
from headgate.resolve.custom_routes import Asked, CustomRoutes, Names
from headgate.resolve.ingress import UNENCRYPTED
from headgate.resolve.policies.kinds import Referrer, Scope, lower_policies
from headgate.resolve.search import Search
from headgate.routes import Layer, Policies, Route, Tls
from headgate.validation.virtualserver import ValidVirtualServer


class CustomHost:
    """The host of a VirtualServer, and its own routes."""

    def __init__(self, search: Search, valid: ValidVirtualServer, layer: Layer) -> None:
        """Lower the host of *valid*, whose settings are *layer*."""
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
        self.uniform = valid.delegations.uniform
        """Whether its Policies are those of all its routes."""
        self._route_policies: dict[int, Policies] = {}
        self._own_policies: dict[int, Policies] = {}

    def route_policies(self, index: int) -> Policies:
        """Return the Policies of the route *index*, which also apply to subroutes that have none of their own."""
        if not (self.valid.spec.routes or ())[index].policies:
            return self.policies
        if index not in self._route_policies:
            self._route_policies[index] = self.own_policies(index).over(self.policies)
        return self._route_policies[index]

    def own_policies(self, index: int) -> Policies:
        """Return those of the route *index* alone, without those of the host."""
        if index not in self._own_policies:
            route = (self.valid.spec.routes or ())[index]
            field = f"spec.routes[{index}].policies"
            referrer = Referrer(origin=self.layer.origin, field=field, scope=Scope.ROUTE, guarded=f"path {route.path}")
            self._own_policies[index] = lower_policies(self._search, referrer, route.policies)
        return self._own_policies[index]

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
        if wildcard is None:  # as the incumbent: plain HTTP only
            redirects = ", without a redirect" if tls.redirect and tls.redirect.enable else ""
            self._search.need_wildcard(self.layer.origin, "spec.tls.secret", f"the host is plain HTTP only{redirects}")
            return None
        self._search.need_wildcard(self.layer.origin, "spec.tls.secret", effect)
        return Tls(wildcard)

    def routes(self) -> Iterator[Route]:
        """Yield the routes in their order, each followed by the internal ones to which it leads."""
        routes = self.valid.spec.routes or ()
        for index in self.valid.delegations.own:
            route, overrides = routes[index], self.valid.routes[index]
            asked = Asked(
                route=route,
                field=f"spec.routes[{index}]",
                path=self.valid.delegations.paths[index],
                below=(self.layer,),
                above=(Layer(self.layer.origin, overrides),) if overrides else (),
                error_pages=route.error_pages or (),
                pages_of=self.layer.origin,
                pages_field=f"spec.routes[{index}].errorPages",
                policies=self.route_policies(index),
            )
            yield from self._routes.routes(asked)
