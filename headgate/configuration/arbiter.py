"""Who holds a slot: the oldest claimant, whatever kind it is."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

import msgspec
from msgspec import structs

from headgate.api.base import ObjectMeta
from headgate.configuration.claims import Candidate, Slot
from headgate.problems import ObjectRef

LATER = "9"
"""Sorts after every RFC 3339 time: an object without a creation time is the youngest."""
LAST = "~"
"""Sorts after that, too, in front of the creation time of an object that goes behind all others."""
UNTIMED = frozenset({LATER, f"{LAST}{LATER}"})
"""What stands for the creation time of objects without one."""
ADDED_LATER = " "
"""What is in front of the UID of an object without a creation time that is younger than others without one."""
SLACK = 8
"""Withdrawn claims that a contest may carry beside as many as there are claimants."""


class Claimant(msgspec.Struct, frozen=True, gc=False):
    """An object that claims slots; ``created`` is RFC 3339 text."""

    ref: ObjectRef
    created: str
    uid: str

    @classmethod
    def of(cls, ref: ObjectRef, metadata: ObjectMeta) -> Claimant:
        """Build from an object's metadata."""
        return cls(ref, metadata.creation_timestamp or LATER, metadata.uid)

    def __lt__(self, other: Claimant) -> bool:
        """Whether this one wins: older; of the same second the larger UID (contract line 93), then the smaller name.

        Without creation times, which a folder need not have, those that were ADDED_LATER lose, and the name decides.
        """
        if self.created != other.created:
            return self.created < other.created
        if self.created in UNTIMED:
            return self._by_name() < other._by_name()
        return self.uid > other.uid if self.uid != other.uid else self.ref < other.ref

    def _by_name(self) -> tuple[bool, str, str, ObjectRef]:
        return self.uid.startswith(ADDED_LATER), self.ref.namespace, self.ref.name, self.ref


def claimants(candidate: Candidate) -> Iterator[tuple[Claimant, tuple[Slot, ...]]]:
    """Yield the slots that *candidate* claims, with the age that it has in each contest."""
    claims, metadata = candidate.claims, candidate.item.metadata
    claimant = Claimant.of(candidate.ref, metadata)
    if claims.first:
        claimant = structs.replace(claimant, created="")
    elif claims.last:
        claimant = structs.replace(claimant, created=f"{LAST}{claimant.created}")
    if claims.by_name:
        claimant = structs.replace(claimant, uid=candidate.ref.key)
    last = frozenset(claim.slot for claim in claims.slots if claim.last)
    yield claimant, tuple(claim.slot for claim in claims.slots if claim.slot not in last)
    if last:
        yield structs.replace(claimant, created=f"{LAST}{claimant.created}"), tuple(last)


class _Contest:
    """The claimants of one slot; those that withdrew stay in the heap until they come to its top."""

    def __init__(self) -> None:
        self.claimants: dict[ObjectRef, Claimant] = {}
        self._heap: list[Claimant] = []

    def add(self, claimant: Claimant) -> None:
        self.claimants[claimant.ref] = claimant
        heapq.heappush(self._heap, claimant)
        if len(self._heap) > 2 * len(self.claimants) + SLACK:
            self._heap = list(self.claimants.values())
            heapq.heapify(self._heap)

    def rival(self, ref: ObjectRef) -> Claimant | None:
        if (holder := self.holder()) != ref:
            return self.claimants[holder]
        return min((each for each in self.claimants.values() if each.ref != ref), default=None)

    def holder(self) -> ObjectRef:
        while self.claimants.get(self._heap[0].ref) is not self._heap[0]:
            heapq.heappop(self._heap)
        return self._heap[0].ref


class Arbiter:
    """Claims by slot; the holder of a slot does not depend on the order in which claims came.

    A claim costs the logarithm of the number of claimants, and so does the question who holds the slot.
    """

    def __init__(self) -> None:
        """Begin without claims."""
        self._contests: dict[Slot, _Contest] = {}

    def claim(self, claimant: Claimant, slots: Iterable[Slot]) -> None:
        """Add the claims of *claimant* to *slots*."""
        for slot in slots:
            self._contests.setdefault(slot, _Contest()).add(claimant)

    def withdraw(self, ref: ObjectRef, slots: Iterable[Slot]) -> None:
        """Forget the claims of *ref* to *slots*."""
        for slot in slots:
            contest = self._contests.get(slot)
            if contest and contest.claimants.pop(ref, None) and not contest.claimants:
                del self._contests[slot]

    def holder(self, slot: Slot) -> ObjectRef | None:
        """Return who holds *slot*."""
        contest = self._contests.get(slot)
        return contest.holder() if contest else None

    def rival(self, ref: ObjectRef, slot: Slot) -> Claimant | None:
        """Return who holds *slot*, or would without *ref*."""
        contest = self._contests.get(slot)
        return contest.rival(ref) if contest else None

    def claimants(self, slot: Slot) -> frozenset[ObjectRef]:
        """Return all claimants of *slot*."""
        contest = self._contests.get(slot)
        return frozenset(contest.claimants) if contest else frozenset()
