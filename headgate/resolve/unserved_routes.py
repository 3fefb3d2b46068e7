"""Routes of a VirtualServer whose VirtualServerRoutes cannot be used: what is reported, and what is served."""

from __future__ import annotations

from collections.abc import Iterator

from headgate.api.nginx_org import VirtualServerRoute
from headgate.configuration import Resource
from headgate.problems import ObjectRef, Problem
from headgate.resolve.custom_host import CustomHost
from headgate.resolve.members import Roster
from headgate.resolve.search import Search
from headgate.routes import Answer, Match, PathType, Policies, Route
from headgate.validation.delegation import qualified
from headgate.validation.virtualserver import ValidVirtualServer

MISSING = Answer(404, "", "text/plain")
OPEN = "this route has no location: its requests go to other routes, or get 404"
COVERED = "this route has no location: its requests go to spec.routes[{index}] ({path}), or another that matches"
ELSEWHERE = "the VirtualServerRoute that has this path answers its requests"
WITHOUT_POLICIES = ", without the Policies of this route"
CLOSED = "requests to path {path} are answered 500, as the Policies of this route keep clients out"
UNUSABLE = "requests to path {path} are answered 500, as a Policy of this route cannot be used"


def lower_unserved(search: Search, resource: Resource, host: CustomHost, roster: Roster) -> Iterator[Route]:
    """Report each route of *host* that no subroute belongs to; yield those that refuse all requests.

    If a route has Policies that keep clients out, its requests must not reach another route, which may have none. They
    do if another object has the same path: that one was asked to answer it (decision 0026).
    """
    valid: ValidVirtualServer = resource.candidate.valid
    for index in sorted(roster.unserved):
        path, own = valid.delegations.paths[index], host.own_policies(index)
        field, reason = _fault(resource, roster, index)
        elsewhere = path.location in roster.locations
        closed = (own.keeps_out or bool(own.refused)) and not elsewhere
        words = UNUSABLE if own.refused else CLOSED
        effect = words.format(path=path) if closed else _effect(valid, index, elsewhere=elsewhere)
        search.report(Problem(resource.ref, f"spec.routes[{index}].{field}", "", reason, effect))
        if closed:
            policies = Policies(refused=own.refused or f"{reason}, and the Policies of the route keep clients out")
            yield Route(
                match=Match(path.path, PathType.NGINX, None, path.modifier),
                action=MISSING,
                origin=resource.ref,
                settings=(host.layer,),
                policies=policies.over(host.policies),
                field=f"spec.routes[{index}]",
            )


def _effect(valid: ValidVirtualServer, index: int, *, elsewhere: bool) -> str:
    """Return which route answers the requests of the route *index*, as far as its path tells, and without what."""
    delegations, path = valid.delegations, valid.delegations.paths[index]
    above = [
        other
        for other in delegations.own
        if delegations.paths[other].is_prefix and path.path.startswith(delegations.paths[other].path)
    ]
    effect = ELSEWHERE if elsewhere else OPEN
    if above and not path.is_regex and not elsewhere:
        longest = max(above, key=lambda other: len(delegations.paths[other].path))
        effect = COVERED.format(index=longest, path=delegations.paths[longest])
    return effect + (WITHOUT_POLICIES if (valid.spec.routes or ())[index].policies else "")


def _fault(resource: Resource, roster: Roster, index: int) -> tuple[str, str]:
    """Return the field by which the route *index* refers to VirtualServerRoutes, and why none can be used."""
    valid: ValidVirtualServer = resource.candidate.valid
    route, path = (valid.spec.routes or ())[index], valid.delegations.paths[index]
    if route.route:
        ref = VirtualServerRoute.KIND.ref(*qualified(route.route, resource.ref.namespace))
        if ref in roster.members:
            return "route", f"{ref} has no subroute whose path begins with {path}"
        return "route", _missing(resource, ref)
    labels = (route.route_selector and route.route_selector.match_labels) or {}
    words = ", ".join(f"{key}={value}" for key, value in sorted(labels.items()))
    return "routeSelector", (
        f"selects no VirtualServerRoute: none in the watched namespaces has the labels {words}, the host"
        f" {valid.spec.host} and subroutes for {path}"
    )


def _missing(resource: Resource, ref: ObjectRef) -> str:
    elsewhere = "; for one of another namespace write namespace/name" if ref.namespace == resource.ref.namespace else ""
    why = resource.declined.get(ref) or f"the watched namespaces have none of this name and class{elsewhere}"
    return f"{ref} doesn't exist or invalid: {why}"
