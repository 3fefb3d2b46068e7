"""Which objects' new files must be left out for the rest to work. Pure, but for the probe that is passed in."""

from __future__ import annotations

import enum
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from typing import Final

from headgate.ir import File, FileSet
from headgate.ir.apply import NOT_TRIED
from headgate.ir.http import ROUTES, SERVER_CLAIM
from headgate.ir.layout import SECRETS_FOLDER
from headgate.nginx.blame import Blame, Cause
from headgate.nginx.plan import same
from headgate.problems import ObjectRef

UNDECIDED: Final = Blame(
    message=f"{NOT_TRIED}: the search for other objects that nginx refuses timed out; it is retried soon",
    cause=Cause.TIME,
)

_LISTEN: Final = re.compile(rb"(?:^|[\s{;])listen\s+([^\s;]+)")


class Hold(enum.Enum):
    """What stands in for an object's new files."""

    LAST_GOOD = "last good"
    ABSENT = "absent"
    BARE = "bare"
    """As ABSENT, and nginx refuses what would be ``partial`` then."""


Holds = Mapping[ObjectRef, Hold]
Routed = Collection[tuple[str, ObjectRef]]
"""What files of others must not claim because of hosts without files, with the object that has each host."""
Probe = Callable[[Holds], Awaitable[Blame | None]]
"""Tries the set with these origins held; returns nginx's complaint, ``None`` if it works."""


def compose(wanted: FileSet, good: FileSet, holds: Holds, routed: Routed = ()) -> FileSet:
    """Return *wanted* with the last good files in place of those of the origins in *holds*.

    While the profiles are held, the origins of *routed* that have no files now have their last good ones, too.
    Where an origin has no last good files, or others need their names now, its files are absent, or hold what is
    ``partial``, their ``fallback`` or what is ``closed``. Files that follow a port are there where another file opens
    it.
    """
    if not holds:
        return wanted
    chosen: dict[str, File] = {}
    earlier = list(_last_good(wanted, good, holds, routed))
    kept = {file.origin for file in earlier}
    for file in wanted.values():
        if stays := _in_place(file, holds, kept):
            chosen[file.name] = stays
    for file in earlier:
        chosen[file.name] = file
    return FileSet((*_without_idle_ports(chosen), *_of_last_good_ports(chosen, wanted, good)))


def _in_place(file: File, holds: Holds, kept: Collection[ObjectRef | None]) -> File | None:
    """Return what *file* is while *holds* are out, of which *kept* have last good files; ``None`` for nothing."""
    if file.origin is None or file.origin not in holds:
        return file
    if file.origin in kept:  # their last good files, whose names may be others, serve the same hosts
        return file.beside_last_good()
    return file.without_origin(bare=holds[file.origin] is Hold.BARE)


def _opened(chosen: Mapping[str, File]) -> set[int]:
    return {port for file in chosen.values() for port in file.opens}


def _without_idle_ports(chosen: Mapping[str, File]) -> Iterator[File]:
    """Yield *chosen* without the files that follow a port which no other file opens."""
    opened = _opened(chosen)
    return (file for file in chosen.values() if file.follows is None or file.follows in opened)


def _of_last_good_ports(chosen: Mapping[str, File], wanted: FileSet, good: FileSet) -> Iterator[File]:
    """Yield the last good files that follow a port which a last good file opens: default servers, and hosts of others.

    Without them the wildcard of a last good file would answer for a host of another object on its earlier port.
    """
    opened = _opened(chosen)
    following = [file for file in good.values() if file.follows in opened and file.name not in chosen]
    if not following:
        return
    own = {(file.origin, port) for file in chosen.values() for port in file.opens}
    taken = _claimed(wanted, {claim for file in following for claim in file.claims})
    for file in following:
        hosts = [claim for claim in file.claims if claim.startswith(SERVER_CLAIM)]
        held = bool(hosts) and all(taken.get(claim) == {file.origin} for claim in hosts)
        if file.origin is None or (held and (file.origin, file.follows) not in own):
            yield file


def _last_good(wanted: FileSet, good: FileSet, holds: Holds, routed: Routed) -> Iterator[File]:
    """Yield the last good files of held origins, all files of an origin or none.

    An object that is gone, or that is wanted nowhere, never comes back. Nor do files with a name, a host or another
    claim that now belongs to another origin, whether that one works or not; nor files that read a Secret which is gone,
    or that no server includes any more; nor those that lack a guard of the wanted ones, for these would let in clients
    that are to be kept out.
    """
    wanting = _origins(wanted)
    held = {origin for origin in wanting if holds.get(origin) is Hold.LAST_GOOD}
    if ROUTES in holds:
        held |= {origin for _, origin in routed} - wanting
    earlier: dict[ObjectRef, list[File]] = {}
    for file in good.values():
        if file.origin is not None and file.origin in held:
            earlier.setdefault(file.origin, []).append(file)
    if not earlier:
        return
    taken = _claimed(wanted, {claim for files in earlier.values() for file in files for claim in file.claims})
    for claim, origin in routed:
        taken.setdefault(claim, set()).add(origin)
    unread, guards = _unread(wanted, good), _guards(wanted.values(), earlier)
    for origin, files in earlier.items():
        if guards[origin] <= _guards(files, earlier)[origin] and not any(
            _in_the_way(file, wanted, taken) or (unread and unread.search(file.data)) for file in files
        ):
            yield from files


def _guards(files: Iterable[File], origins: Collection[ObjectRef]) -> dict[ObjectRef, frozenset[str]]:
    """Return what keeps clients out in *files* of each of *origins*."""
    found: dict[ObjectRef, frozenset[str]] = dict.fromkeys(origins, frozenset())
    for file in files:
        if file.guards and file.origin in found:
            found[file.origin] |= file.guards
    return found


def _claimed(wanted: FileSet, claims: set[str]) -> dict[str, set[ObjectRef]]:
    """Return which origins have each of *claims* now."""
    taken: dict[str, set[ObjectRef]] = {}
    for file in wanted.values():
        if file.origin is not None and not claims.isdisjoint(file.claims):
            for claim in claims & file.claims:
                taken.setdefault(claim, set()).add(file.origin)
    return taken


def _in_the_way(file: File, wanted: FileSet, taken: Mapping[str, set[ObjectRef]]) -> bool:
    """Whether the last good *file* has something that belongs to another origin now, or has lost its place."""
    now = wanted.get(file.name)
    if now is not None and now.origin != file.origin and not (now.origin is None and file.fallback is not None):
        return True
    if file.within and now is None:
        return True
    return any(taken.get(claim, set()) - {file.origin} for claim in file.claims)


def _unread(wanted: FileSet, good: FileSet) -> re.Pattern[bytes] | None:
    """Return what finds the path of a Secret's file that is no longer there, ``None`` if all are."""
    gone = [re.escape(name.encode()) for name in good if is_secret(name) and name not in wanted]
    return re.compile(rb"(?:%s)(?![\w.-])" % b"|".join(gone)) if gone else None


def changed(wanted: FileSet, good: FileSet) -> dict[ObjectRef, None]:
    """Return the origins with files in *wanted* of which any differs from *good*, in order of names.

    So does one that no server of *good* includes: nginx never read it. A Secret that is new is none of them: nginx
    reads it only where other files name it, and these need it.
    """
    wanting = _origins(wanted)
    found: dict[ObjectRef, None] = {}
    here, there = dict(wanted.items()), dict(good.items())
    for one, other in ((here, there), (there, here)):
        for name, file in one.items():
            if file is other.get(name) or file.origin is None or file.origin not in wanting:
                continue
            new_secret = one is here and name not in there and is_secret(name)
            if not new_secret and not same(file, other.get(name)):
                found[file.origin] = None
    return found | dict.fromkeys(sorted(idle(good) & wanting))


def is_secret(name: str) -> bool:
    """Whether the file called *name* is the data of a Secret."""
    return name.startswith(f"{SECRETS_FOLDER}/")


def idle(files: FileSet) -> set[ObjectRef]:
    """Return the origins with a file for a server that is not there, since the server's own origin was refused."""
    attached = [file for file in files.values() if file.within]
    there = {claim for file in files.values() for claim in file.claims} if attached else set()
    return {file.origin for file in attached if file.origin is not None and file.within not in there}


def gone(wanted: FileSet, good: FileSet) -> FileSet:
    """Return the files of *good* whose origins want nothing any more."""
    wanting = _origins(wanted)
    return FileSet(file for file in good.values() if file.origin is not None and file.origin not in wanting)


def _origins(files: FileSet) -> set[ObjectRef]:
    return {file.origin for file in files.values() if file.origin is not None}


def culprits(reason: Blame, candidate: FileSet, suspects: Collection[ObjectRef]) -> list[ObjectRef]:
    """Return which of *suspects* caused what nginx complains about; empty if that is unknown.

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


def moves(origin: ObjectRef, port: str, wanted: FileSet, good: FileSet) -> bool:
    """Whether *origin* listens on *port* already, at other addresses than it wants.

    nginx opens the new addresses before it closes the old ones, which it cannot if one of them is all addresses.
    """
    before, after = (_places(origin, port.encode(), files) for files in (good, wanted))
    return bool(port and before and after - before)


def on_shifted_port(port: str, wanted: FileSet, good: FileSet) -> frozenset[ObjectRef]:
    """Return all origins that want *port*, if it is open at all addresses and wanted at some, or the other way round.

    Where one file has all addresses of a port nginx opens no others; when that file comes or goes, it opens what is new
    before it closes the old, which it cannot. All of them must leave the port for a moment.
    """
    before, after = _opened_at(good, port.encode()), _opened_at(wanted, port.encode())
    shifted = any(
        one and other and one != other and None in one | other for one, other in zip(before, after, strict=True)
    )
    origins = {file.origin for file in wanted.values() if file.follows is None and _words(file, port.encode())}
    return frozenset(origin for origin in origins if origin) if port and shifted else frozenset()


def listening_at(address: str, files: FileSet) -> frozenset[ObjectRef]:
    """Return the origins that listen at exactly *address*, with its port; none if Headgate itself does."""
    word = address.encode()
    found = {file.origin for file in files.values() if file.follows is None and word in _LISTEN.findall(file.data)}
    return frozenset(origin for origin in found if origin) if None not in found else frozenset()


def _opened_at(files: FileSet, port: bytes) -> tuple[set[bytes | None], set[bytes | None]]:
    """Return where nginx opens *port* for IPv4 and for IPv6; ``None`` stands for all addresses."""
    words = {word for file in files.values() for word in _words(file, port)}
    families: tuple[set[bytes | None], set[bytes | None]] = set(), set()
    for word in words:
        address = word.rpartition(b":")[0]
        families[address.startswith(b"[")].add(None if address in {b"", b"[::]"} else address)
    return {None} if None in families[0] else families[0], {None} if None in families[1] else families[1]


def _words(file: File, port: bytes) -> Iterator[bytes]:
    """Yield where *file* listens on *port*."""
    return (word for word in _LISTEN.findall(file.data) if word.rpartition(b":")[2] == port)


def _places(origin: ObjectRef, port: bytes, files: FileSet) -> set[bytes]:
    own = (file for file in files.values() if file.origin == origin)
    return {word for file in own for word in _words(file, port)}


async def bisect(
    origins: Holds, held: Holds, probe: Probe, expired: Callable[[], bool]
) -> dict[ObjectRef, Blame] | None:
    """Find which of *origins* cannot be accepted, asking *probe* about halves.

    Args:
        origins: the origins in question, and what stands in for each that is not accepted.
        held: those that are out already.
        probe: tries a set.
        expired: whether no further set may be tried.

    Returns:
        origin → complaint for each that cannot, or that was not reached in time; ``None`` if the set does not work
        even without all of them.
    """
    out: dict[ObjectRef, Blame] = {}
    waiting = dict(origins)

    def without(group: Collection[ObjectRef]) -> Holds:
        return {**held, **{origin: origins[origin] for origin in (*group, *out)}}

    if await probe(without(waiting)):
        return None
    groups = [list(origins)]
    while groups and not expired():
        group = groups.pop()
        complaint = await probe(without(waiting.keys() - group))
        if complaint is not None and len(group) > 1:
            middle = len(group) // 2
            groups += [group[middle:], group[:middle]]
            continue
        if complaint is not None:
            out[group[0]] = complaint
        for origin in group:
            del waiting[origin]
    return {**out, **dict.fromkeys(waiting, UNDECIDED)}


def _listening(reason: Blame, candidate: FileSet) -> list[File]:
    """Files with a ``listen`` directive for the address that could not be bound, but for those that follow others."""
    port, address = reason.port.encode(), reason.address.encode()

    def meant(word: bytes) -> bool:
        return word.rpartition(b":")[2] == port if port else word == address

    found = (file for file in candidate.values() if file.follows is None)
    return [file for file in found if any(map(meant, _LISTEN.findall(file.data)))]
