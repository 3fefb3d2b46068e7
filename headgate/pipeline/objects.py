"""The objects of the pipeline: its own copy of the cluster, changed only by batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from headgate.api import TopLevel, Undecodable
from headgate.problems import ObjectRef

M = TypeVar("M", bound=TopLevel)

Changes = Mapping[ObjectRef, TopLevel | Undecodable[Any] | None]
"""The newest version of every object of a batch, ``None`` for one that is gone."""


class Objects:
    """Every object by its kind and identity."""

    def __init__(self) -> None:
        """Begin empty."""
        self.undecodable: dict[ObjectRef, Undecodable[Any]] = {}
        """The objects that are there and do not decode; they are not among the others."""
        self._kinds: dict[tuple[str, str], dict[ObjectRef, TopLevel]] = {}

    def take(self, changes: Changes) -> None:
        """Let *changes* be the newest versions."""
        for ref, item in changes.items():
            objects = self._kinds.setdefault((ref.group, ref.kind), {})
            objects.pop(ref, None)
            self.undecodable.pop(ref, None)
            if isinstance(item, Undecodable):
                self.undecodable[ref] = item
            elif item is not None:
                objects[ref] = item

    def of(self, model: type[M]) -> Mapping[ObjectRef, M]:
        """Return all objects of a kind; it grows and shrinks with later batches."""
        found = self._kinds.setdefault((model.KIND.group, model.KIND.name), {})
        return cast("Mapping[ObjectRef, M]", found)
