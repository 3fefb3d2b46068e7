"""What an object does not get because other objects hold it, as Problems for its owner."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from headgate.api import TopLevel
from headgate.configuration.claims import Candidate, Claim, Holder, Slot
from headgate.problems import ObjectRef, Problem, Severity

HolderOf = Callable[[Slot], Holder | None]
"""Returns who holds a slot."""


def lost(
    candidate: Candidate, owner: ObjectRef | None, shared: frozenset[Slot], holder_of: HolderOf
) -> Iterator[Problem]:
    """Yield which slots of *candidate* other objects hold, and which objects; not those *shared* with it.

    *owner* is the resource that serves it.
    """
    ref, way_out = candidate.ref, candidate.claims.way_out
    if faults := tuple(clashes(candidate, holder_of)):
        yield from faults
        return
    own = (claim for claim in candidate.claims.slots if claim.slot not in shared)
    found = ((claim, holder_of(claim.slot)) for claim in own if not claim.use)
    taken = [(claim, holder) for claim, holder in found if holder and holder.ref != ref]
    if owner is None and taken:
        holders = tuple(dict.fromkeys(holder for _, holder in taken))
        reason = f"{candidate.claims.taken}: {_named(taken, candidate.item)}; {way_out(ref, holders)}"
        yield Problem(ref, "", "", reason, "it is not served", Severity.ERROR, code="Rejected")
        return
    for claim, holder in taken:
        holding = holder.before(candidate.item)
        reason = f"{claim.words} is taken by another resource: {holding}; {claim.advice or way_out(ref, (holder,))}"
        yield Problem(ref, claim.field, "", reason, "that resource serves it")


def clashes(candidate: Candidate, holder_of: HolderOf) -> Iterator[Problem]:
    """Yield a Problem for each slot that *candidate* would share if its holder had the same use for it."""
    for claim in candidate.claims.slots:
        holder = holder_of(claim.slot) if claim.use else None
        if holder and holder.ref != candidate.ref and holder.use != claim.use:
            noun = claim.words.partition(" ")[0]
            holding = f"{holder.use} by another resource: {holder.before(candidate.item)}"
            reason = f"{claim.words} is used for {holding}; use another {noun}"
            yield Problem(candidate.ref, claim.field, "", reason, "it is not served", Severity.ERROR)


def _named(taken: Iterable[tuple[Claim, Holder]], loser: TopLevel) -> str:
    """Return who holds the slots of *loser* that are *taken*, and if there are several holders, who holds which."""
    words: dict[Holder, list[str]] = {}
    for claim, holder in taken:
        words.setdefault(holder, []).append(claim.words)
    if len(words) == 1:
        return next(iter(words)).before(loser)
    return "; ".join(f"{', '.join(claims)} by {holder.before(loser)}" for holder, claims in words.items())
