"""The files of all resources together, kept up to date file by file."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable

from msgspec import structs

from headgate.deltas import differing
from headgate.ir import File, FileSet
from headgate.ir.layout import SECRETS_FOLDER, TOKENS_FOLDER


class MergedFiles:
    """Adds and removes the files of resources; several resources may bring the same file (a Secret)."""

    def __init__(self) -> None:
        """Begin without files."""
        self._whole = FileSet()
        self._users: Counter[str] = Counter()
        self._pending: dict[str, File | None] = {}
        self._common: frozenset[str] = frozenset()
        self._digests: dict[str, str] = {}
        self.tokens: dict[str, File] = {}
        """The files below ``secrets/tokens``, which are pushed and not written; ``pushes`` is how often one changed."""
        self.pushes = 0
        self._secrets: set[str] = set()
        """The files below ``secrets`` that changed since ``take_secrets``."""

    def replace(self, old: tuple[File, ...], new: tuple[File, ...]) -> None:
        """Take the *new* files of a resource in place of the *old* ones; the newest content of a name counts.

        Files that are in both are left as they are.
        """
        _, gone, come = differing(old, new)
        before, after = set(map(id, gone)), set(map(id, come))
        for file in [file for file in come if id(file) not in before]:
            self._users[file.name] += 1
            self._take(file.name, file)
        for file in [file for file in gone if id(file) not in after]:
            self._users[file.name] -= 1
            if not self._users[file.name]:
                del self._users[file.name]
                self._take(file.name, None)

    def _take(self, name: str, file: File | None) -> None:
        if not name.startswith(f"{TOKENS_FOLDER}/"):
            self._pending[name] = file
            return
        self.pushes += 1
        self.tokens.pop(name, None)
        if file:
            self.tokens[name] = file

    def whole(self, common: Iterable[File]) -> FileSet:
        """Return every file with those *common* to all; the same object as long as nothing changed.

        Where a resource brings a common file (the default server), that of the resource counts, and the other one is
        what stands in its place while the files of that resource are left out.
        """
        fresh: dict[str, File | None] = {file.name: self._replaced(file) for file in common}
        gone = dict.fromkeys(name for name in self._common if name not in self._users)
        before, self._whole = self._whole, self._whole.changed({**gone, **self._pending, **fresh})
        for name in (*gone, *self._pending, *fresh):
            if name.startswith(f"{SECRETS_FOLDER}/") and before.get(name) is not self._whole.get(name):
                self._digests.pop(name, None)
                self._secrets.add(name)
        self._pending, self._common = {}, frozenset(fresh)
        return self._whole

    def take_secrets(self) -> frozenset[str]:
        """Return the files below ``secrets`` that changed since the last call."""
        found, self._secrets = frozenset(self._secrets), set()
        return found

    def digest(self, name: str) -> str:
        """Return the digest of a file, empty if it is not there."""
        file = self._whole.get(name)
        if file is None:
            return ""
        if name not in self._digests:
            self._digests[name] = hashlib.sha256(file.data).hexdigest()[:16]
        return self._digests[name]

    def _replaced(self, file: File) -> File:
        """Return the file that a resource brings in place of the common *file*, else that one itself."""
        if file.name not in self._users:
            return file
        brought = self._pending.get(file.name) or self._whole[file.name]
        return structs.replace(brought, fallback=file.data)
