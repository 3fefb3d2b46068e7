"""Paths become locations, by the letter of the Kubernetes Ingress API.

Prefix matches by path element: ``/foo`` and ``/foo/`` match ``/foo``, ``/foo/`` and ``/foo/bar``, not ``/foobar``.
Exact is exact. ImplementationSpecific is nginx's own prefix, as the incumbent has it. Exact goes before Prefix,
a longer Prefix before a shorter one.

nginx answers ``/foo`` with a redirect to ``/foo/`` where a proxied location is called ``/foo/``. The API knows no
such redirect, so beside a Prefix or an Exact ``/foo/`` there is always a location for ``/foo``.

Regular expressions (``nginx.org/path-regex``) are tried in the order in which they are written, whatever their type.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")

Match = tuple[str, str]
"""Modifier and path of a location."""

REGEX = {"case_sensitive": "~", "case_insensitive": "~*"}


class Route(msgspec.Struct, Generic[T], frozen=True):
    """A path of an Ingress and what answers it; ``regex`` is the value of ``nginx.org/path-regex``."""

    path: str
    kind: str
    target: T
    regex: str | None = None


class Place(msgspec.Struct, Generic[T], frozen=True):
    """A location to be: ``route`` answers it, or nobody (404)."""

    modifier: str
    path: str
    route: Route[T] | None


def places(routes: Iterable[Route[T]], default: Route[T] | None) -> tuple[list[Place[T]], list[Route[T]]]:
    """Lay out the locations of a server.

    Args:
        routes: all paths of the host; of two that claim one location the earlier one holds it.
        default: what answers the rest, if there is one.

    Returns:
        the locations, of which one always matches, and the routes that hold none because others hold theirs.
    """
    ordered = sorted(routes, key=_rank)
    found: dict[Match, Route[T] | None] = {}
    lost: list[Route[T]] = []
    for route in ordered:
        matches = _matches(route)
        if all(match in found for match in matches):
            lost.append(route)
        for match in matches:
            found.setdefault(match, route)
    for route in ordered:
        bare = route.path.rstrip("/")
        if route.kind == "Exact" and not route.regex and route.path.endswith("/") and bare:
            found.setdefault(("=", bare), _best(bare, ordered) or default)
    found.setdefault(("", "/"), default)
    return [Place(modifier, path, route) for (modifier, path), route in found.items()], lost


def _rank(route: Route[T]) -> int:
    """Return who goes first where two routes want one location."""
    return {"Exact": 0, "Prefix": 1}.get(route.kind, 2) if route.regex not in REGEX else 0


def _matches(route: Route[T]) -> tuple[Match, ...]:
    path = route.path or "/"
    if route.regex in REGEX:
        return ((REGEX[route.regex], f"^{path}"),)
    if route.kind == "Exact" or route.regex == "exact":
        return (("=", path),)
    bare = path.rstrip("/")
    if route.kind == "Prefix":
        return (("=", bare), ("", f"{bare}/")) if bare else (("", "/"),)
    return (("", path),)


def _best(path: str, routes: Iterable[Route[T]]) -> Route[T] | None:
    """Return the route that answers *path* if its own location is left out of account."""
    fitting = [route for route in routes if not route.regex and _covers(route, path)]
    return max(fitting, key=lambda route: len(route.path.rstrip("/")), default=None)


def _covers(route: Route[T], path: str) -> bool:
    if route.kind == "Prefix":
        return f"{path}/".startswith(f"{route.path.rstrip('/')}/")
    return route.kind != "Exact" and path.startswith(route.path or "/")
