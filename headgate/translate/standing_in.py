"""What stands in for a file that nginx refuses, while no last good one does.

What the file keeps clients out of is answered 500: without it a broader path of the same host would answer unguarded.
And the server of a host stays for the other objects that attach to it, without what its own object says there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from msgspec import structs

from headgate.ir.http import HttpConfig, Location, Server, Tls
from headgate.settings import NOTHING, Quoted, Words
from headgate.settings.community.guarded import guards_by_snippet
from headgate.settings.regex import is_simple
from headgate.translate.errors import NO_PAGE

_LITERAL: Final = re.compile(r"\^((?:[^\\\[\](){}?*+|^$.](?![?*+{]))*)")
"""The beginning of a regular expression in which each character stands for itself."""
_ELSEWHERE: Final = Location(path=Quoted(""), answer=Words(("404",)), own=NOTHING)
"""What no other location of a server has."""


def is_guarded(config: HttpConfig) -> bool:
    """Whether *config* keeps clients out of what it serves, also if only a snippet does."""
    return bool(config.guards) or any(map(guards_by_snippet, _snippets(config)))


def refused_locations(locations: Iterable[Location]) -> Iterator[Location]:
    """Yield for each of *locations* that clients reach one that answers 500.

    Of a regular expression that nginx may refuse itself only the literal beginning is looked at.
    """
    seen: set[tuple[str, str]] = set()
    for each in locations:
        place = each.modifier, _path(each)
        if not each.internal and not each.path.startswith("@") and place not in seen:
            seen.add(place)
            yield Location(path=place[1], modifier=each.modifier, own=NOTHING, refused=True, lines=(NO_PAGE,))


def shell(server: Server, usual: Collection[Words], *, guarded: bool) -> Server | None:
    """Return *server* for those that attach to it, without what its own object has there.

    It is on the *usual* ports, which nginx can always open. The object's own paths answer 500 if it is *guarded*.
    There is none if a snippet keeps clients out of the whole server.
    """
    lines = tuple(line for line in server.listens if line in usual)
    if not lines or server.attached is None or guards_by_snippet(server.snippet or ""):
        return None
    own = [each for each in server.locations if not each.origin]
    closed = [each for each in refused_locations(own) if guarded and each.path]
    return structs.replace(
        server,
        listens=lines,
        tls=Tls(reject=server.tls.reject) if server.tls else None,
        snippet=None,
        locations=(*closed, _ELSEWHERE),
    )


def _snippets(config: HttpConfig) -> Iterator[str]:
    for server, locations in config.blocks:
        if server.snippet and not config.within:
            yield server.snippet
        yield from (each.snippet for each in locations if each.snippet)


def _path(location: Location) -> str:
    """Return the path of what stands in for *location*; nginx accepts it."""
    if not location.modifier.startswith("~") or is_simple(location.path):
        return location.path
    literal = _LITERAL.match(location.path) if "|" not in location.path else None
    return Quoted(f"^{re.escape(literal[1]) if literal and literal[1] else '/'}")
