"""The last known state of one collection, by identity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from headgate.api import TopLevel, Undecodable
from headgate.problems import ObjectRef

M = TypeVar("M", bound=TopLevel)


class Store(Mapping[ObjectRef, M], Generic[M]):
    """Objects by identity; only the Informer that owns it writes.

    The objects are frozen, so a snapshot copies only the dict.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self._objects: dict[ObjectRef, M] = {}
        self.listed = False
        """Whether the collection was read as a whole; an absent object is surely absent only then."""
        self.undecodable: Mapping[ObjectRef, Undecodable[M]] = {}
        """The objects that do not decode at present; they are not among the others."""

    def __getitem__(self, ref: ObjectRef) -> M:
        return self._objects[ref]

    def __iter__(self) -> Iterator[ObjectRef]:
        return iter(self._objects)

    def __len__(self) -> int:
        return len(self._objects)

    def snapshot(self) -> dict[ObjectRef, M]:
        """Return a shallow copy that later changes do not affect."""
        return self._objects.copy()

    def put(self, ref: ObjectRef, item: M) -> bool:
        """Add or replace one object; return whether it differs from the previous one."""
        old = self._objects.get(ref)
        self._objects[ref] = item
        return old is None or not same(old, item)

    def remove(self, ref: ObjectRef) -> bool:
        """Remove one object; return whether it existed."""
        return self._objects.pop(ref, None) is not None

    def replace(self, objects: Mapping[ObjectRef, M]) -> list[ObjectRef]:
        """Replace all objects by *objects*; return each identity that differs, also removed ones."""
        old, self._objects = self._objects, dict(objects)
        self.listed = True
        gone = [ref for ref in old if ref not in objects]
        fresh = [ref for ref, item in objects.items() if ref not in old or not same(old[ref], item)]
        return gone + fresh


def same(one: TopLevel, other: TopLevel) -> bool:
    """Whether two states of one object are equal: two different states never have the same resource version."""
    mine, theirs = one.metadata.resource_version, other.metadata.resource_version
    return mine == theirs if mine and theirs else one == other
