"""The answer, in the order in which nginx decides: listener, handshake, server, redirects, location, backend."""

from __future__ import annotations

import http
from collections.abc import Iterable, Iterator

from msgspec import structs

from headgate.explain import guarding
from headgate.explain.answer import (
    Answer,
    ListenerAnswer,
    LocationAnswer,
    RejectedMatch,
    RequestOutcome,
    ServerAnswer,
    Step,
    TlsAnswer,
)
from headgate.explain.backend import asked, before, redirect_step
from headgate.explain.branches import followed
from headgate.explain.context import RequestContext
from headgate.explain.ending import conditional, ended, ending
from headgate.explain.handshake import handshake
from headgate.explain.matching import Found, Listen, default_of, listen, listens, locate, named, speaks_http3
from headgate.explain.pages import error_pages, replaced
from headgate.explain.provenance import in_force, one, whence
from headgate.explain.question import USUAL, Question
from headgate.explain.streams import not_http, passed_on
from headgate.explain.uri import host_of
from headgate.explain.view import ClusterView, ServerView, covers, nearest
from headgate.ir.http import Location, Redirect, Server
from headgate.routes import Route, Split
from headgate.settings import Overrides
from headgate.validation.uri import path_of

BAD_REQUEST = 400
REDIRECTS = range(300, 400)
NOT_FOUND = 404
NOT_ALLOWED = 405
REFUSED_METHODS = frozenset({"CONNECT", "TRACE"})
FILE = "File"
"""The kind of what is reported about a file of manifests."""
CLOSED = 444
"""nginx's own: the connection is closed without a word."""


def explain(view: ClusterView, question: Question) -> Answer:
    """Return what nginx does with the request of *question*, given what *view* shows."""
    usual = question.port in {None, view.env.https_port}
    if view.env.passthrough and question.secure and usual and (passed := passed_on(view, question.url, question.sni)):
        return passed
    answer = _connected(view, question)
    name = host_of(question.host) or ""
    involved = [ref for server in view.servers if server.resource and _is(server, answer)
                for ref in server.resource.table.members]  # fmt: skip
    if not involved:  # an object that a file does not yield may be meant
        involved = [ref for ref in view.problems if ref.kind == FILE]
    hints = (*answer.hints, *_hosts_nearby(view, question, answer, name))
    served = answer.server.host if answer.server else None
    return structs.replace(answer, nearby=view.nearby(name, served, involved), hints=hints)


def _is(server: ServerView, answer: Answer) -> bool:
    return answer.server is not None and (server.file, server.host) == (answer.server.file, answer.server.host)


# --- the connection -----------------------------------------------------------------------------------


def _connected(view: ClusterView, question: Question) -> Answer:
    """Follow the request from the connection on."""
    port = question.port or (view.env.https_port if question.secure else view.env.http_port)
    speaks = next((found for server in view.servers for found in listens(server.server) if found.port == port), None)
    if speaks is None and (passed := not_http(view, question, port)):
        return passed
    if speaks is None:
        summary = f"Nothing answers: no server listens on port {port}."
        hints = (f"Servers listen on {_ports(view)}",)
        return Answer(url=question.url, outcome=RequestOutcome.UNREACHABLE, summary=summary, hints=hints)
    http3 = any(speaks_http3(server.server, port) for server in view.servers)
    listener = ListenerAnswer(port, speaks.tls, _why_port(view, question, speaks), speaks.proxy_protocol, http3=http3)
    if speaks.tls != question.secure:
        return _wrong_protocol(question, listener)
    tls = handshake(view, question.sni, port) if question.secure else None
    if tls and not tls.accepted:
        summary = f"The TLS handshake fails: {tls.why}."
        return Answer(url=question.url, outcome=RequestOutcome.REFUSED, summary=summary, listener=listener, tls=tls)
    return structs.replace(_served(view, question, port), listener=listener, tls=tls)


def _ports(view: ClusterView) -> str:
    found = {(found.port, found.tls) for server in view.servers for found in listens(server.server)}
    return ", ".join(f"{port} ({'HTTPS' if tls else 'HTTP'})" for port, tls in sorted(found))


def _why_port(view: ClusterView, question: Question, found: Listen) -> str:
    env = view.env
    https = "-tls-passthrough-port" if env.passthrough else "-default-https-listener-port"
    flag = {env.http_port: "-default-http-listener-port", env.https_port: https}.get(found.port)
    listeners = (each for resource in view.resources for host in resource.table.hosts for each in host.listeners)
    name = next((each.name for each in listeners if each.port == found.port and each.name), "")
    if flag is None and name:
        return f"listener {name} of the GlobalConfiguration"
    if flag is None:
        fields = (name for name in ("listen_ports", "listen_ports_ssl"))
        return f"an Ingress opens it ({', '.join(map(Overrides().key, fields))})"
    return flag if question.port else f"the usual port of {question.scheme} ({flag})"


def _wrong_protocol(question: Question, listener: ListenerAnswer) -> Answer:
    if listener.tls:
        summary = f"nginx answers 400: port {listener.port} serves HTTPS, and the request is plain HTTP."
        return Answer(
            url=question.url, outcome=RequestOutcome.ANSWERED, summary=summary, status=BAD_REQUEST, listener=listener
        )
    why = f"port {listener.port} serves plain HTTP"
    tls = TlsAnswer(accepted=False, secret="", why=why)
    summary = f"The TLS handshake fails: {why}."
    return Answer(url=question.url, outcome=RequestOutcome.REFUSED, summary=summary, listener=listener, tls=tls)


# --- the server ---------------------------------------------------------------------------------------


def _served(view: ClusterView, question: Question, port: int) -> Answer:
    """Follow the request into its server."""
    name, path = host_of(question.host), path_of(question.path)
    if name is None or path is None:
        what = f"the host {question.host!r}" if name is None else f"the path {question.path!r}"
        summary = f"nginx answers 400: {what} is malformed."
        return Answer(url=question.url, outcome=RequestOutcome.ANSWERED, summary=summary, status=BAD_REQUEST)
    if question.method in REFUSED_METHODS:
        summary = f"nginx answers {NOT_ALLOWED}: it does not serve {question.method}."
        return Answer(url=question.url, outcome=RequestOutcome.ANSWERED, summary=summary, status=NOT_ALLOWED)
    servers = [each.server for each in view.servers]
    matching = [_view_of(view, found) for found in named(servers, name, port)]
    server = matching[0] if matching else _view_of(view, default_of(servers, port))
    context = RequestContext(view=view, question=question, name=name, path=path, port=port, server=server)
    answer = _redirected(context, context.server.server.redirects) or _without_certificate(context) or _located(context)
    return structs.replace(_certified(context, answer), server=_server(context, matching))


def _view_of(view: ClusterView, server: Server) -> ServerView:
    return next(found for found in view.servers if found.server is server)


def _server(context: RequestContext, matching: list[ServerView]) -> ServerAnswer:
    server, name = context.server, context.name
    if not matching:
        found = listen(server.server, context.port)
        rest = "this is the default server" if found and found.default else "this is the first that nginx reads"
        why = f"no server on port {context.port} has the name {name}; {rest}"
    elif server.unserved:
        why = (
            f"no Ingress or VirtualServer serves it on port {context.port}, and the wildcard that covers it does not"
            " answer for it"
        )
    elif server.host.startswith("*."):
        why = f"its wildcard covers {name}, and no server has exactly this name"
    else:
        why = "it has exactly this name"
    owner = str(server.resource.table.origin) if server.resource else ""
    others = tuple(RejectedMatch(other.host, "an exact name takes precedence") for other in matching[1:])
    dedicated = server.resource.dedicated if server.resource else ""
    return ServerAnswer(server.host, "" if server.routed else server.file, owner, why, others, dedicated)


def _redirected(context: RequestContext, redirects: Iterable[Redirect]) -> Answer | None:
    """Return the first of the *redirects* that applies, if one does: those of the server go before every location."""
    schemes = {
        "$scheme": context.question.scheme,
        "$http_x_forwarded_proto": context.question.headers.get("x-forwarded-proto", ""),
    }
    # Any other variable is that of a proxy in front, or else of the connection.
    either = schemes["$http_x_forwarded_proto"] or schemes["$scheme"]
    whatever = "" if context.location else ", whatever the path"
    for redirect in () if context.challenged else redirects:
        if schemes.get(redirect.variable, either) == "http":
            target = context.filled(redirect.url)
            return Answer(
                url=context.question.url,
                outcome=RequestOutcome.ANSWERED,
                summary=f"nginx redirects ({redirect.code}) to {target}{whatever}.",
                status=redirect.code,
                target=target,
                steps=(redirect_step(context, redirect, ends=True),),
                settings=in_force(context),
                hints=(f"What happens then: headgate explain {target}",),
            )
    return None


def _without_certificate(context: RequestContext) -> Answer | None:
    """Return the refusal of a request in plain HTTP, over which no certificate can be shown, if one is required."""
    server = context.server.server
    if not server.secure_only or server.refused or context.question.secure or context.challenged:
        return None
    step = guarding.in_plain_http(context)
    return Answer(
        url=context.question.url,
        outcome=RequestOutcome.ANSWERED,
        summary=f"nginx answers {step.status} (plain HTTP, and a client certificate is required), whatever the path.",
        status=step.status,
        steps=(step,),
        settings=in_force(context),
    )


def _certified(context: RequestContext, answer: Answer) -> Answer:
    """Say before *answer* that a request without a certificate is refused; nginx looks at it before anything else."""
    if not (context.server.server.secure_only and context.question.secure):
        return answer
    lead = f"nginx answers {BAD_REQUEST} without a valid client certificate."
    summary = f"{lead} With one: {answer.summary}"
    return structs.replace(answer, summary=summary, status=BAD_REQUEST, target=None, outcome=RequestOutcome.ANSWERED)


# --- the location -----------------------------------------------------------------------------------


def _located(context: RequestContext) -> Answer:
    """Find the location of *context* and say what comes of it; listener and server are not filled in."""
    found = locate(context.server.server.locations, context.path)
    assert found.location is not None  # noqa: S101 - every server has a location for / (translate.paths)
    first = structs.replace(context, location=found.location)
    if redirected := _redirected(first, found.location.redirects):
        return structs.replace(redirected, location=_location(first, found))
    here, branches = followed(first)
    assert here.location is not None  # noqa: S101 - as above
    upstream = None if found.slash else asked(here)
    redirects = () if context.challenged else context.server.server.redirects
    later = (redirect for redirect in redirects if redirect.variable != "$scheme")
    answer = Answer(
        url=context.question.url,
        outcome=RequestOutcome.PROXIED if upstream else RequestOutcome.ANSWERED,
        summary="",
        location=_location(first, found),
        steps=(*(redirect_step(context, redirect, ends=False) for redirect in later), *branches, *before(here)),
        upstream=upstream,
        error_pages=tuple(error_pages(here)),
        settings=in_force(here),
        hints=tuple(_doubts(here, found)),
    )
    if found.slash and not context.server.server.refused:
        return _to_slash(here, answer)
    ends = upstream or any(step.status for step in answer.steps)
    return replaced(here, _finished(here, branches, answer)) if ends else _finished(here, branches, answer)


def _finished(here: RequestContext, branches: tuple[Step, ...], answer: Answer) -> Answer:
    """Fill in what comes of the request at its last location."""
    assert here.location is not None  # noqa: S101 - the caller found one
    if here.route and isinstance(here.route.action, Split):
        return _divided(answer, branches[-1].what)
    return _proxied(here, answer) if answer.upstream else _answered(here, here.location, answer)


def _location(context: RequestContext, found: Found) -> LocationAnswer:
    assert context.location is not None  # noqa: S101 - the caller found one
    route = context.route
    others = tuple(RejectedMatch(_name(other), why) for other, why in found.others)
    if external := guarding.undecided(context):
        field = "spec.externalAuth.authSigninRedirectBasePath, which requires no authorization"
        return LocationAnswer(_name(context.location), found.why, str(external.policy), field, others)
    owner = str(route.origin) if route else ""
    return LocationAnswer(_name(context.location), found.why, owner, _rule(route) if route else "", others)


def _name(location: Location) -> str:
    return f"{location.modifier} {location.path}".strip() or '""'


def _rule(route: Route) -> str:
    """Return where the object asks for *route*, and the path as it is written."""
    return route.field if route.field == "spec.defaultBackend" else f"{route.field}: {route.match}"


def _to_slash(context: RequestContext, answer: Answer) -> Answer:
    port = "" if context.port == USUAL[context.question.scheme] else f":{context.port}"
    query = f"?{context.question.query}" if context.question.query else ""
    target = f"{context.question.scheme}://{context.name}{port}{context.path}/{query}"
    summary = f"nginx redirects (301) to {target}."
    return structs.replace(answer, status=301, target=target, steps=(), summary=summary)


def _divided(answer: Answer, shares: str) -> Answer:
    """Say how requests are divided, or what ends this one before."""
    if step := ending(answer):
        return ended(answer, step, shares)
    summary = conditional(f"T{shares[1:]}", answer.steps)
    return structs.replace(answer, outcome=RequestOutcome.PROXIED, summary=summary)


def _proxied(here: RequestContext, answer: Answer) -> Answer:
    """Say who answers in the end, or what ends the request before."""
    upstream = answer.upstream
    assert upstream is not None  # noqa: S101 - the caller looked
    status = None
    own = sum(not each.backup for each in upstream.endpoints)
    if own:
        words = f"Service {upstream.service}, port {upstream.port}, answers ({_counted(own)})"
    elif upstream.backup:
        number = _counted(len(upstream.endpoints))
        words = f"Service {upstream.backup}, port {upstream.backup_port}, answers ({number})"
        words += f" as the backup of Service {upstream.service}, which has no endpoints"
    else:
        words = f"nginx answers {upstream.refusal}: Service {upstream.service} has no endpoints"
        status = here.route.backend.unserved if here.route and here.route.backend else upstream.refusal
    if step := ending(answer):
        return ended(answer, step, words)
    return structs.replace(answer, summary=conditional(words, answer.steps), status=status)


def _counted(endpoints: int) -> str:
    return "1 endpoint" if endpoints == 1 else f"{endpoints} endpoints"


def _answered(context: RequestContext, location: Location, answer: Answer) -> Answer:
    """Fill in what nginx answers by itself."""
    if location.unguarded and location.answer is None:
        words = "the controller answers: clients log in or out there (OpenID Connect)"
        return structs.replace(answer, summary=conditional(words, answer.steps))
    aside = next(
        (each for each in context.server.server.locations if location.aside and each.path == location.aside), None
    )
    status, *rest = (aside.answer if aside else location.answer) or ("404",)
    code = int(status) if status.isdigit() else 302
    target = context.filled(" ".join(rest).replace("${", "$").replace("}", "")) if code in REDIRECTS else None
    words = f"nginx redirects ({code}) to {target}" if target else f"nginx answers {_spoken(code)}{_because(context)}"
    if code == CLOSED and not rest:
        words = f"nginx closes the connection without an answer{_because(context)}"
    if step := ending(answer):
        return ended(answer, step, words)
    hints = (*answer.hints, *_paths_nearby(context)) if code == NOT_FOUND else answer.hints
    summary = conditional(words, answer.steps)
    return structs.replace(answer, status=code, target=target, summary=summary, hints=hints)


def _spoken(code: int) -> str:
    try:
        return f"{code} ({http.HTTPStatus(code).phrase})"
    except ValueError:
        return str(code)


def _because(context: RequestContext) -> str:
    """Return why nginx has no backend."""
    host, resource = context.host, context.server.resource
    if host is None or resource is None:
        setting = one(context, "default_server_return")
        fallback = f"default-server-return is {setting.value} ({whence(setting.origins[0])})"
        usual = context.port in {context.view.env.http_port, context.view.env.https_port}
        elsewhere = context.server.unserved or context.view.has(context.name)
        where = f" on port {context.port}" if elsewhere or not usual else ""
        return f": no Ingress or VirtualServer serves {context.name}{where}, and {fallback}"
    if context.route or (context.location and context.location.modifier):
        return ""
    if host.shared and host.origin.kind == "Ingress":
        whose = "no path of a minion"
    else:
        whose = "no path of a VirtualServerRoute or" if host.shared else "no path"
    return f": {whose} of {host.origin} covers {context.path}"


def _paths_nearby(context: RequestContext) -> Iterator[str]:
    """Name the paths that there are."""
    backed = (each for each in context.server.server.locations if each.backend and not each.internal)
    paths = sorted({each.path.rstrip("/") or "/" for each in backed})
    if near := nearest(context.path, paths):
        yield f"Did you mean {' or '.join(near)}?"
    elif paths:
        shown = ", ".join(paths[:10]) + (", …" if len(paths) > 10 else "")  # noqa: PLR2004 - a line's worth
        yield f"{context.server.host or 'This server'} serves {shown}"


def _doubts(context: RequestContext, found: Found) -> Iterator[str]:
    """Yield what cannot be known offline."""
    for pattern in found.unjudged:
        yield f"Only nginx can evaluate the regular expression {pattern}; if it matches, that location may answer"
    snippets = context.params.snippets
    if snippets.server_snippets or snippets.location_snippets or snippets.http_snippets:
        yield "Snippets are not read here: a location, return or rewrite in them changes the answer"
    if snippets.main_template or snippets.ingress_template or snippets.virtualserver_template:
        yield "Custom templates are not evaluated: the answer is based on the built-in ones"


# --- what may have been meant -------------------------------------------------------------------------


def _hosts_nearby(view: ClusterView, question: Question, answer: Answer, name: str) -> Iterator[str]:
    """Yield on which other ports the host is served, or which hosts are alike, where no server has the name."""
    every = [server for server in view.servers if server.host]
    covering = [server for server in every if covers(server.host, name)]
    port = answer.listener.port if answer.listener else None
    for server in covering:
        if server.resource and not (port and listen(server.server, port)):
            where = {f"{'https' if found.tls else 'http'} on port {found.port}" for found in listens(server.server)}
            yield f"{server.resource.table.origin} serves {server.host}: {', '.join(sorted(where))}"
    if not covering:
        near = nearest(name, (server.host for server in every if not server.host.startswith("*")))
        if near:
            yield f"Did you mean {' or '.join(f'{question.scheme}://{host}' for host in near)}?"
