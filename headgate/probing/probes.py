"""Which requests show whether two controllers serve the same: derived from routes, so that every kind is covered."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final
from urllib.parse import quote

import msgspec

from headgate.probing.samples import argument_for, beginning, fitting_value, header_for, in_bytes, is_host
from headgate.routes import Case, Choice, PathType, Route, VirtualHost, layered
from headgate.routes.policies import Cors
from headgate.settings import ConfigParams

NAME: Final = "headgate-compare"
"""What stands for any name: a path element, or the label that a wildcard covers."""
UNKNOWN: Final = f"{NAME}.invalid"
"""A host that no object has (RFC 6761), which shows what the default server answers."""
FOREIGN: Final = f"https://{UNKNOWN}"
BODY_LIMIT: Final = 1 << 20
"""The limit of nginx where nothing sets another."""
MOST_UPLOAD: Final = 16 << 20
"""The largest body that is sent, in bytes."""
_SAFE: Final = "/!$&'()*+,;=:@-._~"
_NO_BODY: Final = -1
COOKIE: Final = "cookie"


class Reason(enum.Enum):
    """Why a request is sent; the order is that of importance, in which ``--max`` leaves out."""

    PATH = "path"
    GUARDED = "path, without credentials"
    TLS = "root of the host in TLS"
    PLAIN = "path in plain HTTP"
    CASE = "condition of a route"
    ROOT = "root of the host"
    PREFLIGHT = "CORS preflight"
    ORIGIN = "CORS origin"
    FOREIGN = "CORS preflight of another origin"
    UNKNOWN = "host of no object"
    BELOW = "upload below the limit"
    ABOVE = "upload above the limit"
    SLASH = "with or without slash"
    LONGER = "one element longer"
    BESIDE = "longer name"
    UPPER = "upper case"


RANKS: Final = {reason: rank for rank, reason in enumerate(Reason)}


class Probe(msgspec.Struct, frozen=True):
    """A request.

    Attributes:
        scheme: ``http`` or ``https``.
        host: that of the object; what is sent as ``Host``, and as server name of TLS.
        path: as it is sent, escapes included.
        headers: further headers.
        upload: the length of the body in bytes, negative for a request without one.
        certificate: whether the certificate is compared, too.
        further: headers that the user has added, in place of those of the same name; their values are not printed.
    """

    scheme: str
    host: str
    path: str
    reason: Reason
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    upload: int = _NO_BODY
    certificate: bool = False
    further: tuple[tuple[str, str], ...] = ()

    @property
    def url(self) -> str:
        """The URL that a client would ask for."""
        return f"{self.scheme}://{self.host}{self.path}"

    @property
    def request(self) -> tuple[object, ...]:
        """What makes it another request than the next one."""
        return self.scheme, self.host, self.path, self.method, self.headers, self.upload, self.certificate


def probes(
    hosts: Iterable[VirtualHost],
    unserved: Iterable[str],
    schemes: Collection[str],
    base: ConfigParams,
    *,
    uploads: bool = False,
) -> tuple[Probe, ...]:
    """Derive the requests.

    Args:
        hosts: those that objects have.
        unserved: hosts that objects ask for and that are not served here; their root is asked for.
        schemes: those that both controllers are asked in.
        base: the settings below those of the objects.
        uploads: whether bodies are sent just below and above each limit, which is no safe method.
    """
    every = [probe for host in hosts for probe in _of_host(host, schemes, base if uploads else None)]
    every += [Probe(scheme, _name(name), "/", Reason.ROOT) for name in unserved if is_host(name) for scheme in schemes]
    every += [Probe(scheme, UNKNOWN, "/", Reason.UNKNOWN) for scheme in schemes]
    found: dict[object, Probe] = {}
    for probe in every:
        found.setdefault(probe.request, probe)
    return tuple(found.values())


def chosen(found: Sequence[Probe], most: int) -> tuple[Probe, ...]:
    """Return the *most* important probes, in their order."""
    places = sorted(range(len(found)), key=lambda place: RANKS[found[place].reason])[:most]
    return tuple(found[place] for place in sorted(places))


def with_headers(found: Iterable[Probe], headers: Sequence[tuple[str, str]]) -> tuple[Probe, ...]:
    """Return *found* with *headers*; what a probe says itself counts, and cookies are joined.

    Where clients are asked for credentials, a request without *headers* remains beside that with them.
    """
    return tuple(each for probe in found for each in (_with_headers(probe, headers) if headers else (probe,)))


def _with_headers(probe: Probe, headers: Sequence[tuple[str, str]]) -> Iterator[Probe]:
    if probe.reason is Reason.GUARDED:
        yield probe
        probe = msgspec.structs.replace(probe, reason=Reason.PATH)
    own = {name.lower(): value for name, value in probe.headers}
    further = [each for each in headers if each[0].lower() not in own]
    if COOKIE in own:
        further += [(name, f"{own[COOKIE]}; {value}") for name, value in headers if name.lower() == COOKIE]
    yield msgspec.structs.replace(probe, further=tuple(further))


def _of_host(host: VirtualHost, schemes: Collection[str], base: ConfigParams | None) -> Iterator[Probe]:
    """Yield the requests of *host*: all in the scheme that it serves, and each path in plain HTTP for redirects.

    With *base*, what lies below the settings of its routes, uploads are among them.
    """
    scheme, name = _scheme(host, schemes), _name(host.name)
    if "https" in schemes:
        yield Probe("https", name, "/", Reason.TLS, certificate=_secured(host))
    for route in _outer(host):
        yield from _of_route(scheme, name, route)
        if scheme == "https" and "http" in schemes:
            yield Probe("http", name, _sent(_path(route)), Reason.PLAIN)
        if base:
            yield from _uploads(scheme, name, route, base)
    for path, reason in _around("/"):
        yield Probe(scheme, name, path, Reason.ROOT if reason is Reason.PATH else reason)


def _of_route(scheme: str, name: str, route: Route) -> Iterator[Probe]:
    for path, reason in _around(_path(route)):
        guarded = reason is Reason.PATH and route.policies.keeps_out
        yield Probe(scheme, name, _sent(path), Reason.GUARDED if guarded else reason)
    path = _sent(_path(route))
    if route.policies.cors:
        yield from _of_cors(scheme, name, path, route.policies.cors)
    if isinstance(route.action, Choice):
        for query, headers in filter(None, map(_meeting, route.action.cases)):
            yield Probe(scheme, name, path + query, Reason.CASE, headers=headers)


def _of_cors(scheme: str, name: str, path: str, cors: Cors) -> Iterator[Probe]:
    method = ("Access-Control-Request-Method", fitting_value(next(iter(cors.methods), "")) or "GET")
    origin = next((found for each in cors.origins if (found := fitting_value(_origin(each)))), "")
    if origin:
        yield Probe(scheme, name, path, Reason.PREFLIGHT, "OPTIONS", (("Origin", origin), method))
        yield Probe(scheme, name, path, Reason.ORIGIN, headers=(("Origin", origin),))
    yield Probe(scheme, name, path, Reason.FOREIGN, "OPTIONS", (("Origin", FOREIGN), method))


def _origin(text: str) -> str:
    """Return an origin that *text* allows: ``*`` is every origin, and in a host it is a label."""
    return f"https://{NAME}.example.com" if text == "*" else text.replace("*", NAME)


def _meeting(case: Case) -> tuple[str, tuple[tuple[str, str], ...]] | None:
    """Return query and headers with which ``GET`` meets *case*, ``None`` if they do not decide; canaries are cases.

    A request without a value meets a negated condition.
    """
    query, headers = "", []
    for condition in case.conditions:
        if condition.negated or (condition.variable, condition.value) == ("$request_method", "GET"):
            continue
        if argument := argument_for(condition.variable, condition.value):
            query += f"{'&' if query else '?'}{argument}"
        elif header := header_for(condition.variable, condition.value):
            headers.append(header)
        else:
            return None
    return query, tuple(headers)


def _uploads(scheme: str, name: str, route: Route, base: ConfigParams) -> Iterator[Probe]:
    """Yield an upload of just the limit, and one with a byte more; without a limit, or with a huge one, none."""
    given = layered(route.settings, base)[0].proxy.client_max_body_size
    limit = BODY_LIMIT if given is None else in_bytes(str(given))
    if not 0 < limit <= MOST_UPLOAD:
        return
    path = _sent(_path(route))
    yield Probe(scheme, name, path, Reason.BELOW, "POST", upload=limit)
    yield Probe(scheme, name, path, Reason.ABOVE, "POST", upload=limit + 1)


def _around(path: str) -> Iterator[tuple[str, Reason]]:
    """Yield *path* and those next to it, for which controllers decide differently."""
    yield path, Reason.PATH
    bare = path.rstrip("/")
    yield f"{bare}/{NAME}", Reason.LONGER
    if bare:
        yield (bare if path.endswith("/") else f"{bare}/"), Reason.SLASH
        yield f"{bare}x", Reason.BESIDE
    if path.upper() != path:
        yield path.upper(), Reason.UPPER


def _outer(host: VirtualHost) -> Iterator[Route]:
    """Yield the routes that requests of clients reach."""
    return (route for route in host.routes if route.match.type is not PathType.INTERNAL)


def _path(route: Route) -> str:
    """Return a path that the route takes; of a regular expression, the part that must stand at its beginning."""
    match = route.match
    return (beginning(match.path) if match.pattern else match.path) or "/"


def _scheme(host: VirtualHost, schemes: Collection[str]) -> str:
    wanted = "https" if _secured(host) else "http"
    return wanted if wanted in schemes else next(iter(schemes))


def _secured(host: VirtualHost) -> bool:
    """Whether the host has a certificate of its own; other ones are made by each controller for itself."""
    return host.tls is not None and bool(host.tls.secret or host.tls.named)


def _name(host: str) -> str:
    """Return a name that the host covers; without a host every name is covered."""
    return host.replace("*", NAME, 1) if host else UNKNOWN


def _sent(path: str) -> str:
    return quote(path, safe=_SAFE)
