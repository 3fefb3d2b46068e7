"""The variables by which splits and matches choose a location, for hosts without a server block. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from headgate.ir.http import HttpConfig
from headgate.translate import dedicated
from headgate.translate.pushed import mapped, shares_of, variables_of


class Choosing:
    """The variables that decide which location answers: *maps*, and *splits* that divide requests."""

    def __init__(self, configs: Iterable[HttpConfig]) -> None:
        """Look at what *configs*, the files of a resource, have."""
        every = [config for config in configs if config.maps or config.splits]
        found = {each.variable: each for config in every for each in config.maps}
        self.splits = {each.variable: shares_of(each) for config in every for each in config.splits}
        own = found.keys() | self.splits.keys()
        maps = {name: mapped(each, own) for name, each in found.items()}
        self.maps = {name: each for name, each in maps.items() if each}
        self._others = found.keys() - self.maps.keys()

    def reasons(self, jumps: Iterable[str]) -> Iterator[str]:
        """Yield why they keep a server block: one is not known, or something else than *jumps* reads it."""
        left = {jump.removeprefix("$") for jump in jumps if jump}
        read: set[str] = set()
        known = self.maps.keys() | self.splits.keys()
        while left:
            name = left.pop()
            read.add(name)
            left.update(found for found in self._read_by(name) if found in known and found not in read)
        if self._others or read != known:
            yield dedicated.CONDITIONS

    def _read_by(self, name: str) -> Iterator[str]:
        """Yield the variables from which *name* follows."""
        if each := self.maps.get(name):
            values = (*each.values.values(), *(text for *_, text in each.patterns))
            for text in (each.source, each.otherwise, *values):
                yield from variables_of(text)
