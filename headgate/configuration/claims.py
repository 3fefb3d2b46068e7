"""Claims of an object: slots, each of which has one holder at a time.

A slot is a host on a listener, a listener, or a path of a host that several objects share. An object asks for slots of
its own, or is attached to the holder of another slot and claims slots below that one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from headgate.api import TopLevel
from headgate.problems import ObjectRef, Problem


class Slot(msgspec.Struct, frozen=True, order=True, cache_hash=True, gc=False):
    """What one object at a time may hold.

    Attributes:
        host: a host name, ``""`` for every host without a holder.
        listener: the name of a listener, ``""`` for the usual ones.
        path: for a path of a host: how it is matched, and the path; for a listener: ``""``, and its protocol or what
            those that share it must have in common.
    """

    host: str = ""
    listener: str = ""
    path: tuple[str, str] | None = None

    @property
    def below(self) -> bool:
        """Whether it is a path of a host that several objects share; who holds only such is no resource by itself."""
        return self.path is not None and not self.listener


class Claim(msgspec.Struct, frozen=True, gc=False):
    """A claimed slot.

    Attributes:
        slot: the slot.
        field: the field that claims it.
        words: its name in messages (``host a.test``).
        use: what for, where objects with the same use as the holder share the slot; ``""`` for one that is exclusive.
        last: whether every object goes before this one that claims the slot otherwise.
        advice: what its owner can do if another object holds it, where that is not what holds for all of its claims.
    """

    slot: Slot
    field: str
    words: str
    use: str = ""
    last: bool = False
    advice: str = ""


class Holder(msgspec.Struct, frozen=True, gc=False):
    """The holder of a slot, as far as the Problems of other claimants show it.

    If any of it changes, these Problems are reported again.

    Attributes:
        ref: the object.
        created: its ``creationTimestamp``, ``""`` if it has none.
        shared: whether other objects may attach to it.
        use: what it uses the slot for, where others may share that.
        first: whether it goes before older objects.
        by_name: whether, of those of the same second, the last by name goes first.
    """

    ref: ObjectRef
    created: str = ""
    shared: bool = False
    use: str = ""
    first: bool = False
    by_name: bool = False

    def before(self, loser: TopLevel) -> str:
        """Name it to the owner of *loser*, with the reason why it goes before that unless its age is the reason."""
        if self.first or self.created != (loser.metadata.creation_timestamp or ""):
            return str(self)
        if self.created and self.by_name:
            return f"{self} like this one, and last by name"
        return f"{self} like this one but with the larger UID" if self.created else f"{self}, which is first by name"

    def __str__(self) -> str:
        """``Kind namespace/name, created TIME``."""
        return f"{self.ref}, created {self.created}" if self.created else str(self.ref)


class AttachmentRule(msgspec.Struct, frozen=True):
    """How objects of one sort attach to the holder of a slot.

    Attributes:
        declines: why the holder does not take an object: ``None`` if it does, ``""`` if the holder is no such object or
            does not ask for it. Arguments: the holder, the object.
        orphan: the Problem of an object that is not taken; ``None`` if that is no more than a slot which another object
            holds. Arguments: the object; the holder of the slot, if it has one; the objects that name this one.
    """

    declines: Callable[[Candidate, Candidate], str | None]
    orphan: Callable[[Candidate, Candidate | None, Sequence[Candidate]], Problem | None]


class Attachment(msgspec.Struct, frozen=True, gc=False):
    """That an object attaches to the holder of the slot *parent*, by *rule*."""

    parent: Slot
    rule: AttachmentRule


TAKEN = "All hosts are taken by other resources"
"""The incumbent's words about an Ingress, which operators' scripts look for."""

WayOut = Callable[[ObjectRef, Sequence[Holder]], str]
"""Returns one clause: what the owner of an object can do whose slots have these holders."""


class Claims(msgspec.Struct, frozen=True, gc=False):
    """All claims of one object.

    Attributes:
        slots: what it claims; those below a host count where it attaches to the holder of that.
        way_out: what its owner can do about slots that others hold.
        attachments: to which holders it attaches; if it claims that slot too and holds it, it is a resource of its own.
        shared: whether other objects may attach to it, and its owner may tell others to do so.
        taken: how the message begins that others hold all of its slots.
        names: objects that it names, and which should attach to it.
        selected: whether others may select it by its labels.
        first: whether it goes before older objects.
        last: whether it goes behind younger objects that are not last, too.
        by_name: whether, of those of the same second, the last by namespace and name goes first, not the larger UID.
    """

    slots: tuple[Claim, ...]
    way_out: WayOut
    attachments: tuple[Attachment, ...] = ()
    shared: bool = False
    taken: str = TAKEN
    names: frozenset[ObjectRef] = frozenset()
    selected: bool = False
    first: bool = False
    last: bool = False
    by_name: bool = False


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """A valid object: ``valid`` is the result of its validation, ``claims`` are its claims.

    ``ref`` is the identity of the object; it follows from ``item``.
    """

    item: TopLevel
    valid: Any
    claims: Claims
    ref: ObjectRef = ObjectRef("", "", "")

    def __post_init__(self) -> None:
        """Derive the identity, which is looked up again and again."""
        msgspec.structs.force_setattr(self, "ref", self.item.ref)

    def as_holder(self, slot: Slot) -> Holder:
        """Return the object as it is reported to other claimants of *slot*, which it holds."""
        use = next((claim.use for claim in self.claims.slots if claim.use and claim.slot == slot), "")
        created = self.item.metadata.creation_timestamp or ""
        return Holder(self.ref, created, self.claims.shared, use, self.claims.first, self.claims.by_name)
