"""What the objects attached to a resource were lowered to, as long as nothing changes that they depend on."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from headgate.configuration import Attached, Candidate
from headgate.deltas import Rope, Tally
from headgate.ir import File
from headgate.problems import ObjectRef, Problem
from headgate.resolve.references import References
from headgate.routes import MemberRoutes, Policies
from headgate.validation.routepath import RoutePath

FEW = 8
"""Of more objects at once, each is not put in its place by itself."""


class Placed(msgspec.Struct, frozen=True, gc=False):
    """An attached object, and the routes of the holder that its own belong to.

    Attributes:
        candidate: the object.
        places: the index of the holder's route that each of its routes belongs to.
        locations: the location of each of its routes.
        inheriting: for each of its routes the place whose Policies it inherits, ``None`` for one with its own.
        named: the object as it is reported to others.
        first: where its routes stand among those of all attached objects.
    """

    candidate: Candidate
    places: tuple[int, ...]
    locations: tuple[RoutePath, ...]
    inheriting: tuple[int | None, ...]
    named: str
    first: int


class Member(msgspec.Struct, frozen=True, gc=False):
    """What one attached object was lowered to, and from what.

    Attributes:
        placed: where it stands.
        kept: the indexes of its routes that no other object holds.
        inherited: the Policies that each of them inherits from the holder's route, ``None`` for one with its own.
        group: what became of them; ``problems``, ``references`` and ``files`` as in ``Lowered``.
    """

    placed: Placed
    kept: tuple[int, ...]
    inherited: tuple[Policies | None, ...]
    group: MemberRoutes
    problems: tuple[Problem, ...]
    references: frozenset[ObjectRef]
    files: tuple[File, ...]


class Roster:
    """The members of one resource as they were lowered the last time, under one version of the object that holds it.

    What follows from all of them is kept up with each one. If lowering fails, it is half of one version and half of
    another, and must not be used again.
    """

    def __init__(
        self, holder: Candidate, policies: Policies, own: Iterable[RoutePath], delegated: Iterable[int]
    ) -> None:
        """Begin without members of *holder*.

        Its host has *policies* and *own* locations, and refers to members by the *delegated* ones of its routes.
        """
        self.holder = holder
        self.policies = policies
        self.attached: Rope[Attached] = Rope()
        """The objects, the oldest first."""
        self.order: dict[ObjectRef, int] = {}
        """Where each stands in the order of their routes."""
        self.refs: tuple[ObjectRef, ...] = (holder.ref,)
        """The holder and all objects in that order."""
        self.routes: Rope[MemberRoutes] = Rope()
        """The routes of all objects in that order."""
        self.contested = False
        """Whether several objects had a location in common."""
        self.placed: dict[ObjectRef, Placed] = {}
        self.members: dict[ObjectRef, Member] = {}
        self.speaking: set[ObjectRef] = set()
        """The members with problems or files."""
        self.locations: Tally[RoutePath] = Tally()
        """Those of the holder and of all objects."""
        self.places: Tally[int] = Tally()
        """The indexes of the holder's routes that routes of members belong to."""
        self.unserved = set(delegated)
        """Those of the routes that refer to members to which no route of a member belongs."""
        self.users = References()
        """The members, by what they refer to."""
        self._references: tuple[frozenset[ObjectRef], frozenset[ObjectRef], frozenset[ObjectRef]] | None = None
        self._delegated = frozenset(self.unserved)
        self._rearranged = False
        self.locations.replace((), frozenset(own))

    def place(self, ref: ObjectRef, new: Placed | None) -> None:
        """Let *new* be where *ref* stands, ``None`` for nowhere."""
        old = self.placed.pop(ref, None)
        self.locations.replace(old.locations if old else (), new.locations if new else ())
        self.places.replace(old.places if old else (), new.places if new else ())
        concerned = self._delegated.intersection((*(old.places if old else ()), *(new.places if new else ())))
        self.unserved |= concerned
        self.unserved -= {place for place in concerned if place in self.places}
        if new:
            self.placed[ref] = new

    def set(self, ref: ObjectRef, new: Member | None) -> None:
        """Let *new* be what *ref* was lowered to, ``None`` for nothing."""
        self.members.pop(ref, None)
        self.speaking.discard(ref)
        if new:
            self.members[ref] = new
            self.speaking |= {ref} if new.problems or new.files else set()
        self.users.set(ref, new.references if new else ())

    def arrange(self) -> None:
        """Put the objects in the order of the routes that refer to them, those of one route by age."""
        refs = sorted((each.candidate.ref for each in self.attached), key=lambda ref: self.placed[ref].first)
        self.order = {ref: place for place, ref in enumerate(refs)}
        self.refs = (self.holder.ref, *refs)
        self._rearranged = True

    def update_routes(self, fresh: Collection[ObjectRef]) -> None:
        """Bring ``routes`` up to date with those that are *fresh*."""
        if self._rearranged or len(fresh) > FEW:
            self.routes = self.routes.became(self.members[ref].group for ref in self.order)
            self._rearranged = False
            return
        for ref in fresh:
            self.routes = self.routes.spliced(self.order[ref], 1, (self.members[ref].group,))

    def references(self, own: frozenset[ObjectRef]) -> frozenset[ObjectRef]:
        """Return what *own* and the members refer to; the same object as long as that is the same."""
        targets, known = self.users.targets, self._references
        if known is None or known[0] != own or known[1] is not targets:
            self._references = known = own, targets, own | targets
        return known[2]


class Members:
    """The members of each resource.

    The pipeline owns it, and names what changed since then (``Snapshot.changed``): a resource that refers to an object
    is lowered in each batch with that object, so what is known depends on older versions of those objects alone.
    """

    def __init__(self) -> None:
        """Begin without members."""
        self._known: dict[ObjectRef, Roster] = {}

    def take(self, holder: Candidate, policies: Policies) -> Roster | None:
        """Remove and return the members of *holder*; none if it changed itself or its host has other *policies* now.

        If lowering fails, nothing is known the next time.
        """
        known = self._known.pop(holder.ref, None)
        return known if known and known.holder is holder and known.policies == policies else None

    def keep(self, roster: Roster) -> None:
        """Remember the members of a resource until it is lowered again."""
        self._known[roster.holder.ref] = roster

    def forget(self, ref: ObjectRef) -> None:
        """Forget the members of a resource that is gone."""
        self._known.pop(ref, None)
