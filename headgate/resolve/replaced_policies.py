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
    "jwt": "jwt",
    "external_auth": "externalAuth",
    "oidc": "oidc",
}
"""The features of a route that keep clients out, and the types of Policies that they follow from."""


def replaced_guards(search: Search, route: Route, server: ObjectRef, place: int, own: Policies) -> str:
    """Return which Policies of *route*, at *place* of *server*, a subroute with *own* goes without, ``""`` for none.

    One that cannot be used counts: it may be one that keeps clients out. Search keeps what they refer to; what is wrong
    with them is reported where they apply.
    """
    if not route.policies or own.refused:
        return ""
    quiet = search.apart()
    field = f"spec.routes[{place}].policies"
    referrer = Referrer(origin=server, field=field, scope=Scope.ROUTE, guarded=f"path {route.path}")
    theirs = lower_policies(quiet, referrer, route.policies)
    search.take_references(quiet.found()[1])
    types = [kind for name, kind in GUARDS.items() if getattr(theirs, name) and not getattr(own, name)]
    found = [f"its {' and '.join(types)}"] if types else []
    if theirs.refused:
        found.append(f"one that cannot be used ({theirs.refused.partition(';')[0]})")
    return " and ".join(found)


def replaced(subroute: Referrer, path: str, found: str, route: str) -> Iterator[Problem]:
    """Yield a Problem if *subroute*, which has *path*, goes without what was *found* among the Policies of *route*."""
    if found:
        reason = f"replaces all Policies of {route}, also {found}; repeat them here, or use spec.policies there"
        yield Problem(subroute.origin, subroute.field, "", reason, f"these do not guard path {path}")
