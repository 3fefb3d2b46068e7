"""Routes that are added, removed or changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from headgate.comparing.hosts import Hosts, backend, by_domain, changes, operation
from headgate.comparing.report import RouteChange
from headgate.routes import Backend, Forward, PathType, Policies, Route, VirtualHost
from headgate.routes.actions import Answer, Changes, Choice, Condition, ErrorPage, Redirect, ServicePage, Split
from headgate.routes.policies import FEATURES

Routes = Mapping[str, Route]
"""The routes of a host by what they match, without internal ones."""


def by_match(host: VirtualHost) -> Routes:
    """Return the routes of *host* that clients reach; of two that match the same the first."""
    found: dict[str, Route] = {}
    for route in host.routes:
        if route.match.type is not PathType.INTERNAL:
            found.setdefault(_match(route), route)
    return found


def routes(old: Hosts, new: Hosts) -> Iterator[RouteChange]:
    """Yield the routes that differ, by host, and in the order of the objects."""
    for name in sorted(old.keys() | new.keys(), key=by_domain):
        hosts = [side[name].host if name in side else None for side in (old, new)]
        before, after = (by_match(host) if host else {} for host in hosts)
        for match in dict.fromkeys((*before, *after)):
            fields = changes(
                *(_fields(found.get(match), host) for found, host in zip((before, after), hosts, strict=True))
            )
            if fields:
                yield RouteChange(operation(match in before, match in after), name, match, fields)


def _match(route: Route) -> str:
    regex = f", regex {route.match.regex.value}" if route.match.regex else ""
    return f"{route.match}{regex}"


def _fields(route: Route | None, host: VirtualHost | None) -> Mapping[str, str]:
    """Return what can be compared of *route*; a field that is usual is left out."""
    if route is None or host is None:
        return {}
    found = {"object": str(route.origin), "action": _action(route, host)}
    if isinstance(route.action, Forward) and route.action.changes:
        found |= _changed(route.action.changes)
    found |= policies(route.policies)
    if route.error_pages:
        found["error pages"] = ", ".join(map(_error_page, route.error_pages))
    return found


def policies(found: Policies) -> Mapping[str, str]:
    """Return what Policies ask, by the field of ``routes.Policies``; a Policy that cannot be used as well."""
    named = {name: value for name in FEATURES if (value := getattr(found, name))}
    values = {f"policy {name}": _digested(value) for name, value in named.items()}
    return values | ({"policies": f"500: {found.refused}"} if found.refused else {})


def _digested(value: Any) -> str:
    """Return which Policy it is, with a digest of all that it says."""
    each = value if isinstance(value, tuple) else (value,)
    refs = [ref for one in each for ref in getattr(one, "policies", None) or (one.policy,)]
    digest = hashlib.sha256(repr(value).encode()).hexdigest()[:8]
    return f"{', '.join(ref.key for ref in refs)} ({digest})"


def _action(route: Route, host: VirtualHost) -> str:
    match route.action:
        case Forward(backends):
            return _backends(backends)
        case Redirect() | Answer():
            return _reply(route.action)
        case Split(shares):
            return ", ".join(f"{percent} % to {_inner(target, host)}" for percent, target in shares)
        case Choice(cases, otherwise):
            parts = [
                f"if {' and '.join(map(_condition, case.conditions))}: {_inner(case.target, host)}" for case in cases
            ]
            return "; ".join((*parts, f"otherwise: {_inner(otherwise, host)}"))


def _inner(path: str, host: VirtualHost) -> str:
    """Return what happens to the requests that go to the internal route *path*; those lead to no circle."""
    found = (each for each in host.routes if each.match.type is PathType.INTERNAL and each.match.path == path)
    route = next(found, None)
    return _action(route, host) if route else path


def _backends(backends: Iterable[Backend]) -> str:
    found = tuple(backends)
    weights = [f" (weight {each.weight})" if len(found) > 1 else "" for each in found]
    return ", ".join(f"{backend(each)}{weight}" for each, weight in zip(found, weights, strict=True))


def _reply(action: Redirect | Answer) -> str:
    if isinstance(action, Redirect):
        return f"redirect {action.code} to {action.url}"
    # A body may be long; of two that differ the digests do.
    digest = hashlib.sha256(action.body.encode()).hexdigest()[:8]
    return f"answer {action.code or 'with the code of the error'}, {action.media_type}, body {digest}"


def _error_page(page: ErrorPage) -> str:
    said = backend(page.page.backend) if isinstance(page.page, ServicePage) else _reply(page.page)
    return f"{' '.join(map(str, page.codes))}: {said}"


def _condition(condition: Condition) -> str:
    return f"{condition.variable} {'!=' if condition.negated else '='} {condition.value}"


def _changed(found: Changes) -> Mapping[str, str]:
    """Return what is changed in requests and responses, by field; what is as usual is left out."""
    values = {
        "rewritten path": found.path,
        "rewritten pattern": found.pattern,
        "request headers that are not passed": "" if found.pass_request_headers else "all",
        "request headers that are set": _list(found.set_headers),
        "response headers that are hidden": _list(found.hide_headers),
        "response headers that are passed": _list(found.pass_headers),
        "response headers that are ignored": _list(found.ignore_headers),
        "response headers that are added": _list(found.add_headers),
    }
    return {name: value for name, value in values.items() if value}


def _list(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))
