"""The answer, in the order in which nginx decides: listener, handshake, server, redirects, location, backend."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import structs

from headgate.explain.answer import Answer, ListenerAnswer, Loser, Outcome, ServerAnswer, TlsAnswer
from headgate.explain.backend import redirect_step
from headgate.explain.handshake import handshake
from headgate.explain.locating import located
from headgate.explain.matching import Listen, default_of, listen, listens, named
from headgate.explain.nearby import covers, nearby, nearest
from headgate.explain.picture import Picture, Placed
from headgate.explain.provenance import in_force
from headgate.explain.question import Question
from headgate.explain.spot import Spot
from headgate.explain.uri import host_of, path_of

BAD_REQUEST = 400


def explain(picture: Picture, question: Question) -> Answer:
    """Return what nginx does with the request of *question*, given what *picture* shows."""
    answer = _connected(picture, question)
    name = host_of(question.host) or ""
    involved = [ex.ingress.ref for placed in picture.placed if placed.site and _is(placed, answer)
                for ex in placed.site.members]  # fmt: skip
    hints = (*answer.hints, *_hosts_nearby(picture, question, answer, name))
    return structs.replace(answer, nearby=nearby(picture, name, involved), hints=hints)


def _is(placed: Placed, answer: Answer) -> bool:
    return answer.server is not None and (placed.file, placed.host) == (answer.server.file, answer.server.host)


# --- the connection -----------------------------------------------------------------------------------


def _connected(picture: Picture, question: Question) -> Answer:
    """Follow the request from the connection on."""
    port = question.port or (picture.env.https_port if question.secure else picture.env.http_port)
    speaks = next((found for placed in picture.placed for found in listens(placed.server) if found.port == port), None)
    if speaks is None:
        summary = f"Nothing answers: no server listens on port {port}."
        hints = (f"Servers listen on {_ports(picture)}",)
        return Answer(url=question.url, outcome=Outcome.UNREACHABLE, summary=summary, hints=hints)
    listener = ListenerAnswer(port, speaks.tls, _why_port(picture, question, speaks), speaks.proxy_protocol)
    if speaks.tls != question.secure:
        return _wrong_protocol(question, listener)
    tls = handshake(picture, question.sni, port) if question.secure else None
    if tls and not tls.accepted:
        summary = f"The TLS handshake fails: {tls.why}."
        return Answer(url=question.url, outcome=Outcome.REFUSED, summary=summary, listener=listener, tls=tls)
    return structs.replace(_served(picture, question, port), listener=listener, tls=tls)


def _ports(picture: Picture) -> str:
    found = {(found.port, found.tls) for placed in picture.placed for found in listens(placed.server)}
    return ", ".join(f"{port} ({'HTTPS' if tls else 'HTTP'})" for port, tls in sorted(found))


def _why_port(picture: Picture, question: Question, found: Listen) -> str:
    env = picture.env
    flag = {env.http_port: "-default-http-listener-port", env.https_port: "-default-https-listener-port"}.get(
        found.port
    )
    if flag is None:
        return "an Ingress opens it (nginx.org/listen-ports, listen-ports-ssl)"
    return flag if question.port else f"the usual port of {question.scheme} ({flag})"


def _wrong_protocol(question: Question, listener: ListenerAnswer) -> Answer:
    if listener.tls:
        summary = f"nginx answers 400: port {listener.port} speaks HTTPS, and the request comes in plain HTTP."
        return Answer(
            url=question.url, outcome=Outcome.ANSWERED, summary=summary, status=BAD_REQUEST, listener=listener
        )
    why = f"port {listener.port} speaks plain HTTP"
    tls = TlsAnswer(accepted=False, secret="", why=why)
    summary = f"The TLS handshake fails: {why}."
    return Answer(url=question.url, outcome=Outcome.REFUSED, summary=summary, listener=listener, tls=tls)


# --- the server ---------------------------------------------------------------------------------------


def _served(picture: Picture, question: Question, port: int) -> Answer:
    """Follow the request into its server."""
    name, path = host_of(question.host), path_of(question.path)
    if name is None or path is None:
        what = f"the host {question.host!r}" if name is None else f"the path {question.path!r}"
        summary = f"nginx answers 400: {what} is malformed."
        return Answer(url=question.url, outcome=Outcome.ANSWERED, summary=summary, status=BAD_REQUEST)
    matching = [_placed(picture, server) for server in named([each.server for each in picture.placed], name, port)]
    placed = matching[0] if matching else _placed(picture, default_of([each.server for each in picture.placed], port))
    spot = Spot(picture=picture, question=question, name=name, path=path, port=port, placed=placed)
    return structs.replace(_redirected(spot) or located(spot), server=_server(spot, matching))


def _placed(picture: Picture, server: object) -> Placed:
    return next(found for found in picture.placed if found.server is server)


def _server(spot: Spot, matching: list[Placed]) -> ServerAnswer:
    placed, name = spot.placed, spot.name
    if not matching:
        found = listen(placed.server, spot.port)
        rest = (
            "this one answers what no other does" if found and found.default else "this is the first that nginx reads"
        )
        why = f"no server on port {spot.port} is called {name}; {rest}"
    elif placed.host.startswith("*."):
        why = f"its wildcard covers {name}, and no server is called exactly that"
    else:
        why = "it is called exactly that"
    owner = str(placed.site.master.ingress.ref) if placed.site else ""
    others = tuple(Loser(other.host, "a wildcard gives way to an exact name") for other in matching[1:])
    return ServerAnswer(placed.host, placed.file, owner, why, others)


def _redirected(spot: Spot) -> Answer | None:
    """Return the redirect that goes before every location, if one applies."""
    said = {
        "$scheme": spot.question.scheme,
        "$http_x_forwarded_proto": spot.question.headers.get("x-forwarded-proto", ""),
    }
    for redirect in spot.placed.server.redirects:
        if said.get(redirect.variable) == "http":
            target = spot.filled(redirect.url)
            return Answer(
                url=spot.question.url,
                outcome=Outcome.ANSWERED,
                summary=f"nginx redirects ({redirect.code}) to {target}, whatever the path.",
                status=redirect.code,
                target=target,
                steps=(redirect_step(spot, redirect, ends=True),),
                settings=in_force(spot),
                hints=(f"What happens then: headgate explain {target}",),
            )
    return None


# --- what may have been meant -------------------------------------------------------------------------


def _hosts_nearby(picture: Picture, question: Question, answer: Answer, name: str) -> Iterator[str]:
    """Yield on which other ports the host is served, or which hosts are alike, where no server has the name."""
    every = [placed for placed in picture.placed if placed.host]
    covering = [placed for placed in every if covers(placed.host, name)]
    port = answer.listener.port if answer.listener else None
    for placed in covering:
        if placed.site and not (port and listen(placed.server, port)):
            where = {f"{'https' if found.tls else 'http'} on port {found.port}" for found in listens(placed.server)}
            yield f"{placed.site.master.ingress.ref} serves {placed.host}: {', '.join(sorted(where))}"
    if not covering:
        near = nearest(name, (placed.host for placed in every if not placed.host.startswith("*")))
        if near:
            yield f"Did you mean {' or '.join(f'{question.scheme}://{host}' for host in near)}?"
