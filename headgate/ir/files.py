"""Files as values: the last representation before the disk."""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, Mapping, ValuesView
from operator import attrgetter
from typing import Final

import msgspec

from headgate.deltas import renewed
from headgate.problems import ObjectRef

PLACE: Final = "attached "
"""How the claim of a server begins that includes files of other objects."""


class File(msgspec.Struct, frozen=True, gc=False):
    """One file under nginx's configuration directory.

    Attributes:
        name: path relative to the configuration directory (``conf.d/default-cafe.conf``); never absolute,
            never with ``..``.
        data: the whole content.
        origin: the object that caused it, ``None`` for Headgate's own files; ``blame`` reports to it.
        mode: permission bits.
        needs_reload: whether nginx must reload to see a change of the content. False for certificates that
            nginx reads at each handshake; adding or removing such a file never needs a reload by itself.
        fallback: what the file holds while its origin's files are left out; ``None`` for a file that is absent then.
            Headgate's own content, for a file that the whole cannot do without.
        closed: what the file holds while nothing else stands in for it, if that must not be nothing: its hosts, which
            refuse all requests. Headgate's own content, which nginx accepts.
        partial: what it holds in place of both if nginx accepts that: the paths that it keeps clients out of, which
            refuse all requests, or a server without what its own object has there. Headgate's own content.
        claims: names that no file of another origin may have at the same time (``server a.example.com``,
            ``upstream …``).
        within: the claim of the file with the server that includes this one, empty for one that stands by itself. What
            nginx says against this file may be due to that one.
        opens: the ports on which servers of the file listen.
        follows: a port that the file does not open by itself: it is there only while another file opens that port.
        guards: what keeps clients out of what the file serves, a text for each place and guard. A file without one of
            them never stands in for this one.
    """

    name: str
    data: bytes
    origin: ObjectRef | None = None
    mode: int = 0o644
    needs_reload: bool = True
    fallback: bytes | None = None
    closed: bytes | None = None
    partial: bytes | None = None
    claims: frozenset[str] = frozenset()
    within: str = ""
    opens: frozenset[int] = frozenset()
    follows: int | None = None
    guards: frozenset[str] = frozenset()

    def without_origin(self, *, bare: bool = False) -> File | None:
        """Return the replacement while the files of the origin are left out, ``None`` for none.

        *bare*: nginx refuses what is ``partial``.
        """
        if self.partial is not None and not bare:
            places = frozenset(claim for claim in self.claims if claim.startswith(PLACE))
            return self._replaced(self.partial, places)
        data = self.closed if self.fallback is None else self.fallback
        return None if data is None else self._replaced(data)

    def is_closed_by(self, there: File | None) -> bool:
        """Whether *there*, in its place, refuses requests that this one keeps clients out of."""
        if there is None or there.origin is not None:
            return False
        guarded = self.closed is not None or (self.partial is not None and bool(self.within))
        return guarded and there.data in {self.closed, self.partial}

    def beside_last_good(self) -> File | None:
        """Return the replacement while last good files of the origin are served, ``None`` for none."""
        return None if self.fallback is None else self._replaced(self.fallback)

    def _replaced(self, data: bytes, claims: frozenset[str] = frozenset()) -> File:
        return File(self.name, data, mode=self.mode, needs_reload=self.needs_reload, claims=claims)


class FileSet(Mapping[str, File]):
    """An immutable set of Files by name; order is the order of names, so equal sets are equal text."""

    __slots__ = ("_files", "_ordered")

    def __init__(self, files: Iterable[File] = ()) -> None:
        """Build from *files*; two files of one name are a bug of the caller (ValueError)."""
        self._files: dict[str, File] = {}
        self._ordered = True
        for file in sorted(files, key=attrgetter("name")):
            if file.name in self._files:
                msg = f"two files are named {file.name}"
                raise ValueError(msg)
            self._files[file.name] = file

    def changed(self, files: Mapping[str, File | None]) -> FileSet:
        """Return this set with *files* in place of those of their names, ``None`` for none; itself if all are equal."""
        differing = {name: file for name, file in files.items() if self._files.get(name) != file}
        if not differing:
            return self
        found = self._files.copy()
        for name, file in differing.items():
            if file is None:
                del found[name]
            else:
                found[name] = file
        fresh = FileSet()
        fresh._files = found
        fresh._ordered = self._ordered and all(name in self._files for name in differing)
        return fresh

    def since(self, old: FileSet) -> tuple[list[File], list[File]]:
        """Return the files of *old* that are not here, by name, and those that are not the same objects there."""
        gone = sorted(old._files.keys() - self._files.keys())
        fresh = renewed(old._files, self._files)
        return [old._files[name] for name in gone], [file for _, file in fresh]

    def __getitem__(self, name: str) -> File:
        """Return the File called *name*."""
        return self._files[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over names in order."""
        return iter(self._in_order())

    def __len__(self) -> int:
        """Count the files."""
        return len(self._files)

    def values(self) -> ValuesView[File]:
        """The files in order of names."""
        return self._in_order().values()

    def items(self) -> ItemsView[str, File]:
        """Names and files in order of names."""
        return self._in_order().items()

    def _in_order(self) -> dict[str, File]:
        """Return the files in order of names, which is found only when somebody looks: a change costs less without."""
        if not self._ordered:
            self._files, self._ordered = dict(sorted(self._files.items())), True
        return self._files
