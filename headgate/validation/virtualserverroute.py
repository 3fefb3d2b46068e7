"""The rules of a VirtualServerRoute; those that also concern its VirtualServer are in ``delegation``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from headgate.api.nginx_org.virtualserver import Route, VirtualServerRoute, VirtualServerRouteSpec
from headgate.problems import Problem, Severity
from headgate.settings import Overrides
from headgate.validation.captures import idle_captures
from headgate.validation.custom_settings import (
    idle_for_grpc,
    idle_routes,
    idle_upstreams,
    route_settings,
)
from headgate.validation.fields import Fault, field_faults, name_faults
from headgate.validation.framing import framing_problems
from headgate.validation.routepath import RoutePath, with_article
from headgate.validation.rules import Rules
from headgate.validation.virtualserver import (
    CAPTURED_NOTHING,
    location_snippets,
    policies_faults,
    routes_faults,
    snippet_faults,
    upstream_faults,
    upstream_overrides,
)

FIELD = "spec.subroutes"


class ValidVirtualServerRoute(msgspec.Struct, frozen=True):
    """A VirtualServerRoute that may be served, if a VirtualServer refers to it.

    Attributes:
        item: the object.
        spec: its spec.
        paths: the path of each subroute.
        upstreams: the settings of each upstream, by name.
        routes: the settings of each subroute.
    """

    item: VirtualServerRoute
    spec: VirtualServerRouteSpec
    paths: tuple[RoutePath, ...] = ()
    upstreams: Mapping[str, Overrides] = {}
    routes: tuple[Overrides, ...] = ()

    @property
    def subroutes(self) -> Sequence[Route]:
        """Its subroutes."""
        return self.spec.subroutes or ()

    @property
    def name(self) -> tuple[str, str]:
        """Its namespace and name."""
        return self.item.metadata.namespace, self.item.metadata.name

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""
        return self.item.metadata.labels or {}


def validate_virtual_server_route(
    item: VirtualServerRoute, rules: Rules
) -> tuple[ValidVirtualServerRoute | None, list[Problem]]:
    """Check *item* whole.

    Returns:
        the VirtualServerRoute ready for arbitration, or ``None`` if a Problem refuses it, and every Problem found.
    """
    spec = item.spec or VirtualServerRouteSpec()
    upstreams, routes = spec.upstreams or (), spec.subroutes or ()
    faults: list[Fault] = [*name_faults(item), *field_faults(spec, "spec"), *upstream_faults(upstreams)]
    faults += [*routes_faults(routes, upstreams, FIELD, delegates=False), *_categories(routes)]
    faults += policies_faults(None, routes, FIELD, item.metadata.namespace)
    allowed = "enable-snippets" in rules.gates
    faults += snippet_faults({}, routes, FIELD) if allowed else ()
    overrides, unfit = upstream_overrides(() if faults else upstreams)
    faults += unfit
    problems = [
        Problem(item.ref, *fault, "the VirtualServerRoute is refused", Severity.ERROR)
        for fault in dict.fromkeys(faults)
    ]
    if problems:
        return None, problems
    unused: list[Fault] = [
        *idle_upstreams(upstreams),
        *idle_routes(routes, FIELD),
        *idle_for_grpc(upstreams, routes, FIELD),
        *(() if allowed else location_snippets(routes, FIELD)),
        *_empty(routes),
    ]
    warnings = [Problem(item.ref, *fault, "it has no effect") for fault in unused]
    warnings += [Problem(item.ref, *fault, CAPTURED_NOTHING) for fault in idle_captures(routes, FIELD)]
    warnings += framing_problems(item.ref, routes, FIELD)
    return ValidVirtualServerRoute(
        item,
        spec,
        tuple(RoutePath.of(route.path) for route in routes),
        overrides,
        tuple(route_settings(route, f"{FIELD}[{i}]", snippets=allowed) for i, route in enumerate(routes)),
    ), warnings


def _categories(routes: Sequence[Route]) -> Iterator[Fault]:
    """Yield the first path that matches in another way than the one of the first subroute."""
    paths = [RoutePath.of(route.path) for route in routes]
    for index, path in enumerate(paths):
        if path.category != paths[0].category:
            reason = (
                f"is {with_article(path.category)}, and {FIELD}[0].path is {with_article(paths[0].category)}; all paths"
                " of a VirtualServerRoute must match in the same way, so write another VirtualServerRoute for this one"
            )
            yield f"{FIELD}[{index}].path", routes[index].path, reason
            return


def _empty(routes: Sequence[Route]) -> Iterator[Fault]:
    if not routes:
        yield FIELD, "", "is empty, so that no request reaches this VirtualServerRoute"
