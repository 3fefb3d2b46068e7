"""What becomes of a connection of TCP or TLS, or of a datagram of UDP: the listener, the server, the backend."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import urlsplit

import msgspec
from msgspec import structs

from headgate.explain.addresses import address_of
from headgate.explain.answer import (
    Answer,
    EndpointAnswer,
    ListenerAnswer,
    RequestOutcome,
    ServerAnswer,
    Step,
    TlsAnswer,
    UpstreamAnswer,
)
from headgate.explain.matching import listens
from headgate.explain.question import HIGHEST_PORT, BadQuestion, Question
from headgate.explain.view import ClusterView, ResourceView, covers
from headgate.ir.http import Upstream
from headgate.problems import ObjectRef
from headgate.routes import Protocol, StreamRoute

SCHEMES = ("tcp", "udp", "tls")
KINDS = frozenset({"TransportServer", "GlobalConfiguration"})
EVERY = "any server name"


class StreamQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """A connection or a datagram; *name* is the server name of a TLS handshake, empty without one."""

    url: str
    scheme: str
    name: str
    port: int

    @property
    def protocol(self) -> Protocol:
        """The protocol of the listener."""
        return Protocol.UDP if self.scheme == "udp" else Protocol.TCP


class _Found(msgspec.Struct, frozen=True):
    route: StreamRoute
    resource: ResourceView


def stream_question(url: str) -> StreamQuestion | None:
    """Read *url*; ``None`` if it is one of HTTP (BadQuestion: it is not whole)."""
    scheme, separator, _ = url.partition("://")
    if not separator or scheme.lower() not in SCHEMES:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadQuestion(f"{url!r} has an invalid port (use 1 to {HIGHEST_PORT})") from None
    if not parts.hostname or not port:
        raise BadQuestion(f"{url!r} has no host or no port; write for example {scheme}://dns.example.com:5353")
    named = scheme.lower() == "tls" and address_of(parts.hostname) is None
    name = parts.hostname.removesuffix(".") if named else ""
    return StreamQuestion(url=url, scheme=scheme.lower(), name=name, port=port)


def explain_stream(view: ClusterView, question: StreamQuestion) -> Answer:
    """Return what nginx does with the connection or datagram of *question*, given what *view* shows."""
    https = question.scheme == "tls" and question.port == view.env.https_port
    if https and (answer := passed_on(view, question.url, question.name)):
        return answer
    here = [found for found in _routes(view) if _listens(found.route, question)]
    if not here:
        return _nobody(view, question)
    chosen = _chosen(here, question.name)
    secure = any(found.route.tls for found in here)
    if secure and question.scheme == "tcp":
        summary = f"nginx closes the connection: port {question.port} serves TLS."
        hints = (f"Ask for a server name: tls://HOST:{question.port}",)
        return _refused(view, question, here, summary, hints)
    if chosen is None:
        names = ", ".join(sorted(found.route.host for found in here))
        summary = f"The TLS handshake fails: no object has the server name {question.name} on port {question.port}."
        return _refused(view, question, here, summary, (f"The names there are {names}",))
    return _answer(view, question.url, chosen, here)


def passed_on(view: ClusterView, url: str, name: str) -> Answer | None:
    """Return what becomes of a TLS connection for *name* that is passed on, ``None`` if it is one of HTTPS."""
    passed = [found for found in _routes(view) if found.route.listener.protocol is Protocol.TLS_PASSTHROUGH]
    chosen = _chosen(passed, name)
    hosts = (host.name for resource in view.resources for host in resource.table.hosts)
    if chosen is None or (chosen.route.host != name and name in hosts):
        return None
    answer = _answer(view, url, chosen, passed)
    service = answer.upstream.service if answer.upstream else ""
    summary = f"The TLS connection is passed on to Service {service}, which terminates TLS. {answer.summary}"
    return structs.replace(answer, summary=summary)


def not_http(view: ClusterView, question: Question, port: int) -> Answer | None:
    """Return what becomes of a request to the *port* of TransportServers, ``None`` if none has it."""
    scheme, name = ("tls", question.sni) if question.secure else ("tcp", "")
    asked = StreamQuestion(url=question.url, scheme=scheme, name=name, port=port)
    if not any(_listens(found.route, asked) for found in _routes(view)):
        return None
    answer = explain_stream(view, asked)
    return structs.replace(answer, summary=f"Port {port} is the listener of a TransportServer. {answer.summary}")


def _routes(view: ClusterView) -> Iterator[_Found]:
    """Yield the stream routes that nginx serves."""
    for resource in view.resources:
        served = {config.origin for config in resource.translated.streams}
        yield from (_Found(route, resource) for route in resource.table.streams if route.origin in served)


def _listens(route: StreamRoute, question: StreamQuestion) -> bool:
    return route.listener.port == question.port and route.listener.protocol is question.protocol


def _chosen(found: Sequence[_Found], name: str) -> _Found | None:
    """Return the route of a server *name*: its own, that of a wildcard, or the one for every connection."""
    fitting = [each for each in found if not each.route.host or covers(each.route.host, name)]
    order = {name: 0, "": 2}
    return min(fitting, key=lambda each: order.get(each.route.host, 1), default=None)


def _nobody(view: ClusterView, question: StreamQuestion) -> Answer:
    if question.protocol is Protocol.TCP and (found := _web(view, question)):
        return found
    what = "UDP" if question.protocol is Protocol.UDP else "TCP"
    routes = [found.route for found in _routes(view) if found.route.listener.port]
    open_ = sorted({(route.listener.port, route.listener.protocol.value) for route in routes})
    ports = ", ".join(f"{port} ({protocol})" for port, protocol in open_)
    return Answer(
        url=question.url,
        outcome=RequestOutcome.UNREACHABLE,
        summary=f"Nothing answers: no TransportServer is served on {what} port {question.port}.",
        nearby=view.nearby("", None, [ref for ref in view.problems if ref.kind in KINDS]),
        hints=(f"TransportServers are served on {ports}",) if ports else ("No TransportServer is served",),
    )


def _web(view: ClusterView, question: StreamQuestion) -> Answer | None:
    """Return that the port of *question* is for HTTP or HTTPS, ``None`` if it is for neither."""
    port = question.port
    found = next((each for server in view.servers for each in listens(server.server) if each.port == port), None)
    if found is None:
        return None
    scheme = "https" if found.tls else "http"
    if question.scheme == "tls" and not found.tls:
        outcome, summary = RequestOutcome.REFUSED, f"The TLS handshake fails: port {port} serves plain HTTP."
    else:
        outcome, summary = (
            RequestOutcome.ANSWERED,
            f"No TransportServer is served on port {port}: it serves {scheme.upper()}.",
        )
    host = urlsplit(question.url).netloc.removesuffix(f":{port}")
    usual = {"http": view.env.http_port, "https": view.env.https_port}[scheme] == port
    refs = [ref for ref in view.problems if ref.kind in KINDS]
    return Answer(
        url=question.url,
        outcome=outcome,
        summary=summary,
        nearby=view.nearby("", None, refs),
        hints=(f"What it answers: headgate explain {scheme}://{host}{'' if usual else f':{port}'}/",),
    )


def _refused(
    view: ClusterView, question: StreamQuestion, here: Sequence[_Found], summary: str, hints: tuple[str, ...]
) -> Answer:
    return Answer(
        url=question.url,
        outcome=RequestOutcome.REFUSED,
        summary=summary,
        listener=_listener(view, here[0].route),
        nearby=view.nearby("", None, _origins(here)),
        hints=hints,
    )


def _origins(found: Iterable[_Found]) -> list[ObjectRef]:
    return [each.route.origin for each in found]


def _listener(view: ClusterView, route: StreamRoute) -> ListenerAnswer:
    listener = route.listener
    if listener.protocol is Protocol.TLS_PASSTHROUGH:
        proxy = view.env.params.client.proxy_protocol
        return ListenerAnswer(view.env.https_port, True, "-tls-passthrough-port", proxy, "TLS passthrough")
    words = "TLS" if route.tls else listener.protocol.value
    return ListenerAnswer(
        listener.port, route.tls is not None, f"listener {listener.name} of the GlobalConfiguration", protocol=words
    )


def _answer(view: ClusterView, url: str, found: _Found, beside: Sequence[_Found]) -> Answer:
    route = found.route
    upstream = _upstream(view, found)
    count = len(upstream.endpoints)
    endpoints = "1 endpoint" if count == 1 else f"{count} endpoints"
    summary = f"Service {upstream.service}, port {upstream.port}, answers ({endpoints})."
    if not count:
        what = "drops the datagram" if route.listener.protocol is Protocol.UDP else "closes the connection"
        summary = f"nginx {what}: Service {upstream.service} has no endpoints."
    file = next(config.file for config in found.resource.translated.streams if config.origin == route.origin)
    tls = _tls(route)
    return Answer(
        url=url,
        outcome=RequestOutcome.PROXIED if tls is None or tls.accepted else RequestOutcome.REFUSED,
        summary=summary if tls is None or tls.accepted else f"The TLS handshake fails: {tls.why}.",
        listener=_listener(view, route),
        tls=tls,
        server=ServerAnswer(route.host or EVERY, file, str(route.origin), _why(route, beside)),
        steps=tuple(_steps(route)),
        upstream=upstream,
        nearby=view.nearby("", None, [route.origin]),
        hints=("Snippets are not read here: they may change the answer",) if route.server_snippet else (),
    )


def _why(route: StreamRoute, beside: Sequence[_Found]) -> str:
    if not route.host:
        return "it receives every connection" + (" whose server name no other object has" if len(beside) > 1 else "")
    return "its wildcard covers the server name" if route.host.startswith("*.") else "it has exactly this server name"


def _tls(route: StreamRoute) -> TlsAnswer | None:
    if route.tls is None:
        return None
    secret = route.tls.secret
    if secret.error:
        return TlsAnswer(accepted=False, secret="", why=f"Secret {secret.ref.key} {secret.error}")
    return TlsAnswer(accepted=True, secret=secret.ref.key, why=f"spec.tls of {route.origin} names it")


def _steps(route: StreamRoute) -> Iterator[Step]:
    session = route.session
    if session.requests is not None or session.responses is not None:
        yield Step(f"a session is limited to {_counted(session.requests)} from the client, and "
                   f"{_counted(session.responses)} in response to each")  # fmt: skip
    yield Step(f"a session ends after {session.timeout} without data")
    if session.next_upstream:
        tries = f", at most {session.next_upstream_tries} in all" if session.next_upstream_tries else ""
        yield Step(f"if an endpoint cannot be reached within {session.connect_timeout}, the next one is tried{tries}")
    else:
        yield Step(f"if an endpoint cannot be reached within {session.connect_timeout}, the connection is closed")


def _counted(datagrams: int | None) -> str:
    return "any number of datagrams" if datagrams is None else f"{datagrams} datagram{'s' * (datagrams != 1)}"


def _upstream(view: ClusterView, found: _Found) -> UpstreamAnswer:
    route = found.route
    backend = route.backend
    upstreams: dict[str, Upstream] = {
        each.name: each for config in found.resource.translated.streams for each in config.upstreams
    }
    upstream = upstreams[route.target]
    there = () if upstream.servers[0].startswith("unix:") else upstream.servers
    problems = view.problems.get(route.origin, ())
    about = f"No endpoints found for service {backend.service}"
    why = next((problem.reason for problem in problems if problem.reason.startswith(about)), about)
    return UpstreamAnswer(
        name=upstream.name,
        service=f"{backend.namespace}/{backend.service}",
        port=backend.port,
        url="",
        method=" ".join(upstream.method or ("round_robin",)),
        path="",
        endpoints=tuple(EndpointAnswer(server, upstream.pods.get(server, "")) for server in there),
        why_none="" if there else why,
    )
