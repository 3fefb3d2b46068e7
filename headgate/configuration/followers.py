"""The objects that attach to one slot, and which of them the holder of the slot takes."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter

from headgate.configuration.claims import Candidate, Slot
from headgate.configuration.resource import Attached
from headgate.deltas import Rope
from headgate.problems import ObjectRef

_AGE = attrgetter("age")
Age = tuple[str, ObjectRef]
NO_HOLDS: frozenset[int] = frozenset()
FEW = 8
"""Of more objects at once, each is not put in its place by itself."""


class Followers:
    """Decides about each object once for one version of it and of the holder; a holder may have many."""

    def __init__(self, slot: Slot) -> None:
        """Begin without objects that attach to the holder of *slot*."""
        self._slot = slot
        self._candidates: dict[ObjectRef, Candidate] = {}
        self._undecided: set[ObjectRef] = set()
        self._holder: Candidate | None = None
        """The object that was decided for."""
        self._taken: Rope[Attached] = Rope()
        """What it takes, the oldest first, and still those that left."""
        self._left: set[Age] = set()
        """The ages of these; most come back at once, in another version."""
        self._refs: set[ObjectRef] = set()
        """The same."""
        self._claiming: set[ObjectRef] = set()
        """Those among them that claim slots of their own."""
        self._missing: set[ObjectRef] = set()
        """What it names and does not take."""

    def __bool__(self) -> bool:
        """Whether any object attaches to the slot."""
        return bool(self._candidates)

    def __iter__(self) -> Iterator[ObjectRef]:
        """Iterate over all objects, taken or not."""
        return iter(self._candidates)

    def add(self, candidate: Candidate) -> None:
        """Add an object, of which no other version is there."""
        self._candidates[candidate.ref] = candidate
        self._undecided.add(candidate.ref)

    def remove(self, ref: ObjectRef) -> None:
        """Remove an object."""
        candidate = self._candidates.pop(ref)
        self._undecided.discard(ref)
        if ref in self._refs:
            self._refs.discard(ref)
            self._claiming.discard(ref)
            self._left.add(Attached(candidate, NO_HOLDS).age)
        if self._holder and ref in self._holder.claims.names:
            self._missing.add(ref)

    def taken(self, holder: Candidate) -> Rope[Attached]:
        """Return what *holder* takes, the oldest first, without what each holds."""
        self._decide(holder)
        return self._taken

    def takes(self, holder: Candidate, ref: ObjectRef) -> bool:
        """Whether *holder* takes *ref*."""
        self._decide(holder)
        return ref in self._refs

    def missing(self, holder: Candidate) -> frozenset[ObjectRef]:
        """Return what *holder* names and does not take."""
        self._decide(holder)
        return frozenset(self._missing)

    def plain(self, holder: Candidate) -> bool:
        """Whether nothing that *holder* takes claims slots of its own."""
        self._decide(holder)
        return not self._claiming

    def _decide(self, holder: Candidate) -> None:
        if holder is not self._holder:
            self._holder, self._undecided = holder, set(self._candidates)
            self._taken, self._refs, self._claiming, self._left = Rope(), set(), set(), set()
            self._missing = set(holder.claims.names)
        fresh = [candidate for ref in self._undecided if self._accepts(holder, candidate := self._candidates[ref])]
        self._undecided.clear()
        for candidate in fresh:
            self._refs.add(candidate.ref)
            self._missing.discard(candidate.ref)
            if candidate.claims.slots:
                self._claiming.add(candidate.ref)
        self._exchange([Attached(candidate, NO_HOLDS) for candidate in fresh])

    def _accepts(self, holder: Candidate, candidate: Candidate) -> bool:
        """Whether *holder* takes *candidate*."""
        if candidate.ref == holder.ref:
            return False
        attachments = (each for each in candidate.claims.attachments if each.parent == self._slot)
        return any(attachment.rule.declines(holder, candidate) is None for attachment in attachments)

    def _exchange(self, fresh: list[Attached]) -> None:
        """Put *fresh* in their places among those that are taken, and remove those that left."""
        if len(fresh) + len(self._left) > FEW:
            kept = (attached for attached in self._taken if attached.age not in self._left)
            self._taken = self._taken.became(sorted((*kept, *fresh), key=_AGE))
        else:
            come = {attached.age: (attached,) for attached in fresh}
            for age in {*self._left, *come}:
                removed = 1 if age in self._left else 0
                self._taken = self._taken.spliced(self._taken.place(age, _AGE), removed, come.get(age, ()))
        self._left = set()
