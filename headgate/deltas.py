"""What differs between two versions of a collection, and counts that follow its changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from itertools import compress, count
from operator import is_not
from typing import Generic, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
V = TypeVar("V")


class Splice(NamedTuple, Generic[T]):
    """What stands in a tuple at *start*, *gone*, and in the next version of it in its place, *come*."""

    start: int
    gone: tuple[T, ...]
    come: tuple[T, ...]

    def replaced(self, beside: tuple[V, ...]) -> tuple[V, ...]:
        """Return what stands for *gone* in a tuple *beside* the first one, which has an entry for each of its."""
        return beside[self.start : self.start + len(self.gone)]

    def applied(self, beside: tuple[V, ...], fresh: Iterable[V]) -> tuple[V, ...]:
        """Return that tuple with *fresh* for *come* in their place."""
        return (*beside[: self.start], *fresh, *beside[self.start + len(self.gone) :])


def differing(old: tuple[T, ...], new: tuple[T, ...]) -> Splice[T]:
    """Return how *old* and *new* differ between the objects with which both begin and both end.

    Objects are compared by identity, so that a long tuple of which one object changed costs some microseconds.
    """
    shorter = min(len(old), len(new))
    start = next(compress(count(), map(is_not, old, new)), shorter)
    end = next(compress(count(), map(is_not, reversed(old), reversed(new))), shorter)
    end = min(end, shorter - start)
    return Splice(start, old[start : len(old) - end], new[start : len(new) - end])


class Tally(Generic[K]):
    """How often each key occurs in a collection; a change costs what is exchanged."""

    def __init__(self) -> None:
        """Begin without keys."""
        self._counts: Counter[K] = Counter()
        self._repeated = 0
        self._keys: frozenset[K] | None = frozenset()

    def __contains__(self, key: object) -> bool:
        """Whether *key* occurs."""
        return key in self._counts

    @property
    def distinct(self) -> bool:
        """Whether no key occurs twice."""
        return not self._repeated

    @property
    def keys(self) -> frozenset[K]:
        """All keys; the same object as long as these are the same."""
        if self._keys is None:
            self._keys = frozenset(self._counts)
        return self._keys

    def replace(self, old: Iterable[K], new: Iterable[K]) -> None:
        """Count *new* in place of *old*, all of which were counted before."""
        for key in new:
            self._add(key)
        for key in old:
            self._drop(key)

    def _add(self, key: K) -> None:
        self._counts[key] += 1
        if self._counts[key] == 1:
            self._keys = None
        elif self._counts[key] == 2:  # noqa: PLR2004 - from now on it is repeated
            self._repeated += 1

    def _drop(self, key: K) -> None:
        self._counts[key] -= 1
        if not self._counts[key]:
            del self._counts[key]
            self._keys = None
        elif self._counts[key] == 1:
            self._repeated -= 1
