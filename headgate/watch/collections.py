"""The Stores of all Informers as one mapping a kind, whichever namespaces are watched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from headgate.api import TopLevel
from headgate.k8s import Store
from headgate.problems import ObjectRef

M = TypeVar("M", bound=TopLevel)


class Collection(Mapping[ObjectRef, M], Generic[M]):
    """Objects of one kind; a look-up asks only the Stores that may hold the object's namespace."""

    def __init__(self) -> None:
        """Begin without Stores."""
        self._stores: dict[str, list[Store[M]]] = {}

    def add(self, namespace: str, store: Store[M]) -> None:
        """Read *store*, which holds objects of *namespace* (``""``: of any)."""
        self._stores.setdefault(namespace, []).append(store)

    def discard(self, namespace: str, store: Store[M]) -> None:
        """Read *store* no longer, if it was read."""
        self._stores[namespace] = [other for other in self._stores.get(namespace, ()) if other is not store]

    def __getitem__(self, ref: ObjectRef) -> M:
        for namespace in (ref.namespace, "") if ref.namespace else ("",):
            for store in self._stores.get(namespace, ()):
                if (found := store.get(ref)) is not None:
                    return found
        raise KeyError(ref)

    def __iter__(self) -> Iterator[ObjectRef]:
        return iter({ref: None for stores in self._stores.values() for store in stores for ref in store})

    def __len__(self) -> int:
        return sum(1 for _ in self)
