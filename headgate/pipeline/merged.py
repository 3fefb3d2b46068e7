"""The files of all resources together, kept up to date file by file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from headgate.ir import File, FileSet


class MergedFiles:
    """Adds and removes the files of resources; several resources may bring the same file (a Secret)."""

    def __init__(self) -> None:
        """Begin without files."""
        self._whole = FileSet()
        self._users: Counter[str] = Counter()
        self._pending: dict[str, File | None] = {}
        self._common: frozenset[str] = frozenset()

    def __contains__(self, name: str) -> bool:
        """Whether a resource brings the file *name*."""
        return name in self._users

    def replace(self, old: Iterable[File], new: Iterable[File]) -> None:
        """Take the *new* files of a resource in place of the *old* ones; the newest content of a name counts."""
        for file in new:
            self._users[file.name] += 1
            self._pending[file.name] = file
        for file in old:
            self._users[file.name] -= 1
            if not self._users[file.name]:
                del self._users[file.name]
                self._pending[file.name] = None

    def whole(self, common: Iterable[File]) -> FileSet:
        """Return every file with those *common* to all; the same object as long as nothing changed."""
        fresh: dict[str, File | None] = {file.name: file for file in common}
        gone = dict.fromkeys(name for name in self._common if name not in self._users)
        self._whole = self._whole.changed({**gone, **self._pending, **fresh})
        self._pending, self._common = {}, frozenset(fresh)
        return self._whole
