"""File names that two owners may want at once: ``a-b/c`` and ``a/b-c`` both read ``a-b-c``."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from typing import Generic, TypeVar

Owner = TypeVar("Owner", bound=Hashable)

LONGEST = 200
"""Characters of a name; a file system takes 255 bytes, and suffixes and temporary names need room."""
DIGITS = 8
"""Hexadecimal digits of the hash that tells two owners apart."""


class Names(Generic[Owner]):
    """Gives each owner a name of its own, the wanted one if it is free.

    The first to come keeps the plain name while it lives; another gets a hash of itself behind it.
    Claims that come in sorted order therefore always give the same names. An owner's ``str`` must
    be unique, for it is what is hashed.
    """

    def __init__(self) -> None:
        """Begin with every name free."""
        self._names: dict[Owner, tuple[str, str]] = {}
        self._owners: dict[str, Owner] = {}

    def claim(self, owner: Owner, wanted: str) -> str:
        """Return the name of *owner*: the one it has, else *wanted* or *wanted* with a hash.

        An owner has one name: if it wants another than before, it loses the old one.
        """
        had = self._names.get(owner)
        if had and had[0] == wanted:
            return had[1]
        self.release(owner)
        name = self._free(owner, wanted)
        self._names[owner] = wanted, name
        self._owners[name] = owner
        return name

    def release(self, owner: Owner) -> None:
        """Free the name of *owner*, if it has one."""
        if had := self._names.pop(owner, None):
            del self._owners[had[1]]

    def _free(self, owner: Owner, wanted: str) -> str:
        """Find a name that is free; the hash grows should even that be taken."""
        if len(wanted) <= LONGEST and wanted not in self._owners:
            return wanted
        digest = hashlib.sha256(str(owner).encode()).hexdigest()
        candidates = (f"{wanted[: LONGEST - size - 1]}-{digest[:size]}" for size in range(DIGITS, len(digest) + 1))
        return next(name for name in candidates if name not in self._owners)
