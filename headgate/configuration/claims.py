"""Claims of an object: slots, each of which has one holder at a time.

A slot is a host on a listener, a listener, or a path of a host that several objects share. An object asks for slots of
its own, or is attached to the holder of another slot and claims slots below that one.
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
        host: a host name, ``""`` for every host without a holder.
        listener: the name of a listener, ``""`` for the usual ones.
        path: for a path of a host: how it is matched, and the path.
    """

    host: str = ""
    listener: str = ""
    path: tuple[str, str] | None = None


class Claim(msgspec.Struct, frozen=True, gc=False):
    """A claimed slot, the field that claims it, and its name in messages (``host a.test``)."""

    slot: Slot
    field: str
    words: str


class AttachmentRule(msgspec.Struct, frozen=True):
    """How objects of one sort attach to the holder of a slot.

    Attributes:
        accepts: whether the holder takes them.
        orphan: the Problem of an object without such a holder.
    """

    accepts: Callable[[Candidate], bool]
    orphan: Callable[[ObjectRef], Problem]


class Attachment(msgspec.Struct, frozen=True, gc=False):
    """That an object attaches to the holder of the slot *parent*, by *rule*."""

    parent: Slot
    rule: AttachmentRule


class Claims(msgspec.Struct, frozen=True, gc=False):
    """All claims of one object; with an *attachment* the slots are below its parent."""

    slots: tuple[Claim, ...]
    attachment: Attachment | None = None


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
