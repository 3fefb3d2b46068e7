"""What happens before a backend is asked, and who is asked for what."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

from headgate.explain.answer import Endpoint, Step, UpstreamAnswer
from headgate.explain.matching import Unjudged, matches
from headgate.explain.provenance import described, one
from headgate.explain.spot import Spot
from headgate.ir.http import Backend, Redirect, Upstream

_PLAIN = "/!$&'()*+,;=:@-._~|^`{}[]<>\\\""
"""What nginx leaves as it is when it writes a path anew (``ngx_escape_uri``); the rest is escaped."""
UNAUTHORIZED, FORBIDDEN = 401, 403
_CAPTURE = re.compile(r"\$([0-9])")


def redirect_step(spot: Spot, redirect: Redirect, *, ends: bool) -> Step:
    """Return a redirect of the server's as a step; it *ends* the request where its condition is met."""
    knob, condition = {
        "$scheme": ("ssl_redirect", "the request came in plain HTTP"),
        "$http_x_forwarded_proto": ("redirect_to_https", "X-Forwarded-Proto says http"),
    }[redirect.variable]
    because = tuple(described(one(spot, name)) for name in (knob, "http_redirect_code"))
    status = redirect.code if ends else None
    return Step(f"{redirect.code} to {redirect.url}, if {condition}", because, redirects=True, status=status)


def before(spot: Spot) -> Iterator[Step]:
    """Yield what nginx does in the location of *spot* before it asks the backend, in nginx's order."""
    location, server = spot.location, spot.placed.server
    assert location is not None  # noqa: S101 - the caller found one
    if location.answer:
        return
    if location.rewrite:
        yield Step(f"rewrite {location.rewrite.pattern} to {location.rewrite.target}",
                   because=(described(one(spot, "rewrite_target")),))  # fmt: skip
    if limit := location.limit or server.limit:
        dry = " (only counted: limit-req-dry-run)" if limit.dry_run else ""
        names = ("limit_req_rate", "limit_req_key", "limit_req_burst")
        because = tuple(described(setting) for setting in (one(spot, name) for name in names) if setting.value)
        yield Step(f"rate limit: {limit.status} for whoever asks too often{dry}", because=because)
    if location.auth or server.auth:
        yield _password(spot)


def _password(spot: Spot) -> Step:
    """Say what becomes of a request with and without a password; nginx looks into the file only for the former."""
    setting = one(spot, "basic_auth_secret")
    secrets = [ex.secrets.get(setting.value) for ex in spot.placed.site.members] if spot.placed.site else []
    fault = next((f"Secret {found.ref.key} {found.error}" for found in secrets if found and found.error), "")
    because = (described(setting),)
    if "authorization" not in spot.question.headers:
        after = f", and 403 with one, for {fault}" if fault else ""
        return Step(f"password: 401 without one{after}", because, status=UNAUTHORIZED)
    if fault:
        return Step(f"password: 403, for {fault}", because, status=FORBIDDEN)
    return Step("password: 401 unless it is the right one", because)


def asked(spot: Spot) -> UpstreamAnswer | None:
    """Return who is asked at *spot*, ``None`` if nginx answers by itself."""
    site, place, location = spot.placed.site, spot.place, spot.location
    if not (site and place and place.route and location and location.backend):
        return None
    target = place.route.target
    url = str(location.backend.url)
    name = url.partition("://")[2].partition("/")[0]
    upstream = next(found for config in site.translated.configs for found in config.upstreams if found.name == name)
    endpoints = _endpoints(upstream, target.member.ex.endpoints.get((target.service, target.port)) is not None)
    return UpstreamAnswer(
        name=name,
        service=f"{target.member.ref.namespace}/{target.service}",
        port=target.port,
        url=url,
        method=" ".join(upstream.method or ("round_robin",)),
        path=_path(spot, location.backend),
        endpoints=endpoints,
        why_none="" if endpoints else _why_none(spot, target.service),
    )


def _endpoints(upstream: Upstream, known: bool) -> tuple[Endpoint, ...]:  # noqa: FBT001
    if not known or upstream.servers[0].startswith("unix:"):
        return ()
    return tuple(Endpoint(server, upstream.pods.get(server, "")) for server in upstream.servers)


def _why_none(spot: Spot, service: str) -> str:
    """Return the complaint about a Service without endpoints."""
    member = spot.member
    problems = spot.picture.problems.get(member.ref, ()) if member else ()
    about = (problem.reason for problem in problems if f"No endpoints found for service {service}:" in problem.reason)
    return next(about, f"No endpoints found for service {service}")


def _path(spot: Spot, backend: Backend) -> str:
    """Return the path and query that the backend is asked for."""
    location, query = spot.location, spot.question.query
    assert location is not None  # noqa: S101 - the caller has one
    args = f"?{query}" if query else ""  # an empty query is dropped with its question mark where nginx writes anew
    _, slash, new = str(backend.url).partition("://")[2].partition("/")
    if slash:
        return _escaped(f"/{new}{spot.path[len(location.path) :]}") + args
    if location.rewrite is None:
        return spot.target
    try:
        found = matches(location.rewrite.pattern, "~", spot.path)
    except Unjudged:
        return str(location.rewrite.target)
    if found is None:
        return spot.target
    return _rewritten(found, location.rewrite.target, query)


def _rewritten(found: re.Match[bytes], target: str, query: str | None) -> str:
    """Fill the captures into *target*; what it says after ``?`` goes before the client's query."""

    def capture(name: re.Match[str]) -> str:
        number = int(name[1])
        part = found[number] if number <= (found.re.groups) else b""
        return (part or b"").decode("utf-8", "surrogateescape")

    path, question_mark, own = target.partition("?")
    path = _escaped(_CAPTURE.sub(capture, path))
    parts = [_CAPTURE.sub(capture, own), query or ""] if not question_mark or own else []
    args = "&".join(part for part in parts if part)
    return f"{path}?{args}" if args else path


def _escaped(path: str) -> str:
    return quote(path.encode("utf-8", "surrogateescape"), safe=_PLAIN)
