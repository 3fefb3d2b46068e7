"""Policies of a route that keep clients out and do not apply to a subroute, which has Policies of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from headgate.api.nginx_org.virtualserver import Route
from headgate.problems import ObjectRef, Problem
from headgate.resolve.policies.kinds import Referrer, Scope, lower_policies
from headgate.resolve.search import Search
from headgate.routes import Policies

GUARDS: Final = {
    "access": "accessControl",
    "passwords": "basicAuth",
    "api_keys": "apiKey",
    "external_auth": "externalAuth",
}
"""The features of a route that keep clients out, and the types of Policies that they follow from."""


def replaced_guards(search: Search, route: Route, server: ObjectRef, place: int, own: Policies) -> tuple[str, ...]:
    """Return the types among the Policies of *route*, at *place* of *server*, that a subroute with *own* goes without.

    Search keeps what they refer to; what is wrong with them concerns the requests to which they apply.
    """
    if not route.policies or own.refused:
        return ()
    quiet = search.apart()
    field = f"spec.routes[{place}].policies"
    referrer = Referrer(origin=server, field=field, scope=Scope.ROUTE, guarded=f"path {route.path}")
    theirs = lower_policies(quiet, referrer, route.policies)
    search.take_references(quiet.found()[1])
    return tuple(kind for name, kind in GUARDS.items() if getattr(theirs, name) and not getattr(own, name))


def replaced(subroute: Referrer, path: str, found: tuple[str, ...], route: str) -> Iterator[Problem]:
    """Yield a Problem if *subroute*, which has *path*, goes without the *found* types of *route*."""
    if found:
        words = " and ".join(found)
        reason = f"replaces all Policies of {route}, also its {words}; repeat them here, or use spec.policies there"
        yield Problem(subroute.origin, subroute.field, "", reason, f"these do not guard path {path}")
