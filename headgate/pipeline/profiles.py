"""The profiles of all resources: named locations that hosts without a server block share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from headgate.ir.http import Location

LIMIT: Final = 150
"""nginx looks for a named location one by one; with so many, a request takes 0.5 us longer."""


class Profiles:
    """Which profiles there are, and how many resources use each.

    One that is not used any more stays until there is no room: without it, nothing need be reloaded when it is used
    again, and nothing that nginx still serves by it is lost.
    """

    def __init__(self, refused: Iterable[str] = ()) -> None:
        """Begin without profiles; *refused* are those that nginx does not accept."""
        self._users: Counter[str] = Counter()
        self._there: dict[str, Location] = {}
        self._refused = frozenset(refused)
        self._accepted: frozenset[str] = frozenset()

    @property
    def refused(self) -> frozenset[str]:
        """Those that nginx does not accept."""
        return self._refused

    @property
    def there(self) -> Mapping[str, Location]:
        """All that the configuration has, by name."""
        return self._there.copy()

    def admit(self, names: Iterable[str]) -> bool:
        """Return whether a resource may use *names*."""
        wanted = frozenset(names)
        return wanted.isdisjoint(self._refused) and len(wanted | self._users.keys()) <= LIMIT

    def replace(self, old: Mapping[str, Location], new: Mapping[str, Location]) -> None:
        """Take the profiles that a resource uses now in place of those that it used."""
        for name, location in new.items():
            self._users[name] += 1
            self._there.setdefault(name, location)
        for name in old:
            self._users[name] -= 1
            if not self._users[name]:
                del self._users[name]
        if len(self._there) > LIMIT:
            self.prune()

    def prune(self) -> None:
        """Forget those that no resource uses."""
        self._there = {name: location for name, location in self._there.items() if name in self._users}

    def accept(self) -> None:
        """Remember that nginx accepts all that are there."""
        self._accepted = frozenset(self._there)

    def refuse(self) -> frozenset[str]:
        """Take all that nginx has not accepted before for refused, or all; return them.

        Those that no resource uses any more stay: what nginx serves in place of what it refuses may need them.
        """
        fresh = frozenset(self._there.keys() - self._accepted or self._there)
        self._refused |= fresh
        self._there = {name: location for name, location in self._there.items() if name not in fresh}
        return fresh

    def forget_refused(self) -> None:
        """Let all be tried again."""
        self._refused = frozenset()
