"""What happens before a backend is asked, and who is asked for what."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

from headgate.explain import guarding
from headgate.explain.answer import EndpointAnswer, Step, UpstreamAnswer
from headgate.explain.branches import refusal_of
from headgate.explain.context import RequestContext
from headgate.explain.matching import Unjudged, matches
from headgate.explain.provenance import described, one
from headgate.ir.http import Backend, Redirect, Upstream
from headgate.problems import ObjectRef
from headgate.routes import Forward
from headgate.settings import COMMUNITY
from headgate.validation.challenge import SOLVER

_PLAIN = "/!$&'()*+,;=:@-._~|^`{}[]<>\\\""
"""What nginx leaves as it is when it writes a path anew (``ngx_escape_uri``); the rest is escaped."""
WHOLE = "$request_uri"
FORBIDDEN = 403
_CAPTURE = re.compile(r"\$([0-9])")


def redirect_step(context: RequestContext, redirect: Redirect, *, ends: bool) -> Step:
    """Return a redirect of the server's as a step; it *ends* the request where its condition is met."""
    setting, condition = {
        "$scheme": ("ssl_redirect", "the request came in plain HTTP"),
        "$http_x_forwarded_proto": ("redirect_to_https", "X-Forwarded-Proto says http"),
    }.get(redirect.variable, ("ssl_redirect", "X-Forwarded-Proto, or else the scheme of the request, is http"))
    because = tuple(described(one(context, name)) for name in (setting, "http_redirect_code"))
    if context.route and context.location and redirect in context.location.redirects:
        because = (f"{context.route.origin}: {COMMUNITY.prefix}ssl-redirect, force-ssl-redirect",)
    elif context.host and context.host.redirect:
        because = (f"{context.host.origin}: {COMMUNITY.prefix}ssl-redirect, auth-tls-secret",)
    status = redirect.code if ends else None
    return Step(f"{redirect.code} to {redirect.url}, if {condition}", because, redirects=True, status=status)


def before(context: RequestContext) -> Iterator[Step]:
    """Yield what nginx does in the location of *context* before it connects to the backend, in nginx's order."""
    location, server = context.location, context.server.server
    assert location is not None  # noqa: S101 - the caller found one
    if refused := guarding.refusal(context):
        yield refused
        return
    yield from guarding.first(context)
    if location.answer and not location.guarded:
        return
    if location.rewrite:
        yield Step(
            f"rewrite {location.rewrite.pattern} to {location.rewrite.target}", because=(_why_rewritten(context),)
        )
    yield from guarding.connections(context)
    yield from guarding.limits(context)
    if (limit := location.limit or server.limit) and not guarding.policies_of(context).limits:
        dry = " (only counted: limit-req-dry-run)" if limit.dry_run else ""
        names = ("limit_req_rate", "limit_req_key", "limit_req_burst")
        because = tuple(described(setting) for setting in (one(context, name) for name in names) if setting.value)
        yield Step(f"rate limit: {limit.status} for clients that exceed it{dry}", because=because)
    if context.challenged:
        yield Step("ACME challenge: no authentication, and no redirect to HTTPS", (SOLVER,))
        return
    if (location.auth or server.auth) and not guarding.policies_of(context).passwords:
        yield _password(context)
    yield from guarding.access(context)


def _why_rewritten(context: RequestContext) -> str:
    """Return the field or the setting by which the path is replaced."""
    route = context.route
    if route and isinstance(route.action, Forward) and route.action.changes:
        if route.origin.kind == "Ingress":
            return f"{route.origin}: {COMMUNITY.prefix}rewrite-target"
        return f"{route.origin}: {route.field}.action.proxy.rewritePath"
    return described(one(context, "rewrite_target"))


def _password(context: RequestContext) -> Step:
    """Say what becomes of a request with and without a password; nginx looks into the file only for the former."""
    setting = one(context, "basic_auth_secret")
    holder = context.route if context.location and context.location.auth else context.host
    secret = holder.policies.basic_auth if holder else None
    fault = f"Secret {secret.ref.key} {secret.error}" if secret and secret.error else ""
    because = (described(setting),)
    step = guarding.by_password(context, because)
    if not fault:
        return step
    if step.status:
        return Step(f"{step.what}, and 403 with one, because {fault}", because, status=step.status)
    return Step(f"password: 403, because {fault}", because, status=FORBIDDEN)


def asked(context: RequestContext) -> UpstreamAnswer | None:
    """Return the backend at *context*, ``None`` if nginx answers itself."""
    resource, route, location = context.server.resource, context.route, context.location
    external = guarding.undecided(context)
    target = external.backend if external else route and route.backend
    if not (resource and target and location and location.backend):
        return None
    name = location.backend.upstream
    owner = external.policy if external else route.origin if route else resource.table.origin
    configs = resource.translated.configs
    upstream = next(found for config in configs for found in config.upstreams if found.name == name)
    alone = target.backup is not None and not target.endpoints.servers
    endpoints = _endpoints(upstream, alone=alone)
    backup = target.backup if any(each.backup for each in endpoints) else None
    own = any(not each.backup for each in endpoints)
    return UpstreamAnswer(
        name=name,
        service=f"{target.namespace}/{target.service}",
        port=target.port,
        url=_url(context, location.backend),
        method=" ".join(upstream.method or ("round_robin",)),
        path=_path(context, location.backend),
        endpoints=endpoints,
        why_none="" if own else _why_none(context, owner, target.service),
        refusal=refusal_of(target),
        backup=backup.service if backup else "",
        backup_port=backup.port if backup else "",
    )


def _endpoints(upstream: Upstream, *, alone: bool) -> tuple[EndpointAnswer, ...]:
    """Return the addresses of *upstream*; those of a backup that is *alone* are its ordinary servers."""
    if upstream.servers[0].startswith("unix:"):
        return ()
    own = (EndpointAnswer(server, upstream.pods.get(server, ""), alone) for server in upstream.servers)
    return (*own, *(EndpointAnswer(server, backup=True) for server in upstream.backups))


def _why_none(context: RequestContext, origin: ObjectRef, service: str) -> str:
    """Return the complaint of *origin* about a *service* without endpoints."""
    problems = context.view.problems.get(origin, ())
    about = (problem.reason for problem in problems if f"No endpoints found for service {service}:" in problem.reason)
    return next(about, f"No endpoints found for service {service}")


def _url(context: RequestContext, backend: Backend) -> str:
    """Return where the backend is asked, with the protocol."""
    if backend.module == "fastcgi":
        return f"{backend.scheme}://{backend.upstream}"
    return str(backend.url).replace("$scheme", context.question.scheme, 1)


def _path(context: RequestContext, backend: Backend) -> str:
    """Return the path and query that the backend is asked for."""
    location, query = context.location, context.question.query
    assert location is not None  # noqa: S101 - the caller has one
    args = f"?{query}" if query else ""  # an empty query is dropped with its question mark where nginx writes anew
    if backend.path == WHOLE:
        return context.target
    if backend.path:
        return f"{backend.path}{_escaped(context.path[len(location.path) :])}{args}"  # its own part as it is written
    if location.rewrite is None:
        return context.target
    try:
        found = matches(location.rewrite.pattern, "~", context.path)
    except Unjudged:
        return str(location.rewrite.target)
    if found is None:
        return context.target
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
