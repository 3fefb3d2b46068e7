"""What would become of an object that is not applied yet; nothing of the state changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from headgate.configuration.arbiter import Arbiter, claimants
from headgate.configuration.claims import Attachment, Candidate, Holder, Slot
from headgate.configuration.losses import clashes, lost
from headgate.configuration.resource import Standing
from headgate.problems import ObjectRef, Problem


class Examined(msgspec.Struct, frozen=True):
    """What can be said of an object without others.

    Attributes:
        ignored: why it is not served here; ``""`` if it is, as far as its class says.
        problems: what validation found.
        candidate: the object, if it is valid.
    """

    ignored: str = ""
    problems: tuple[Problem, ...] = ()
    candidate: Candidate | None = None


class Foresight:
    """The state, as if *candidate* were in it in place of the version that may be there."""

    def __init__(
        self,
        candidate: Candidate,
        slots: Arbiter,
        candidates: Mapping[ObjectRef, Candidate],
        naming: Sequence[Candidate],
    ) -> None:
        """Look at the state; *naming* are the objects that name the candidate."""
        self._candidate = candidate
        self._slots = slots
        self._candidates = candidates
        self._naming = naming
        self._claimed = {slot: claimant for claimant, claimed in claimants(candidate) for slot in claimed}

    def standing(self) -> Standing:
        """Return what would be wrong with the object because of others, and which resource would serve it."""
        candidate = self._candidate
        elsewhere = [each for each in candidate.claims.attachments if self._holder_ref(each.parent) != candidate.ref]
        takers = {each.parent: taker for each in elsewhere if (taker := self._taker(each))}
        orphaned = tuple(self._orphaned(each for each in elsewhere if each.parent not in takers))
        owner = candidate.ref if self._holds() else next(iter(takers.values()), None)
        if orphaned and not owner:
            return Standing(orphaned)
        return Standing((*orphaned, *lost(candidate, owner, frozenset(takers), self._holder)), owner)

    def _holds(self) -> bool:
        """Whether it would be a resource of its own."""
        if any(True for _ in clashes(self._candidate, self._holder)):
            return False
        exclusive = (claim.slot for claim in self._candidate.claims.slots if not claim.use and not claim.slot.below)
        return any(self._holder_ref(slot) == self._candidate.ref for slot in exclusive)

    def _taker(self, attachment: Attachment) -> ObjectRef | None:
        parent = self._parent(attachment)
        return parent.ref if parent and attachment.rule.declines(parent, self._candidate) is None else None

    def _orphaned(self, attachments: Iterator[Attachment]) -> Iterator[Problem]:
        for each in attachments:
            if problem := each.rule.orphan(self._candidate, self._parent(each), self._naming):
                yield problem

    def _parent(self, attachment: Attachment) -> Candidate | None:
        ref = self._holder_ref(attachment.parent)
        return self._candidates[ref] if ref else None

    def _holder(self, slot: Slot) -> Holder | None:
        ref = self._holder_ref(slot)
        if ref is None:
            return None
        return (self._candidate if ref == self._candidate.ref else self._candidates[ref]).as_holder(slot)

    def _holder_ref(self, slot: Slot) -> ObjectRef | None:
        rival = self._slots.rival(self._candidate.ref, slot)
        own = self._claimed.get(slot)
        if own and (rival is None or own < rival):
            return own.ref
        return rival.ref if rival else None
