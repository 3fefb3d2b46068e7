"""The VirtualServerRoutes of a VirtualServer become routes of its host, each once until something changes for it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from headgate.configuration import Attached, Resource
from headgate.problems import ObjectRef, Problem
from headgate.resolve.custom_host import CustomHost
from headgate.resolve.custom_routes import Asked, CustomRoutes, Names
from headgate.resolve.members import Member, Placed
from headgate.resolve.policies.kinds import Referrer, Scope, lower_policies
from headgate.resolve.search import Search
from headgate.routes import Layer, Layers, Policies
from headgate.validation.routepath import RoutePath
from headgate.validation.virtualserver import ValidVirtualServer
from headgate.validation.virtualserverroute import FIELD, ValidVirtualServerRoute

OTHERS = "that one answers it"


class Delegated:
    """Lowers VirtualServerRoutes for *host*, which belongs to *server*.

    What is *known* of one is used again while it would be the same: its object and what the host hands down did not
    change, and it refers to nothing that *changed*.
    """

    def __init__(
        self, server: ObjectRef, host: CustomHost, known: Mapping[ObjectRef, Member], changed: Collection[ObjectRef]
    ) -> None:
        """Lower for *host* of *server*."""
        self._server = server
        self._host = host
        self._known = known
        self._changed = changed

    def lowered(self, search: Search, parts: Iterable[tuple[Placed, tuple[int, ...]]]) -> list[Member]:
        """Lower *parts*, objects with the routes of each that are kept, and report to *search* what was found."""
        members = [self._member(search, placed, kept) for placed, kept in parts]
        search.take_references([member.references for member in members])
        for member in members:
            if member.problems or member.files:
                search.take(member.problems, member.files)
        return members

    def _member(self, search: Search, placed: Placed, kept: tuple[int, ...]) -> Member:
        known, host = self._known.get(placed.candidate.ref), self._host
        if (
            known is not None
            and known.placed is placed
            and known.kept == kept
            and known.references.isdisjoint(self._changed)
            and (host.uniform or known.inherited == self._inherited(placed, kept))
        ):
            return known
        return self._lower(search.apart(), placed, kept, self._inherited(placed, kept))

    def _inherited(self, placed: Placed, kept: tuple[int, ...]) -> tuple[Policies | None, ...]:
        """Return the Policies that routes without their own inherit."""
        places = (placed.inheriting[index] for index in kept)
        return tuple([None if place is None else self._host.route_policies(place) for place in places])

    def _lower(
        self, search: Search, placed: Placed, kept: tuple[int, ...], inherited: tuple[Policies | None, ...]
    ) -> Member:
        ref, server = placed.candidate.ref, self._server
        valid: ValidVirtualServerRoute = placed.candidate.valid
        own = f"{ref.namespace}_{ref.name}_"
        names = Names(f"vs_{server.namespace}_{server.name}_vsr_{own}", f"/internal_location_{own}")
        routes = CustomRoutes(search, ref, valid.spec.upstreams or (), valid.upstreams, names)
        found = tuple(
            route
            for index, policies in zip(kept, inherited, strict=True)
            for route in routes.routes(self._asked(search, placed, index, policies))
        )
        return Member(placed, kept, inherited, found, *search.found())

    def _asked(self, search: Search, placed: Placed, index: int, inherited: Policies | None) -> Asked:
        """Return a subroute with what it inherits from the route of the VirtualServer that it belongs to.

        location-snippets, add-header-inherit and error pages are inherited; its own replace them.
        """
        valid: ValidVirtualServerRoute = placed.candidate.valid
        ref, host, place = placed.candidate.ref, self._host, placed.places[index]
        route, parent, settings = (
            valid.subroutes[index],
            (host.valid.spec.routes or ())[place],
            host.valid.routes[place],
        )
        below: Layers = (host.layer, *([Layer(host.layer.origin, settings)] if settings else []))
        return Asked(
            route=route,
            field=f"{FIELD}[{index}]",
            path=valid.paths[index],
            below=below,
            above=(Layer(ref, valid.routes[index]),),
            error_pages=route.error_pages or parent.error_pages or (),
            pages_of=ref if route.error_pages else self._server,
            pages_field=f"{FIELD}[{index}].errorPages" if route.error_pages else f"spec.routes[{place}].errorPages",
            policies=self._own_policies(search, placed, index) if inherited is None else inherited,
        )

    def _own_policies(self, search: Search, placed: Placed, index: int) -> Policies:
        valid: ValidVirtualServerRoute = placed.candidate.valid
        route, field = valid.subroutes[index], f"{FIELD}[{index}].policies"
        referrer = Referrer(origin=placed.candidate.ref, field=field, scope=Scope.ROUTE, guarded=f"path {route.path}")
        return lower_policies(search, referrer, route.policies).over(self._host.policies)


def in_order(
    resource: Resource, known: Mapping[ObjectRef, Member], taken: dict[RoutePath, str], search: Search
) -> list[tuple[Placed, tuple[int, ...]]]:
    """Return the VirtualServerRoutes in the order of the routes that refer to them, those of one route by age.

    nginx tries regular expressions in this order. Of two subroutes with the same path the older one holds it; routes of
    the VirtualServer itself, whose locations are *taken*, take precedence.

    Returns:
        each with the indexes of the subroutes that it holds.
    """
    parts = []
    for attached in resource.attached:
        member = known.get(attached.candidate.ref)
        if member is not None and member.placed.candidate is attached.candidate:
            placed = member.placed
        else:
            placed = _placed(resource, attached)
        parts.append((placed, _take(search, placed, taken)))
    return sorted(parts, key=lambda part: part[0].first)


def _placed(resource: Resource, attached: Attached) -> Placed:
    valid: ValidVirtualServer = resource.candidate.valid
    route: ValidVirtualServerRoute = attached.candidate.valid
    places = valid.delegations.placed(route.name, route.labels, route.paths)
    assert not isinstance(places, str)  # noqa: S101 - else it would not attach
    ref, created = attached.candidate.ref, attached.candidate.item.metadata.creation_timestamp
    named = f"{ref}, created {created}" if created else str(ref)
    first = min(places, default=len(valid.delegations.paths))
    own = zip(places, route.subroutes, strict=True)
    inheriting = tuple(None if subroute.policies else place for place, subroute in own)
    locations = tuple(path.location for path in route.paths)
    return Placed(attached.candidate, places, locations, inheriting, named, first)


def _take(search: Search, placed: Placed, taken: dict[RoutePath, str]) -> tuple[int, ...]:
    """Return the indexes of the paths that *placed* keeps, and report those that are *taken*."""
    kept = []
    for index, location in enumerate(placed.locations):
        holder = taken.setdefault(location, placed.named)
        if holder == placed.named:
            kept.append(index)
        else:
            reason = f"is taken by another resource: {holder}; use another path"
            path = placed.candidate.valid.paths[index]
            search.report(Problem(placed.candidate.ref, f"{FIELD}[{index}].path", str(path), reason, OTHERS))
    return tuple(kept)
