"""The profiles of all resources: named locations that hosts without a server block share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from headgate.ir.http import Location

LIMIT: Final = 150
"""nginx looks for a named location one by one; with so many, a request takes 0.5 us longer."""

REFUSED: Final = "nginx refuses its settings in a shared location"


class Profiles:
    """Which profiles there are, and how many resources use each.

    One that is not used any more stays until there is no room: without it, nothing need be reloaded when it is used
    again, and nothing that nginx still serves by it is lost.

    nginx refuses all of them together. Then those that it has not accepted before are out, and the resources that need
    one have server blocks, of which nginx names those at fault. The profiles of the others are tried again
    (``pardon``). If it refuses these, too, halves of them are tried, until one alone is found to be bad.
    """

    def __init__(self, refused: Iterable[str] = (), held: Iterable[str] = ()) -> None:
        """Begin without profiles; *refused* are those that nginx does not accept, *held* those that it still uses."""
        self._users: Counter[str] = Counter()
        self._there: dict[str, Location] = {}
        self._refused = frozenset(refused)
        self._tried_again: frozenset[str] = frozenset()
        self._bad: frozenset[str] = frozenset()
        """Those of ``_refused`` that are not tried again: nginx refused each of them alone."""
        self._accepted: frozenset[str] = frozenset()
        self._serving: frozenset[str] = frozenset(held)
        """Those that nginx answers by since it last accepted anything; what it refuses leaves it with these."""
        self._held: frozenset[str] = frozenset(held)
        """Those of routes that stay because nginx refuses what is to replace them."""

    @property
    def refused(self) -> frozenset[str]:
        """Those that nginx does not accept."""
        return self._refused

    @property
    def held(self) -> frozenset[str]:
        """Those that are needed though no resource uses them."""
        return self._held

    @property
    def there(self) -> Mapping[str, Location]:
        """All that the configuration has, by name."""
        return self._there.copy()

    def admit(self, names: Iterable[str]) -> bool:
        """Return whether a resource may use *names*."""
        wanted = frozenset(names)
        return wanted.isdisjoint(self._refused) and len(wanted | self._users.keys() | self._held) <= LIMIT

    def why_not(self, names: Iterable[str]) -> str:
        """Return why a resource that needs *names* keeps server blocks."""
        return "there are too many different settings" if self._refused.isdisjoint(names) else REFUSED

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
        """Forget those that no resource uses and that nginx does not need for what it serves now."""
        needed = self._users.keys() | self._serving
        self._there = {name: location for name, location in self._there.items() if name in needed}

    def accept(self, held: Iterable[str] = ()) -> None:
        """Remember that nginx accepts all that are there, and still needs those that are *held*."""
        self._accepted = frozenset(self._there)
        self._held = frozenset(held)
        self._serving = self._held | self._users.keys()
        self._tried_again -= self._accepted

    def refuse(self) -> frozenset[str]:
        """Take those out that nginx has not accepted before, or all; return them.

        Those that no resource uses any more stay: what nginx serves in place of what it refuses may need them.
        """
        fresh = sorted(self._there.keys() - self._accepted or self._there)
        again = len(fresh) > 1 and self._tried_again.issuperset(fresh)
        out = frozenset(fresh[: len(fresh) // 2] if again else fresh)
        if len(fresh) == 1 and self._tried_again.issuperset(fresh):
            self._bad |= out
        self._refused |= out
        self._there = {name: location for name, location in self._there.items() if name not in out}
        return out

    @property
    def doubtful(self) -> frozenset[str]:
        """Those that are out and may yet be good."""
        return self._refused - self._bad

    def pardon(self, names: Iterable[str]) -> frozenset[str]:
        """Let those of *names* be tried again that may yet be good; return them."""
        found = self.doubtful.intersection(names)
        self._refused -= found
        self._tried_again |= found
        return found

    def forget_refused(self) -> None:
        """Let all be tried again."""
        self._refused = self._bad = self._tried_again = frozenset()
