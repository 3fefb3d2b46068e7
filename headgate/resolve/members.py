"""What the objects attached to a resource were lowered to, as long as nothing changes that they depend on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from headgate.configuration import Candidate
from headgate.ir import File
from headgate.problems import ObjectRef, Problem
from headgate.routes import Policies, Route
from headgate.validation.routepath import RoutePath

NOTHING: Mapping[ObjectRef, Member] = {}


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
        placed: the object.
        kept: the indexes of its routes that no other object holds.
        inherited: the Policies that each of them inherits from the holder's route, ``None`` for one with its own.
        routes: what became of them; ``problems``, ``references`` and ``files`` as in ``Lowered``.
    """

    placed: Placed
    kept: tuple[int, ...]
    inherited: tuple[Policies | None, ...]
    routes: tuple[Route, ...]
    problems: tuple[Problem, ...]
    references: frozenset[ObjectRef]
    files: tuple[File, ...]


class _Known(msgspec.Struct, frozen=True):
    holder: Candidate
    policies: Policies
    members: Mapping[ObjectRef, Member]


class Members:
    """The members of each resource, as they were lowered the last time.

    The pipeline owns it, and names what changed since then (``Snapshot.changed``): a resource that refers to an object
    is lowered in each batch with that object, so what is known depends on older versions of those objects alone.
    """

    def __init__(self) -> None:
        """Begin without members."""
        self._known: dict[ObjectRef, _Known] = {}

    def take(self, holder: Candidate, policies: Policies) -> Mapping[ObjectRef, Member]:
        """Remove and return the members of *holder*, none if it changed itself or its host has other *policies* now.

        If lowering fails, nothing is known the next time.
        """
        known = self._known.pop(holder.ref, None)
        if known is None or known.holder is not holder or known.policies != policies:
            return NOTHING
        return known.members

    def keep(self, holder: Candidate, policies: Policies, members: Iterable[Member]) -> None:
        """Remember the *members* of *holder* until it is lowered again."""
        found = {member.placed.candidate.ref: member for member in members}
        if found:
            self._known[holder.ref] = _Known(holder, policies, found)

    def forget(self, ref: ObjectRef) -> None:
        """Forget the members of a resource that is gone."""
        self._known.pop(ref, None)
