"""What differs between two versions of a collection; sequences that share what is equal; counts of what occurs."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, compress, count
from operator import is_not
from typing import Any, Generic, NamedTuple, TypeVar, overload
from weakref import ref

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
V = TypeVar("V")
CHUNK = 32
"""Items that stand together in a Rope."""


class Splice(NamedTuple, Generic[T]):
    """What stands in a sequence at *start*, *gone*, and in the next version of it in its place, *come*."""

    start: int
    gone: tuple[T, ...]
    come: tuple[T, ...]


def differing(old: tuple[T, ...], new: tuple[T, ...]) -> Splice[T]:
    """Return how *old* and *new* differ between the objects with which both begin and both end.

    Objects are compared by identity.
    """
    shorter = min(len(old), len(new))
    start = next(compress(count(), map(is_not, old, new)), shorter)
    end = next(compress(count(), map(is_not, reversed(old), reversed(new))), shorter)
    end = min(end, shorter - start)
    return Splice(start, old[start : len(old) - end], new[start : len(new) - end])


def renewed(old: Mapping[K, object], new: Mapping[K, V]) -> list[tuple[K, V]]:
    """Return the items of *new* whose values are not the same objects in *old*."""
    return [*compress(new.items(), map(is_not, map(old.get, new), new.values()))]


class Rope(Sequence[T]):
    """An immutable sequence in chunks, most of which it shares with the version that it was made from.

    Making a version in which few items differ, and finding out which, costs the number of chunks, and of the others no
    item is looked at.
    """

    __slots__ = ("__weakref__", "_origin", "chunks")

    def __init__(self, items: Iterable[T] = ()) -> None:
        """Hold *items*."""
        self.chunks = _chunks(tuple(items))
        """The items; none of the chunks is empty."""
        self._origin: tuple[ref[Rope[T]], Splice[T]] | None = None
        """The version that this one was made from, and how the two differ."""

    def since(self, old: Rope[T]) -> Splice[T]:
        """Return how this sequence differs from *old*, as ``differing`` does."""
        if self._origin and self._origin[0]() is old:
            return self._origin[1]
        start, gone, come = differing(old.chunks, self.chunks)
        found = differing(_flat(gone), _flat(come))
        return found._replace(start=found.start + sum(map(len, self.chunks[:start])))

    def spliced(self, start: int, removed: int, items: Iterable[T]) -> Rope[T]:
        """Return this sequence with *items* in place of the *removed* ones that begin at *start*."""
        first, before = self._at(start)
        last, _ = self._at(start + removed)
        touched, come = _flat(self.chunks[first : last + 1]), tuple(items)
        stop = before + removed
        found: Rope[T] = Rope()
        middle = _chunks((*touched[:before], *come, *touched[stop:]))
        found.chunks = (*self.chunks[:first], *middle, *self.chunks[last + 1 :])
        if len(found.chunks) > CHUNK + 2 * len(found) // CHUNK:
            found.chunks = _chunks(tuple(found))
        splice = differing(touched[before:stop], come)
        found._origin = ref(self), splice._replace(start=start + splice.start if any(splice[1:]) else len(found))
        return found

    def replaced(self, splice: Splice[Any], items: Iterable[T]) -> Rope[T]:
        """Return this sequence with *items* in place of what is ``at`` the *splice*."""
        return self.spliced(splice.start, len(splice.gone), items)

    def at(self, splice: Splice[Any]) -> tuple[T, ...]:
        """Return what stands here where *splice*, that of a sequence of equal length, has what is gone."""
        first, before = self._at(splice.start)
        last, _ = self._at(splice.start + len(splice.gone))
        return _flat(self.chunks[first : last + 1])[before : before + len(splice.gone)]

    def became(self, items: Iterable[T]) -> Rope[T]:
        """Return a sequence of *items* that shares with this one what it can; each item is looked at."""
        start, gone, come = differing(tuple(self), tuple(items))
        return self.spliced(start, len(gone), come)

    def place(self, key: Any, key_of: Callable[[T], Any]) -> int:
        """Return where an item with *key* stands, or would stand, in this sequence that is in the order of *key_of*."""
        number = bisect_left(self.chunks, key, key=lambda chunk: key_of(chunk[-1]))
        inside = bisect_left(self.chunks[number], key, key=key_of) if number < len(self.chunks) else 0
        return sum(map(len, self.chunks[:number])) + inside

    def _at(self, index: int) -> tuple[int, int]:
        """Return the chunk of the item *index*, and the place of it there."""
        for number, chunk in enumerate(self.chunks):
            if index < len(chunk):
                return number, index
            index -= len(chunk)
        return len(self.chunks), 0

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        """Return an item (IndexError if there is none), or a tuple of several; the latter costs the whole."""
        if isinstance(index, slice):
            return tuple(self)[index]
        chunk, place = self._at(index if index >= 0 else index + len(self))
        return self.chunks[chunk][place]

    def __iter__(self) -> Iterator[T]:
        """Iterate over the items."""
        return chain.from_iterable(self.chunks)

    def __len__(self) -> int:
        """Count the items."""
        return sum(map(len, self.chunks))

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.chunks)

    def __eq__(self, other: object) -> bool:
        """Whether *other* is a Rope of equal items."""
        if not isinstance(other, Rope):
            return NotImplemented
        _, gone, come = self.since(other)
        return gone == come

    def __hash__(self) -> int:
        """Equal Ropes have equal hashes."""
        return hash(tuple(self))

    def __repr__(self) -> str:
        """``Rope((1, 2, 3))``."""
        return f"Rope({tuple(self)!r})"


def _flat(chunks: tuple[tuple[T, ...], ...]) -> tuple[T, ...]:
    return tuple(chain.from_iterable(chunks))


def _chunks(items: tuple[T, ...]) -> tuple[tuple[T, ...], ...]:
    if len(items) <= 2 * CHUNK:
        return (items,) if items else ()
    return tuple(items[start : start + CHUNK] for start in range(0, len(items), CHUNK))


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
        if new == old:
            return
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
