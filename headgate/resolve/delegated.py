"""The VirtualServerRoutes of a VirtualServer become routes of its host, each once until something changes for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from headgate.configuration import Candidate, Resource
from headgate.problems import ObjectRef, Problem
from headgate.resolve.custom_host import CustomHost
from headgate.resolve.custom_routes import Asked, CustomRoutes, Names
from headgate.resolve.members import Member, Placed, Roster
from headgate.resolve.policies.kinds import Referrer, Scope, lower_policies
from headgate.resolve.replaced_policies import replaced, replaced_guards
from headgate.resolve.search import Search
from headgate.routes import Layer, Layers, MemberRoutes, Policies
from headgate.validation.routepath import RoutePath
from headgate.validation.virtualserver import ValidVirtualServer
from headgate.validation.virtualserverroute import FIELD, ValidVirtualServerRoute

OTHERS = "that one answers it"


class Delegated:
    """Lowers the VirtualServerRoutes of a VirtualServer.

    What a *roster* has of one is used again while it would be the same: its object and what the host hands down did not
    change, and it refers to nothing that *changed*.
    """

    def __init__(self, host: CustomHost, roster: Roster, changed: Collection[ObjectRef]) -> None:
        """Lower for *host*."""
        self._host = host
        self._roster = roster
        self._changed = changed

    def lower(self, search: Search, resource: Resource) -> None:
        """Lower what attaches to *resource*, and report to *search* what was found.

        The VirtualServerRoutes are in the order of the routes that refer to them, those of one route by age, in which
        nginx tries regular expressions.
        """
        roster = self._roster
        moved = self._place(resource)
        contested = not roster.locations.distinct
        shares = _arbitrated(resource, roster, search) if contested else {}
        touched = roster.users.touched(self._changed)
        # A location that is contested, or no longer, may be another object's now; Policies of a route may have changed.
        everything = contested or roster.contested or not self._host.uniform
        fresh = []
        for ref in tuple(roster.order) if everything else moved | touched:
            placed, known = roster.placed[ref], roster.members.get(ref)
            kept = shares[ref] if contested else tuple(range(len(placed.locations)))
            member = self._member(search, placed, kept)
            if member is not known:
                roster.set(ref, member)
                fresh.append(ref)
        roster.contested = contested
        roster.update_routes(fresh)
        for member in map(roster.members.__getitem__, roster.order if roster.speaking else ()):
            search.report(*member.problems)
            search.take_files(member.files)

    def _place(self, resource: Resource) -> set[ObjectRef]:
        """Take what attaches to *resource* now; return what is new."""
        roster = self._roster
        _, gone, come = resource.attached.since(roster.attached)
        roster.attached = resource.attached
        before = {each.candidate.ref: roster.placed[each.candidate.ref].first for each in gone}
        now = {each.candidate.ref: each.candidate for each in come}
        for ref in before.keys() - now.keys():
            roster.place(ref, None)
            roster.set(ref, None)
        moved = {ref for ref, found in now.items() if ref not in before or roster.placed[ref].candidate is not found}
        for ref in moved:
            roster.place(ref, _placed(resource, now[ref]))
        if list(before.items()) != [(ref, roster.placed[ref].first) for ref in now]:
            roster.arrange()
        return moved

    def _member(self, search: Search, placed: Placed, kept: tuple[int, ...]) -> Member:
        known, host = self._roster.members.get(placed.candidate.ref), self._host
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
        ref, server = placed.candidate.ref, self._host.layer.origin
        valid: ValidVirtualServerRoute = placed.candidate.valid
        own = f"{ref.namespace}_{ref.name}_"
        names = Names(f"vs_{server.namespace}_{server.name}_vsr_{own}", f"/internal_location_{own}")
        routes = CustomRoutes(search, ref, valid.spec.upstreams or (), valid.upstreams, names)
        found = tuple(
            route
            for index, policies in zip(kept, inherited, strict=True)
            for route in routes.routes(self._asked(search, placed, index, policies))
        )
        return Member(placed, kept, inherited, MemberRoutes(ref, found), *search.found())

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
            pages_of=ref if route.error_pages else host.layer.origin,
            pages_field=f"{FIELD}[{index}].errorPages" if route.error_pages else f"spec.routes[{place}].errorPages",
            policies=self._own_policies(search, placed, index) if inherited is None else inherited,
        )

    def _own_policies(self, search: Search, placed: Placed, index: int) -> Policies:
        valid: ValidVirtualServerRoute = placed.candidate.valid
        route, field = valid.subroutes[index], f"{FIELD}[{index}].policies"
        referrer = Referrer(origin=placed.candidate.ref, field=field, scope=Scope.ROUTE, guarded=f"path {route.path}")
        found = lower_policies(search, referrer, route.policies).over(self._host.policies)
        server, place = self._host.layer.origin, placed.places[index]
        parent = (self._host.valid.spec.routes or ())[place]
        missing = replaced_guards(search, parent, server, place, found)
        search.report(*replaced(referrer, route.path, missing, f"spec.routes[{place}] of {server}"))
        return found


def _arbitrated(resource: Resource, roster: Roster, search: Search) -> Mapping[ObjectRef, tuple[int, ...]]:
    """Return the indexes of the subroutes that each VirtualServerRoute holds.

    Of two subroutes with the same path the older one holds it; routes of the VirtualServer itself take precedence.
    """
    delegations = resource.candidate.valid.delegations
    taken = {delegations.paths[index].location: str(resource.ref) for index in delegations.own}
    refs = (attached.candidate.ref for attached in resource.attached)
    return {ref: _take(search, roster.placed[ref], taken) for ref in refs}


def _placed(resource: Resource, candidate: Candidate) -> Placed:
    valid: ValidVirtualServer = resource.candidate.valid
    route: ValidVirtualServerRoute = candidate.valid
    places = valid.delegations.placed(route.name, route.labels, route.paths)
    assert not isinstance(places, str)  # noqa: S101 - else it would not attach
    ref, created = candidate.ref, candidate.item.metadata.creation_timestamp
    named = f"{ref}, created {created}" if created else str(ref)
    first = min(places, default=len(valid.delegations.paths))
    own = zip(places, route.subroutes, strict=True)
    inheriting = tuple(None if subroute.policies else place for place, subroute in own)
    locations = tuple(path.location for path in route.paths)
    return Placed(candidate, places, locations, inheriting, named, first)


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
