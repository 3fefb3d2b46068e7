"""The location of a request, what it does, and what that means for the answer."""

from __future__ import annotations

import http
from collections.abc import Iterator

from msgspec import structs

from headgate.explain.answer import Answer, LocationAnswer, Loser, Outcome
from headgate.explain.backend import asked, before, redirect_step
from headgate.explain.matching import Found, locate
from headgate.explain.nearby import nearest
from headgate.explain.provenance import in_force, one, whence
from headgate.explain.question import USUAL
from headgate.explain.spot import Spot
from headgate.ir.http import Location

REDIRECTS = range(300, 400)
NOT_FOUND = 404
CLOSED = 444
"""nginx's own: the connection is closed without a word."""


def located(spot: Spot) -> Answer:
    """Find the location of *spot* and say what comes of it; listener and server are not filled in."""
    found = locate(spot.placed.server.locations, spot.path)
    assert found.location is not None  # noqa: S101 - every server has a location for / (translate.paths)
    here = structs.replace(spot, location=found.location)
    upstream = None if found.slash else asked(here)
    later = (redirect for redirect in spot.placed.server.redirects if redirect.variable != "$scheme")
    answer = Answer(
        url=spot.question.url,
        outcome=Outcome.PROXIED if upstream else Outcome.ANSWERED,
        summary="",
        location=_location(here, found),
        steps=(*(redirect_step(spot, redirect, ends=False) for redirect in later), *before(here)),
        upstream=upstream,
        settings=in_force(here),
        hints=tuple(_doubts(here, found)),
    )
    if found.slash:
        return _to_slash(here, answer)
    return _proxied(answer) if upstream else _answered(here, found.location, answer)


def _location(spot: Spot, found: Found) -> LocationAnswer:
    assert spot.location is not None  # noqa: S101 - the caller found one
    member = spot.member if spot.place else None
    others = tuple(Loser(_name(other), why) for other, why in found.others)
    return LocationAnswer(_name(spot.location), found.why, str(member.ref) if member else "", _rule(spot), others)


def _name(location: Location) -> str:
    return f"{location.modifier} {location.path}".strip()


def _rule(spot: Spot) -> str:
    """Return the path of the Ingress, where it stands and as it is written."""
    if not (spot.place and spot.place.route):
        return ""
    route, spec = spot.place.route, spot.place.route.target.member.ex.ingress.spec
    for i, rule in enumerate((spec and spec.rules) or ()):
        for j, path in enumerate((rule.http and rule.http.paths) or ()):
            same = ((path.path or "/"), path.path_type or "") == (route.path, route.kind)
            if same and (rule.host or "") == spot.placed.host:
                return f"spec.rules[{i}].http.paths[{j}]: {route.path} ({route.kind})"
    return "spec.defaultBackend"


def _to_slash(spot: Spot, answer: Answer) -> Answer:
    port = "" if spot.port == USUAL[spot.question.scheme] else f":{spot.port}"
    query = f"?{spot.question.query}" if spot.question.query else ""
    target = f"{spot.question.scheme}://{spot.name}{port}{spot.path}/{query}"
    summary = f"nginx redirects (301) to {target}."
    return structs.replace(answer, status=301, target=target, steps=(), summary=summary)


def _proxied(answer: Answer) -> Answer:
    """Say who answers in the end, or what ends the request before."""
    upstream = answer.upstream
    assert upstream is not None  # noqa: S101 - the caller looked
    count = len(upstream.endpoints)
    number = "1 endpoint" if count == 1 else f"{count} endpoints"
    summary = f"Service {upstream.service}, port {upstream.port}, answers ({number})."
    status = None
    if not count:
        summary, status = f"nginx answers 502: Service {upstream.service} has no endpoints.", 502
    if ending := next((step for step in answer.steps if step.status), None):
        summary = f"nginx answers {ending.status} ({ending.what}). Past that: {summary}"
        return structs.replace(answer, summary=summary, status=ending.status, outcome=Outcome.ANSWERED)
    return structs.replace(answer, summary=summary, status=status)


def _answered(spot: Spot, location: Location, answer: Answer) -> Answer:
    """Fill in what nginx answers by itself."""
    status, *rest = location.answer or ("404",)
    code = int(status) if status.isdigit() else 302
    target = spot.filled(" ".join(rest)) if code in REDIRECTS else None
    summary = f"nginx redirects ({code}) to {target}." if target else f"nginx answers {_spoken(code)}{_because(spot)}."
    if code == CLOSED:
        summary = f"nginx closes the connection without an answer{_because(spot)}."
    hints = (*answer.hints, *_paths_nearby(spot)) if code == NOT_FOUND else answer.hints
    return structs.replace(answer, status=code, target=target, summary=summary, hints=hints)


def _spoken(code: int) -> str:
    try:
        return f"{code} ({http.HTTPStatus(code).phrase})"
    except ValueError:
        return str(code)


def _because(spot: Spot) -> str:
    """Say why nginx has no backend to ask."""
    site = spot.placed.site
    if site is None:
        setting = one(spot, "default_server_return")
        said = f"default-server-return is {setting.value} ({whence(setting.origins[0])})"
        return f": no Ingress serves {spot.name}, and {said}"
    if spot.location and spot.location.modifier:
        return ""
    whose = "no path" if len(site.members) == 1 else "no path of a minion"
    return f": {whose} of {site.master.ingress.ref} covers {spot.path}"


def _paths_nearby(spot: Spot) -> Iterator[str]:
    """Name the paths that there are."""
    backed = (location for location in spot.placed.server.locations if location.backend)
    paths = sorted({location.path.rstrip("/") or "/" for location in backed})
    if near := nearest(spot.path, paths):
        yield f"Did you mean {' or '.join(near)}?"
    elif paths:
        shown = ", ".join(paths[:10]) + (", …" if len(paths) > 10 else "")  # noqa: PLR2004 - a line's worth
        yield f"{spot.placed.host or 'This server'} serves {shown}"


def _doubts(spot: Spot, found: Found) -> Iterator[str]:
    """Yield what this answer cannot know."""
    for pattern in found.unjudged:
        yield f"Only nginx can judge the regular expression {pattern}; if it matches, that location may answer"
    params = spot.member.params if spot.member else spot.picture.env.params
    snippets = params.snippets
    if snippets.server_snippets or snippets.location_snippets or snippets.http_snippets:
        yield "Snippets are not read here: a location, return or rewrite in them changes the answer"
    if snippets.main_template or snippets.ingress_template:
        yield "Templates of your own are not read here: the answer is that of the built-in ones"
