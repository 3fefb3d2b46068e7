"""Routes become paths of locations, by the letter of the Kubernetes Ingress API.

Prefix matches by path element: ``/foo`` and ``/foo/`` match ``/foo``, ``/foo/`` and ``/foo/bar``, not ``/foobar``.
Exact is exact. ImplementationSpecific is nginx's own prefix, as the incumbent has it. Exact goes before Prefix,
a longer Prefix before a shorter one.

nginx answers ``/foo`` with a redirect to ``/foo/`` where a proxied location is called ``/foo/``. The API knows no
such redirect, so beside a Prefix or an Exact ``/foo/`` there is always a location for ``/foo``.

Regular expressions are tried in the order in which they are written, whatever their type.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from headgate.problems import ObjectRef
from headgate.routes import PathRegex, PathType, Route

Key = tuple[str, str]
"""Modifier and path of a location."""

REGEX = {PathRegex.SENSITIVE: "~", PathRegex.INSENSITIVE: "~*"}
_RANK = {PathType.EXACT: 0, PathType.PREFIX: 1, PathType.SPECIFIC: 2, PathType.NGINX: 0, PathType.INTERNAL: 3}


class LocationPath(msgspec.Struct, frozen=True, gc=False):
    """A location to be.

    Attributes:
        modifier: empty, ``=``, ``~`` or ``~*``.
        path: the path, or the regular expression.
        route: what answers it, ``None`` for 404.
        cause: the object because of whose route there is the location at all, where that is not the one of *route*.
    """

    modifier: str
    path: str
    route: Route | None
    cause: ObjectRef | None = None


def location_paths(
    routes: Iterable[Route], default: Route | None, rest: str = "/"
) -> tuple[list[LocationPath], list[Route]]:
    """Lay out the locations of a server.

    Args:
        routes: all routes of the host; of two that claim one location the earlier one holds it.
        default: what answers the rest, if there is one.
        rest: the prefix of the rest: ``/``, or ``""`` where routes may be left out later. That one matches everything
            too, so that something always answers, and it is in nobody's way who wants ``/``.

    Returns:
        the locations, of which one always matches, and the routes that hold none because others hold theirs.
    """
    ordered = sorted(routes, key=_rank)
    found: dict[Key, Route | None] = {}
    lost: list[Route] = []
    for route in ordered:
        keys = _keys(route)
        if all(key in found for key in keys):
            lost.append(route)
        for key in keys:
            found.setdefault(key, route)
    prefixes = _Prefixes(ordered)
    causes: dict[Key, ObjectRef] = {}
    for route in ordered:
        match = route.match
        bare = match.path.rstrip("/")
        if match.type is PathType.EXACT and not match.regex and match.path.endswith("/") and bare:
            best, key = prefixes.best(bare), ("=", bare)
            if best is None and key not in found:
                causes[key] = route.origin
            found.setdefault(key, best or default)
    found.setdefault(("", rest), default)
    return [LocationPath(*key, route, causes.get(key)) for key, route in found.items()], lost


def _rank(route: Route) -> int:
    """Return who goes first where two routes want one location."""
    return 0 if route.match.pattern else _RANK[route.match.type]


def _keys(route: Route) -> tuple[Key, ...]:
    match = route.match
    if match.type is PathType.NGINX:
        return ((match.modifier, match.path),)
    if match.type is PathType.INTERNAL:
        return (("=", match.path),)
    if match.regex in REGEX:
        return ((REGEX[match.regex], f"^{match.path}"),)
    if match.type is PathType.EXACT or match.regex is PathRegex.EXACT:
        return (("=", match.path),)
    bare = match.path.rstrip("/")
    if match.type is PathType.PREFIX:
        return (("=", bare), ("", f"{bare}/")) if bare else (("", "/"),)
    return (("", match.path),)


class _Prefixes:
    """The routes that are no regular expressions and match by prefix, by path: of two with the same the first."""

    def __init__(self, ordered: Iterable[Route]) -> None:
        self._of_elements: dict[str, tuple[int, Route]] = {}
        self._of_text: dict[str, tuple[int, Route]] = {}
        for i, route in enumerate(ordered):
            if route.match.regex is None and route.match.type is PathType.PREFIX:
                self._of_elements.setdefault(route.match.path.rstrip("/"), (i, route))
            elif route.match.regex is None and route.match.type is PathType.SPECIFIC:
                self._of_text.setdefault(route.match.path, (i, route))

    def best(self, path: str) -> Route | None:
        """Return the route that answers *path*, which does not end with a slash, without a location of its own."""
        beginnings = [path[:end] for end in range(len(path) + 1)]
        elements = (text for text in beginnings if len(text) == len(path) or path[len(text)] == "/")
        fitting = [self._of_elements[text] for text in elements if text in self._of_elements]
        fitting += [self._of_text[text] for text in beginnings if text in self._of_text]
        longest = max(fitting, key=lambda found: (len(found[1].match.path.rstrip("/")), -found[0]), default=None)
        return longest[1] if longest else None
