"""Configuration: the valid objects and who holds which slot; a pure state machine.

The work of an update is proportional to the batch and to the objects whose standing it changes, not to the number of
resources. All claimants of a slot are looked at only when its holder changes, because their Problems name it.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from operator import attrgetter
from typing import Any, Protocol

import msgspec
from msgspec import structs

from headgate.api import TopLevel, Undecodable
from headgate.configuration.arbiter import Arbiter, claimants
from headgate.configuration.claims import Attachment, Candidate, Claims, Holder, Slot
from headgate.configuration.classes import ClassRule
from headgate.configuration.followers import Followers
from headgate.configuration.foresight import Examined, Foresight
from headgate.configuration.losses import clashes, lost
from headgate.configuration.resource import Attached, Operation, Resource, ResourceChange, Standing, Update
from headgate.deltas import Rope
from headgate.problems import ObjectRef, Problem, Severity
from headgate.settings.community import CommunityRules
from headgate.validation.challenge import is_solver
from headgate.validation.rules import Rules

_NOTHING: Rope[Attached] = Rope()
_AGE = attrgetter("age")


class Admission(Protocol):
    """What the Configuration needs of a kind whose objects claim slots."""

    @property
    def model(self) -> type[TopLevel]:
        """The kind."""
        ...

    def class_of(self, item: Any, /) -> str | None:
        """Return the ingress class that *item* names; ``""`` or ``None``, see ``ClassRule.ignores``, without one."""
        ...

    def validate(self, item: Any, rules: Rules, /) -> tuple[Any | None, list[Problem]]:
        """Check *item* whole, in the dialect of *rules*; ``None`` says that a Problem refuses it."""
        ...

    def claims(self, valid: Any, /) -> Claims:
        """Return the claims of a valid object."""
        ...


class _Batch(msgspec.Struct):
    """What one update has looked at so far; ``holders`` are those of every slot concerned, from before the update."""

    seen: set[ObjectRef] = msgspec.field(default_factory=set)
    gone: set[ObjectRef] = msgspec.field(default_factory=set)
    ignored: dict[ObjectRef, str] = msgspec.field(default_factory=dict)
    assumed: dict[ObjectRef, str] = msgspec.field(default_factory=dict)
    holders: dict[Slot, Holder | None] = msgspec.field(default_factory=dict)
    parents: set[Slot] = msgspec.field(default_factory=set)
    named: set[ObjectRef] = msgspec.field(default_factory=set)
    bugs: dict[ObjectRef, str] = msgspec.field(default_factory=dict)


class Configuration:
    """Holds the newest valid version of every object and arbitrates slots between them."""

    def __init__(
        self,
        kinds: Iterable[Admission],
        rules: Rules,
        classes: ClassRule = ClassRule(),  # noqa: B008 - frozen
    ) -> None:
        """Begin empty, with the *kinds* that may hold slots, what the flags permit and the class that is served."""
        self._rules = rules
        self._kinds = {kind.model: kind for kind in kinds}
        self._classes = classes
        self._candidates: dict[ObjectRef, Candidate] = {}
        self._complaints: dict[ObjectRef, list[Problem]] = {}
        self._invalid: dict[ObjectRef, TopLevel] = {}
        self._slots = Arbiter()
        self._children: dict[Slot, Followers] = {}
        self._naming: dict[ObjectRef, set[ObjectRef]] = {}
        """The objects that name an object, by this one."""
        self._active: dict[ObjectRef, Resource] = {}
        self._outdated: set[ObjectRef] = set()
        """The objects that are validated again even if they are as before: for another class, or after a failure."""

    @property
    def resources(self) -> Mapping[ObjectRef, Resource]:
        """The resources that hold a slot, by their own identity."""
        return self._active

    def valid(self, ref: ObjectRef) -> Any | None:
        """Return the result of the validation of *ref*, ``None`` if it is invalid, ignored or not there."""
        candidate = self._candidates.get(ref)
        return candidate.valid if candidate else None

    def fault(self, ref: ObjectRef, item: TopLevel | None) -> str:
        """Return why an object that is there, but not valid, cannot be used; *item* is it, if it could be decoded."""
        if item and (reason := self._classes.ignores(self._kinds[type(item)].class_of(item))):
            return f"is of another ingress class: {reason}"
        refusing = [problem for problem in self._complaints.get(ref, ()) if problem.refuses]
        if not refusing:
            return "is invalid"
        others = len(refusing) - 1
        more = f"; it has {others} more mistake{'s' if others > 1 else ''}" if others else ""
        return f"is invalid: {structs.replace(refusing[0], effect='')}{more}"

    def serve(self, classes: ClassRule) -> bool:
        """Serve *classes* from the next update on; return whether that is new, so that every object is sent again."""
        changed = classes != self._classes
        self._classes = classes
        if changed:
            self._outdated.update(self._candidates, self._invalid)
        return changed

    def permit(self, rules: CommunityRules) -> bool:
        """Validate annotations of ingress-nginx by *rules* from the next update on; return whether that is new."""
        changed = rules != self._rules.community
        self._rules = structs.replace(self._rules, community=rules)
        if changed:
            self._outdated.update(self._candidates, self._invalid)
        return changed

    def update(
        self,
        upserts: Iterable[TopLevel],
        deletes: Iterable[ObjectRef],
        undecodable: Iterable[Undecodable[Any]] = (),
    ) -> Update:
        """Take a batch; an object that becomes invalid, or does not decode, is withdrawn (contract line 92)."""
        batch = _Batch()
        for broken in undecodable:
            self._take_undecodable(broken, batch)
        for ref in deletes:
            if self._forget(ref, batch):
                batch.gone.add(ref)
        for item in upserts:
            self._take(item, batch)
        concerned = batch.seen | self._concerned(batch)
        changes = list(self._rebuild(concerned | batch.gone))
        changes.sort(key=lambda change: (change.operation is Operation.ADD_OR_UPDATE, change.resource.ref))
        standings = {ref: self._standing(ref) for ref in concerned - batch.gone}
        return Update(tuple(changes), standings, batch.ignored, frozenset(batch.gone), batch.assumed, batch.bugs)

    # --- what would be ---------------------------------------------------------------------------------

    def examine(self, item: TopLevel) -> Examined:
        """Validate an object that is not applied yet, if its class is served; that may go on beside an update."""
        kind = self._kinds[type(item)]
        asked = kind.class_of(item)
        if reason := self._classes.ignores(asked):
            return Examined(reason)
        valid, problems = kind.validate(item, self._rules_for(asked))
        candidate = Candidate(item, valid, kind.claims(valid)) if valid is not None else None
        return Examined("", tuple(problems), candidate)

    def foresee(self, candidate: Candidate) -> Standing:
        """Return the standing that *candidate* would have if it was applied now, without what validation found."""
        naming = [self._candidates[name] for name in sorted(self._naming.get(candidate.ref, ()))]
        return Foresight(candidate, self._slots, self._candidates, naming).standing()

    def _rules_for(self, asked: str | None) -> Rules:
        """Return the rules for an object of the class *asked*."""
        dialect = self._classes.dialect_of(asked)
        return self._rules if dialect is self._rules.dialect else structs.replace(self._rules, dialect=dialect)

    # --- claims ---------------------------------------------------------------------------------------

    def _take(self, item: TopLevel, batch: _Batch) -> None:
        """Take the newest version of one object."""
        kind, ref = self._kinds[type(item)], item.ref
        asked = kind.class_of(item)
        if reason := self._classes.ignores(asked):
            batch.ignored[ref] = reason
            if self._forget(ref, batch):
                batch.gone.add(ref)
            return
        if assumption := self._classes.assumes(asked):
            batch.assumed[ref] = assumption
        if self._accept(ref, item, kind, batch):
            batch.seen.add(ref)

    def _take_undecodable(self, broken: Undecodable[Any], batch: _Batch) -> None:
        """Withdraw an object that does not decode; it is reported if its class is served."""
        ref, remains = broken.problem.origin, broken.remains
        kind = self._kinds.get(type(remains)) if remains else None
        known = self._forget(ref, batch)
        if kind is None or self._classes.ignores(kind.class_of(remains)):
            if known:
                batch.gone.add(ref)
            return
        self._complaints[ref] = [broken.problem]
        batch.seen.add(ref)

    def _accept(self, ref: ObjectRef, item: TopLevel, kind: Admission, batch: _Batch) -> bool:
        """Validate *item* and let it claim; return whether anything but its status changed."""
        old = self._candidates.get(ref)
        before, labels = (old.item, old.claims.selected) if old else (self._invalid.get(ref), False)
        if before and ref not in self._outdated and same_input(before, item, labels=labels):
            return False
        try:
            valid, complaints = kind.validate(item, self._rules_for(kind.class_of(item)))
            claims = kind.claims(valid) if valid is not None else None
        except Exception as error:  # noqa: BLE001 - a bug is kept to the object that meets it
            self._keep(ref, error, batch)
            return True
        self._forget(ref, batch)
        self._complaints[ref] = complaints
        if claims is None:
            self._invalid[ref] = item
        else:
            candidate = Candidate(item, valid, claims)
            self._candidates[ref] = candidate
            self._note(candidate, batch)
            for claimant, slots in claimants(candidate):
                self._slots.claim(claimant, slots)
            for slot in _parents(candidate):
                self._children.setdefault(slot, Followers(slot)).add(candidate)
            for named in candidate.claims.names:
                self._naming.setdefault(named, set()).add(ref)
        return True

    def _keep(self, ref: ObjectRef, error: Exception, batch: _Batch) -> None:
        """Leave *ref* as it is, whose newest version cannot be validated because of *error*, and report that."""
        known = ref in self._candidates
        self._invalid.pop(ref, None)
        if known:
            self._outdated.add(ref)
        effect = "its last good configuration stays" if known else "it is not served"
        severity = Severity.WARNING if known else Severity.ERROR
        reason = f"made Headgate fail ({type(error).__name__}: {error})"
        self._complaints[ref] = [Problem(ref, "", "", reason, effect, severity)]
        batch.bugs[ref] = traceback.format_exc()

    def _forget(self, ref: ObjectRef, batch: _Batch) -> bool:
        """Drop what is known of *ref*; return whether anything was."""
        self._outdated.discard(ref)
        self._invalid.pop(ref, None)
        known = self._complaints.pop(ref, None) is not None
        candidate = self._candidates.get(ref)
        if candidate is None:
            return known
        self._note(candidate, batch)
        del self._candidates[ref]
        self._slots.withdraw(ref, _slots(candidate))
        for slot in _parents(candidate):
            siblings = self._children[slot]
            siblings.remove(ref)
            if not siblings:
                del self._children[slot]
        for named in candidate.claims.names:
            self._naming[named].discard(ref)
            if not self._naming[named]:
                del self._naming[named]
        return True

    def _note(self, candidate: Candidate, batch: _Batch) -> None:
        """Remember who held the slots of *candidate* before the update."""
        for slot in _slots(candidate):
            if slot not in batch.holders:
                batch.holders[slot] = self._holder(slot)
        batch.parents.update(_parents(candidate))
        batch.named |= candidate.claims.names

    def _holder(self, slot: Slot) -> Holder | None:
        """Return the holder of *slot*, as it is reported."""
        ref = self._slots.holder(slot)
        return self._candidates[ref].as_holder(slot) if ref else None

    # --- consequences ---------------------------------------------------------------------------------

    def _concerned(self, batch: _Batch) -> set[ObjectRef]:
        """Return the claimants of slots with another holder, objects attached to a changed holder, and these holders.

        Also those that name an object of the batch, or that one of the batch names.

        A holder is another one, too, if what the Problems of the other claimants show of it changed.
        """
        found: set[ObjectRef | None] = {*batch.named}
        for changed in batch.seen | batch.gone:
            found.update(self._naming.get(changed, ()))
        for slot, before in batch.holders.items():
            after = self._holder(slot)
            if before != after:
                found |= self._slots.claimants(slot)
            if before != after or (after and after.ref in batch.seen):
                found.update(self._children.get(slot, ()))
        parents = set(batch.parents)
        for ref in found:
            if ref and (candidate := self._candidates.get(ref)):
                parents.update(_parents(candidate))
        found.update(self._slots.holder(slot) for slot in parents)
        return {ref for ref in found if ref in self._candidates and ref is not None}

    def _rebuild(self, refs: Iterable[ObjectRef]) -> Iterator[ResourceChange]:
        for ref in refs:
            old, new = self._active.get(ref), self._resource(ref)
            if new is not None and new != old:
                self._active[ref] = new
                yield ResourceChange(Operation.ADD_OR_UPDATE, new)
            elif new is None and old is not None:
                del self._active[ref]
                yield ResourceChange(Operation.DELETE, old)

    def _resource(self, ref: ObjectRef) -> Resource | None:
        candidate = self._candidates.get(ref)
        if candidate is None or any(True for _ in clashes(candidate, self._holder)):
            return None
        exclusive = (claim.slot for claim in candidate.claims.slots if not claim.use and not claim.slot.below)
        held = tuple(slot for slot in exclusive if self._slots.holder(slot) == ref)
        if not held:
            return None
        followers = [found for slot in held if (found := self._children.get(slot))]
        taken = [found.taken(candidate) for found in followers]
        attached = taken[0] if len(taken) == 1 else _merged(taken)
        missing = candidate.claims.names.intersection(*(found.missing(candidate) for found in followers))
        plain = all(found.plain(candidate) for found in followers)
        return Resource(
            candidate,
            held,
            attached if plain else Rope(map(self._with_held, attached)),
            {name: self._why_missing(candidate, name) for name in missing},
            plain,
        )

    def _with_held(self, attached: Attached) -> Attached:
        """Return *attached* with the claims that it holds now."""
        ref, claims = attached.candidate.ref, enumerate(_slots(attached.candidate))
        return Attached(attached.candidate, frozenset(i for i, own in claims if self._slots.holder(own) == ref))

    def _elsewhere(self, candidate: Candidate) -> tuple[Attachment, ...]:
        """Return how *candidate* attaches to other objects: it does not where it holds that slot itself."""
        ref = candidate.ref
        return tuple(each for each in candidate.claims.attachments if self._slots.holder(each.parent) != ref)

    def _taker(self, candidate: Candidate, attachment: Attachment) -> ObjectRef | None:
        """Return the holder of the slot of *attachment* if it takes *candidate*."""
        holder, followers = self._slots.holder(attachment.parent), self._children.get(attachment.parent)
        if holder is None or followers is None or not followers.takes(self._candidates[holder], candidate.ref):
            return None
        return holder

    def _why_missing(self, holder: Candidate, ref: ObjectRef) -> str:
        """Return why *ref*, which *holder* names, does not attach to it; ``""`` if it is not there."""
        candidate = self._candidates.get(ref)
        if candidate is None:
            return "it is invalid, and the reason is reported on it" if self._complaints.get(ref) else ""
        return next(filter(None, (each.rule.declines(holder, candidate) for each in candidate.claims.attachments)), "")

    def _standing(self, ref: ObjectRef) -> Standing:
        """Return all that is wrong with *ref* now: what validation found, then what arbitration took."""
        complaints = self._complaints.get(ref, ())
        candidate = self._candidates.get(ref)
        if candidate is None or not (candidate.claims.slots or candidate.claims.attachments):
            return Standing(tuple(complaints))
        elsewhere = self._elsewhere(candidate)
        takers = {each.parent: taker for each in elsewhere if (taker := self._taker(candidate, each))}
        orphaned = [
            problem
            for each in elsewhere
            if each.parent not in takers and (problem := self._orphan(candidate, each)) is not None
        ]
        owner = ref if ref in self._active else next(iter(takers.values()), None)
        if orphaned and not owner:
            return Standing((*complaints, *orphaned))
        return Standing((*complaints, *orphaned, *lost(candidate, owner, frozenset(takers), self._holder)), owner)

    def _orphan(self, candidate: Candidate, attachment: Attachment) -> Problem | None:
        """Return the Problem of *candidate*, which the holder of the slot of *attachment* does not take."""
        parent = self._slots.holder(attachment.parent)
        naming = [self._candidates[name] for name in sorted(self._naming.get(candidate.ref, ()))]
        return attachment.rule.orphan(candidate, self._candidates[parent] if parent else None, naming)


def _slots(candidate: Candidate) -> Iterator[Slot]:
    return (claim.slot for claim in candidate.claims.slots)


def _parents(candidate: Candidate) -> Iterator[Slot]:
    """Yield the slots to whose holders *candidate* attaches."""
    return (attachment.parent for attachment in candidate.claims.attachments)


def _merged(taken: list[Rope[Attached]]) -> Rope[Attached]:
    """Return what attaches to any of several slots, each object once, the oldest first."""
    found = {attached.candidate.ref: attached for attached in chain.from_iterable(taken)}
    return Rope(sorted(found.values(), key=_AGE)) if found else _NOTHING


def same_input(old: TopLevel, new: TopLevel, *, labels: bool = False) -> bool:
    """Whether two versions differ at most in status and bookkeeping; *labels* says that their labels matter.

    Another generation is another version, though its spec may be equal as far as it is read: what is reported names it.
    """
    return (
        getattr(old, "spec", None) == getattr(new, "spec", None)
        and old.metadata.annotations == new.metadata.annotations
        and (not labels or old.metadata.labels == new.metadata.labels)
        and is_solver(old.metadata) == is_solver(new.metadata)
        and old.metadata.uid == new.metadata.uid
        and old.metadata.generation == new.metadata.generation
        and old.metadata.creation_timestamp == new.metadata.creation_timestamp
    )
