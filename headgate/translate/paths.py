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

from headgate.routes import PathRegex, PathType, Route

Key = tuple[str, str]
"""Modifier and path of a location."""

REGEX = {PathRegex.SENSITIVE: "~", PathRegex.INSENSITIVE: "~*"}
_RANK = {PathType.EXACT: 0, PathType.PREFIX: 1, PathType.SPECIFIC: 2}


class LocationPath(msgspec.Struct, frozen=True, gc=False):
    """A location to be: ``route`` answers it, or nobody (404)."""

    modifier: str
    path: str
    route: Route | None


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
    for route in ordered:
        match = route.match
        bare = match.path.rstrip("/")
        if match.type is PathType.EXACT and not match.regex and match.path.endswith("/") and bare:
            found.setdefault(("=", bare), _best(bare, ordered) or default)
    found.setdefault(("", rest), default)
    return [LocationPath(modifier, path, route) for (modifier, path), route in found.items()], lost


def _rank(route: Route) -> int:
    """Return who goes first where two routes want one location."""
    return 0 if route.match.pattern else _RANK[route.match.type]


def _keys(route: Route) -> tuple[Key, ...]:
    match = route.match
    if match.regex in REGEX:
        return ((REGEX[match.regex], f"^{match.path}"),)
    if match.type is PathType.EXACT or match.regex is PathRegex.EXACT:
        return (("=", match.path),)
    bare = match.path.rstrip("/")
    if match.type is PathType.PREFIX:
        return (("=", bare), ("", f"{bare}/")) if bare else (("", "/"),)
    return (("", match.path),)


def _best(path: str, routes: Iterable[Route]) -> Route | None:
    """Return the route that answers *path* if its own location is left out of account."""
    fitting = [route for route in routes if not route.match.regex and _covers(route, path)]
    return max(fitting, key=lambda route: len(route.match.path.rstrip("/")), default=None)


def _covers(route: Route, path: str) -> bool:
    if route.match.type is PathType.PREFIX:
        return f"{path}/".startswith(f"{route.match.path.rstrip('/')}/")
    return route.match.type is not PathType.EXACT and path.startswith(route.match.path)
