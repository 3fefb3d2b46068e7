"""Objects that are in memory and do not change, as a source for the same Informers as an API server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Generic, TypeVar

from headgate.api import TopLevel
from headgate.k8s.informer import Change, Listing
from headgate.problems import ObjectRef

M = TypeVar("M", bound=TopLevel)


class Fixed:
    """A set of objects, of any kinds."""

    def __init__(self, objects: Iterable[TopLevel]) -> None:
        """Keep *objects*; of two with one identity the last one."""
        self._objects = {item.ref: item for item in objects}

    def load(self) -> tuple[TopLevel, ...]:
        """Return every object, sorted by identity."""
        return tuple(self._objects[ref] for ref in sorted(self._objects))

    def find(self, ref: ObjectRef) -> TopLevel | None:
        """Return one object."""
        return self._objects.get(ref)

    def source(self, model: type[M]) -> FixedSource[M]:
        """Return the objects of one kind as a Source for an Informer."""
        return FixedSource({ref: item for ref, item in self._objects.items() if isinstance(item, model)})

    async def run(self) -> None:
        """Return at once: there is nothing to follow."""


class FixedSource(Generic[M]):
    """One kind of a Fixed as a Source."""

    def __init__(self, objects: dict[ObjectRef, M]) -> None:
        """Provide *objects*."""
        self._objects = objects

    async def list(self) -> Listing[M]:
        """Return the objects."""
        return Listing("1", self._objects)

    async def watch(self, version: str) -> AsyncIterator[Change[M]]:  # noqa: ARG002 - nothing happens after any version
        """Wait without end; nothing is yielded."""
        nothing: tuple[Change[M], ...] = ()
        await asyncio.Event().wait()
        for change in nothing:
            yield change
