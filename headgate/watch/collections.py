"""The Stores of all Informers as one mapping a kind, whichever namespaces are watched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from headgate.api import TopLevel, Undecodable
from headgate.k8s import Store
from headgate.problems import ObjectRef

M = TypeVar("M", bound=TopLevel)


class Collection(Mapping[ObjectRef, M], Generic[M]):
    """Objects of one kind; a look-up asks only the Stores that may hold the object's namespace.

    Stores may come and go while another thread reads: what it has begun to read stays as it is.
    """

    def __init__(self) -> None:
        """Begin without Stores."""
        self._stores: Mapping[str, tuple[Store[M], ...]] = {}

    def add(self, namespace: str, store: Store[M]) -> None:
        """Read *store*, which holds objects of *namespace* (``""``: of any)."""
        self._stores = {**self._stores, namespace: (*self._stores.get(namespace, ()), store)}

    def discard(self, namespace: str, store: Store[M]) -> None:
        """Read *store* no longer, if it was read."""
        left = tuple(other for other in self._stores.get(namespace, ()) if other is not store)
        self._stores = {**self._stores, namespace: left}

    def listed(self, ref: ObjectRef) -> bool:
        """Whether everything that may hold *ref* was read as a whole, so that its absence is no mere ignorance."""
        stores = tuple(self._holding(ref))
        return bool(stores) and all(store.listed for store in stores)

    def undecodable(self, ref: ObjectRef) -> Undecodable[M] | None:
        """Return what is known of an object that is there and does not decode."""
        return next((found for store in self._holding(ref) if (found := store.undecodable.get(ref))), None)

    def __getitem__(self, ref: ObjectRef) -> M:
        for store in self._holding(ref):
            if (found := store.get(ref)) is not None:
                return found
        raise KeyError(ref)

    def __iter__(self) -> Iterator[ObjectRef]:
        stores = [store for stores in self._stores.values() for store in stores]
        return iter({ref: None for store in stores for ref in store.snapshot()})

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _holding(self, ref: ObjectRef) -> Iterator[Store[M]]:
        stores = self._stores
        for namespace in (ref.namespace, "") if ref.namespace else ("",):
            yield from stores.get(namespace, ())
