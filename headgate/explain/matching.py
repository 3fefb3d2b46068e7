"""Which listener, which server, which location: nginx's rules, applied to ``ir``.

Sources: https://nginx.org/en/docs/http/request_processing.html (listeners and servers),
https://nginx.org/en/docs/http/server_names.html (names), and the ``location`` directive of
https://nginx.org/en/docs/http/ngx_http_core_module.html.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from headgate.ir.http import QUIC, Location, Server

EXACT, PREFIX, LAST_PREFIX = "=", "", "^~"
_UNLIKE = re.compile(r"\[\[[:.=]|\(\?[|&R0-9+'(-]|\(\*|\{,|\\[QEKRXhHvVNgkGpPCZz]")
"""Constructs of PCRE that Python's ``re`` does not know, or reads otherwise (pcre2pattern(3), re)."""
_NAMED = re.compile(r"\(\?<(?![=!])")


class Listen(msgspec.Struct, frozen=True):
    """One port of a server: a line of ``listen``, whichever family of addresses it is for."""

    port: int
    tls: bool
    default: bool
    proxy_protocol: bool


class Unjudged(Exception):  # noqa: N818 - what became of the expression
    """A regular expression that only nginx can judge; the text is the expression."""


class Found(msgspec.Struct, frozen=True):
    """The location of a path.

    Attributes:
        location: the one that answers; ``None`` if no location matches.
        others: those that match too, each with the reason why it does not answer.
        why: why this one does.
        slash: nginx redirects to the same path with a slash at its end, which the location is called after.
        unjudged: regular expressions that could not be tried here and may go before.
    """

    location: Location | None
    why: str = ""
    others: tuple[tuple[Location, str], ...] = ()
    slash: bool = False
    unjudged: tuple[str, ...] = ()


def listens(server: Server) -> Iterator[Listen]:
    """Yield where *server* listens; IPv4 and IPv6 always go together."""
    for words in server.listens:
        address, *flags = words
        if not address.startswith("unix:") and QUIC not in flags:  # HTTP/3 is beside the line of the listener
            port = int(address.rpartition(":")[2])
            yield Listen(port, "ssl" in flags, "default_server" in flags, "proxy_protocol" in flags)


def speaks_http3(server: Server, port: int) -> bool:
    """Whether *server* has HTTP/3 on *port*."""
    return any(QUIC in flags and address.rpartition(":")[2] == str(port) for address, *flags in server.listens)


def listen(server: Server, port: int) -> Listen | None:
    """Return how *server* listens on *port*, if it does."""
    return next((found for found in listens(server) if found.port == port), None)


def default_of(servers: Sequence[Server], port: int) -> Server:
    """Return the server of *port* for names that no server has: the one that says so, else the first one read."""
    here = [server for server in servers if listen(server, port)]
    return next((server for server in here if listen(server, port).default), here[0])  # type: ignore[union-attr]


def named(servers: Iterable[Server], name: str, port: int) -> list[Server]:
    """Return the servers of *port* that have *name*, the one that nginx takes first.

    An exact name goes before a regular expression, and of these the first one read counts. ``translate`` writes a
    wildcard as a regular expression, because Kubernetes' covers exactly one label.
    """
    here = [server for server in servers if listen(server, port)]
    exact = [server for server in here if str(server.name) == name]
    return exact + [server for server in here if server.name.startswith("~") and re.search(server.name[1:], name)]


def locate(locations: Iterable[Location], path: str) -> Found:
    """Find the location of *path*, which is decoded and without ``//``, ``.`` and ``..``."""
    every = list(locations)
    fitting, unjudged = _fitting(every, path)
    exact = [found for found in fitting if found.modifier == EXACT]
    prefixes = sorted((found for found in fitting if found.modifier in {PREFIX, LAST_PREFIX}),
                      key=lambda found: len(found.path), reverse=True)  # fmt: skip
    patterns = [found for found in fitting if found.modifier.startswith("~")]
    if exact:
        why = "it is exactly this path, and nginx ends the search"
        return Found(exact[0], why, _lost([*prefixes, *patterns], "an exact path takes precedence"))
    if slash := _slash(every, path, prefixes):
        why = "nginx answers a path that lacks only the final slash of a proxied location with a redirect to it"
        return Found(slash, why, _lost(fitting, "that redirect takes precedence"), slash=True)
    if prefixes and prefixes[0].modifier == LAST_PREFIX:
        why = "it is the longest prefix of the path, and with ^~ nginx does not check regular expressions"
        return Found(prefixes[0], why, _lost(patterns, "is not checked because of ^~") + _shorter(prefixes[1:]))
    if patterns:
        first, *later = patterns
        why = "its regular expression matches, and is the first to do so" if later else "its regular expression matches"
        lost = _lost(later, "matches too, but comes later")
        return Found(first, why, lost + _lost(prefixes, "a regular expression takes precedence"), unjudged=unjudged)
    if not prefixes:
        return Found(None, unjudged=unjudged)
    tried = any(found.modifier.startswith("~") for found in every)
    why = "it is the longest prefix of the path" + (", and no regular expression matches" if tried else "")
    return Found(prefixes[0], why, _shorter(prefixes[1:]), unjudged=unjudged)


def matches(pattern: str, modifier: str, path: str) -> re.Match[bytes] | None:
    """Match as nginx does: bytes, anywhere in *path*, with ``~*`` in any case of ASCII.

    Raises:
        Unjudged: the expression says something in PCRE that Python does not understand in the same way.
    """
    if _UNLIKE.search(pattern):
        raise Unjudged(pattern)
    flags = re.IGNORECASE if modifier == "~*" else 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)  # about sets inside sets, which PCRE does not know
            compiled = re.compile(_NAMED.sub("(?P<", pattern).encode(), flags)
    except (re.error, FutureWarning):
        raise Unjudged(pattern) from None
    return compiled.search(path.encode("utf-8", "surrogateescape"))


def _fitting(locations: Iterable[Location], path: str) -> tuple[list[Location], tuple[str, ...]]:
    """Return the locations that match *path*, and the expressions that only nginx can judge."""
    fitting: list[Location] = []
    unjudged: list[str] = []
    for location in locations:
        try:
            if _fits(location, path):
                fitting.append(location)
        except Unjudged as pattern:
            unjudged.append(str(pattern))
    return fitting, tuple(unjudged)


def _fits(location: Location, path: str) -> bool:
    if location.modifier == EXACT:
        return path == location.path
    if location.modifier.startswith("~"):
        return matches(location.path, location.modifier, path) is not None
    return path.startswith(location.path)


def _slash(locations: Iterable[Location], path: str, prefixes: Sequence[Location]) -> Location | None:
    """Return the proxied location that is called *path* and a slash, if none is called *path* itself."""
    if any(found.path == path for found in prefixes):
        return None
    called = (found for found in locations if found.path == f"{path}/" and not found.modifier.startswith("~"))
    return next((found for found in called if found.backend), None)


def _shorter(prefixes: Iterable[Location]) -> tuple[tuple[Location, str], ...]:
    return _lost(prefixes, "is a shorter prefix")


def _lost(locations: Iterable[Location], why: str) -> tuple[tuple[Location, str], ...]:
    return tuple((location, why) for location in locations)
