"""Who holds a host: the oldest claimant, whatever kind it is.

The same rule serves any key that one object at a time may hold: a host, a path of a mergeable
host, later a listener and a host.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

import msgspec

from headgate.api.base import ObjectMeta
from headgate.problems import ObjectRef

K = TypeVar("K", bound=Hashable)
LATER = "9"
"""Sorts after every RFC 3339 time: an object without a creation time is the youngest."""


class Claimant(msgspec.Struct, frozen=True, gc=False):
    """An object that asks for keys; ``created`` is RFC 3339 text."""

    ref: ObjectRef
    created: str
    uid: str

    @classmethod
    def of(cls, ref: ObjectRef, metadata: ObjectMeta) -> Claimant:
        """Build from an object's metadata."""
        return cls(ref, metadata.creation_timestamp or LATER, metadata.uid)

    def before(self, other: Claimant) -> bool:
        """Whether this one wins: older; of equal age the larger UID (contract line 93), then the smaller name."""
        if self.created != other.created:
            return self.created < other.created
        return self.uid > other.uid if self.uid != other.uid else self.ref < other.ref


class Arbiter(Generic[K]):
    """Claims by key; the holder of a key does not depend on the order in which claims came."""

    def __init__(self) -> None:
        """Begin without claims."""
        self._claims: dict[K, dict[ObjectRef, Claimant]] = {}

    def claim(self, claimant: Claimant, keys: Iterable[K]) -> None:
        """Let *claimant* ask for *keys*."""
        for key in keys:
            self._claims.setdefault(key, {})[claimant.ref] = claimant

    def withdraw(self, ref: ObjectRef, keys: Iterable[K]) -> None:
        """Forget the claims of *ref* to *keys*."""
        for key in keys:
            claims = self._claims.get(key, {})
            claims.pop(ref, None)
            if not claims:
                self._claims.pop(key, None)

    def holder(self, key: K) -> ObjectRef | None:
        """Return who holds *key*."""
        best: Claimant | None = None
        for claimant in self._claims.get(key, {}).values():
            if best is None or claimant.before(best):
                best = claimant
        return best.ref if best else None

    def claimants(self, key: K) -> frozenset[ObjectRef]:
        """Return all who ask for *key*."""
        return frozenset(self._claims.get(key, ()))
