"""What the Configuration hands on: resources that hold something, and how they changed."""

from __future__ import annotations

import enum
from collections.abc import Mapping

import msgspec

from headgate.configuration.arbiter import LATER
from headgate.configuration.claims import Candidate, Slot
from headgate.deltas import Rope
from headgate.problems import ObjectRef, Problem


class Attached(msgspec.Struct, frozen=True, gc=False):
    """An object that attaches to a resource; ``held`` are the indexes of the claims that it holds.

    ``age`` follows from ``candidate``; it orders such objects by creation, and those of one ``kubectl apply`` by name,
    which their owner can choose.
    """

    candidate: Candidate
    held: frozenset[int]
    age: tuple[str, ObjectRef] = ("", ObjectRef("", "", ""))

    def __post_init__(self) -> None:
        """Derive the age, by which it is looked up."""
        created = self.candidate.item.metadata.creation_timestamp or LATER
        msgspec.structs.force_setattr(self, "age", (created, self.candidate.ref))


class Resource(msgspec.Struct, frozen=True, gc=False):
    """An object that holds at least one slot, and those that attach to it, the oldest first.

    Attributes:
        candidate: the object.
        held: the slots.
        attached: the objects that attach to it.
        declined: objects that it names and that do not attach to it, and why; ``""`` for one that is not there.
        plain: whether it is known that none of *attached* claims slots of its own.
    """

    candidate: Candidate
    held: tuple[Slot, ...]
    attached: Rope[Attached] = Rope()
    declined: Mapping[ObjectRef, str] = {}
    plain: bool = False

    @property
    def ref(self) -> ObjectRef:
        """The identity of the object that holds the slots."""
        return self.candidate.ref

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that it holds."""
        return tuple(slot.host for slot in self.held)


class Operation(enum.Enum):
    """What to do with a resource."""

    DELETE = "delete"
    ADD_OR_UPDATE = "add-or-update"


class ResourceChange(msgspec.Struct, frozen=True, gc=False):
    """A resource whose files must be deleted or generated again."""

    operation: Operation
    resource: Resource


class Standing(msgspec.Struct, frozen=True, gc=False):
    """The state of one object: its current Problems, if any, and the resource that serves it."""

    problems: tuple[Problem, ...] = ()
    owner: ObjectRef | None = None


class Update(msgspec.Struct, frozen=True):
    """The answer to one batch.

    Attributes:
        changes: deletes first, so that a host can move from one file to another.
        standings: of every object that changed, or whose standing the batch may have changed.
        ignored: objects of other controllers, and why they are not served here.
        gone: objects that were known and are no longer there, or belong to another controller now.
        assumed: objects that are served although they name no class, and what a cluster needs to serve them.
        bugs: exceptions of Headgate while an object was validated, as tracebacks; an earlier version stays in force.
    """

    changes: tuple[ResourceChange, ...] = ()
    standings: Mapping[ObjectRef, Standing] = {}
    ignored: Mapping[ObjectRef, str] = {}
    gone: frozenset[ObjectRef] = frozenset()
    assumed: Mapping[ObjectRef, str] = {}
    bugs: Mapping[ObjectRef, str] = {}
