"""What an object asks for: slots, of which each has one holder at a time.

A slot is a host on a listener, a listener, or a path of a host that several objects share. An object asks for slots of
its own, or attaches to whoever holds another slot and asks for slots below that one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from headgate.api import TopLevel
from headgate.problems import ObjectRef, Problem


class Slot(msgspec.Struct, frozen=True, order=True, cache_hash=True, gc=False):
    """What one object at a time may hold.

    Attributes:
        host: a host name, ``""`` for every host that nobody else holds.
        listener: the name of a listener, ``""`` for the usual ones.
        path: for a path of a host: how it is matched, and the path.
    """

    host: str = ""
    listener: str = ""
    path: tuple[str, str] | None = None


class Claim(msgspec.Struct, frozen=True, gc=False):
    """A slot that an object asks for, the field where it does, and the words for it in messages (``host a.test``)."""

    slot: Slot
    field: str
    words: str


class AttachmentRule(msgspec.Struct, frozen=True):
    """How objects of one sort attach to the holder of a slot.

    Attributes:
        accepts: whether the holder takes them.
        orphan: what they are told where nobody does.
    """

    accepts: Callable[[Candidate], bool]
    orphan: Callable[[ObjectRef], Problem]


class Attachment(msgspec.Struct, frozen=True, gc=False):
    """That an object attaches to the holder of the slot *parent*, by *rule*."""

    parent: Slot
    rule: AttachmentRule


class Claims(msgspec.Struct, frozen=True, gc=False):
    """Everything that one object asks for; with an *attachment* the slots lie below its parent."""

    slots: tuple[Claim, ...]
    attachment: Attachment | None = None


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """A valid object: ``valid`` is what its validation made of it, ``claims`` is what it asks for.

    ``ref`` is the identity of the object; it follows from ``item``.
    """

    item: TopLevel
    valid: Any
    claims: Claims
    ref: ObjectRef = ObjectRef("", "", "")

    def __post_init__(self) -> None:
        """Derive the identity, which is looked up again and again."""
        msgspec.structs.force_setattr(self, "ref", self.item.ref)
