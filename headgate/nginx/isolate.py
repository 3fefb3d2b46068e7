"""Which objects' new files must be left out for the rest to work. Pure, but for the probe that is passed in."""

from __future__ import annotations

import enum
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from headgate.ir import File, FileSet
from headgate.ir.apply import NOT_TRIED
from headgate.nginx.blame import Blame
from headgate.nginx.plan import same
from headgate.problems import ObjectRef

PROBES: Final = 64
"""How often ``bisect`` asks at most; what is undecided then is left out."""


_LISTEN: Final = re.compile(rb"(?:^|[\s{;])listen\s+([^\s;]+)")


class Hold(enum.Enum):
    """What stands in for an object's new files."""

    LAST_GOOD = "last good"
    ABSENT = "absent"


Holds = Mapping[ObjectRef, Hold]
Probe = Callable[[Holds], Awaitable[str]]
"""Tries the set with these origins held; returns nginx's complaint, empty if it works."""


def compose(wanted: FileSet, good: FileSet, holds: Holds) -> FileSet:
    """Return *wanted* with the last good files in place of those of the origins in *holds*.

    A protected file is never absent: whoever caused it, what *good* has under its name stands in.
    """
    if not holds:
        return wanted
    chosen = {file.name: file for file in wanted.values() if file.origin not in holds}
    for file in good.values():
        if file.origin is not None and holds.get(file.origin) is Hold.LAST_GOOD:
            chosen.setdefault(file.name, file)
    for file in wanted.values():
        if file.protected and file.name not in chosen:
            chosen[file.name] = good.get(file.name, file)
    return FileSet(chosen.values())


def changed(wanted: FileSet, good: FileSet) -> dict[ObjectRef, None]:
    """Return the origins of which any file differs between *wanted* and *good*, in order of names."""
    found: dict[ObjectRef, None] = {}
    here, there = dict(wanted.items()), dict(good.items())
    for one, other in ((here, there), (there, here)):
        for name, file in one.items():
            if file is not other.get(name) and file.origin is not None and not same(file, other.get(name)):
                found[file.origin] = None
    return found


def culprits(reason: Blame, candidate: FileSet, suspects: Mapping[ObjectRef, None]) -> list[ObjectRef]:
    """Return which of *suspects* caused what nginx complains about; empty if that cannot be said.

    The file that nginx names decides; else the files that mention what it complains about: a path, a zone, a port.
    """
    if named := candidate.get(reason.file):
        return [named.origin] if named.origin in suspects and named.origin is not None else []
    if reason.address:
        holders = _listening(reason, candidate)
    else:
        needles = [text.encode() for text in (reason.needle, *reason.paths) if text]
        holders = [file for file in candidate.values() if any(needle in file.data for needle in needles)]
    if any(file.origin is None for file in holders):
        return []
    return list(dict.fromkeys(file.origin for file in holders if file.origin is not None and file.origin in suspects))


async def bisect(origins: Sequence[ObjectRef], held: Holds, probe: Probe) -> dict[ObjectRef, str] | None:
    """Find which of *origins* cannot be let in, asking *probe* about halves.

    Returns:
        origin → complaint for each that cannot (or was not reached within ``PROBES``), or ``None`` if the set
        does not work even without all of them.
    """
    out: dict[ObjectRef, str] = {}
    waiting = set(origins)

    def without(group: set[ObjectRef]) -> Holds:
        return {**held, **dict.fromkeys(group | out.keys(), Hold.LAST_GOOD)}

    if await probe(without(waiting)):
        return None
    groups = [list(origins)]
    for _ in range(PROBES):
        if not groups:
            return out
        group = groups.pop()
        complaint = await probe(without(waiting.difference(group)))
        if not complaint:
            waiting.difference_update(group)
        elif len(group) == 1:
            out[group[0]] = complaint
            waiting.discard(group[0])
        else:
            middle = len(group) // 2
            groups += [group[middle:], group[:middle]]
    return {**out, **dict.fromkeys(waiting, f"{NOT_TRIED}: too many objects at once keep nginx from working")}


def _listening(reason: Blame, candidate: FileSet) -> list[File]:
    """Files with a ``listen`` directive for the address that could not be bound."""
    port, address = reason.port.encode(), reason.address.encode()

    def meant(word: bytes) -> bool:
        return word.rpartition(b":")[2] == port if port else word == address

    return [file for file in candidate.values() if any(map(meant, _LISTEN.findall(file.data)))]
