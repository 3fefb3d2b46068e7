"""The locations of a host: which paths there are, and what answers each."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from headgate.api.networking import HTTPIngressPath, IngressBackend
from headgate.ir import latency
from headgate.ir.http import Backend, Location, Rewrite
from headgate.problems import ObjectRef
from headgate.resolve.ex import Endpoints, IngressEx
from headgate.settings import NOTHING, ConfigParams, Delta, Header, Quoted, Snippet, Words
from headgate.translate import naming
from headgate.translate.access import translate_auth, translate_limit
from headgate.translate.draft import Draft, Member
from headgate.translate.errors import PAGE, TOLD, error_page
from headgate.translate.headers import HSTS, printed, proxy_redirect, request_headers, response_headers
from headgate.translate.paths import Place, Route, places
from headgate.translate.upstreams import translate_upstream

BUILT_IN = ConfigParams()
"""Without a ConfigMap; nginx's own defaults, where it has some."""
RESOURCE_VARIABLES = ("resource_type", "resource_name", "resource_namespace")
NOT_FOUND = Words(("404",))
_ADDS_HEADER = re.compile(r"\badd_header\s")
_PLAIN = re.compile(r"[-\w./~%!&()*+,=:@]+")


class Target(msgspec.Struct, frozen=True):
    """A Service port that answers a path of *member*."""

    member: Member
    service: str
    port: str

    @property
    def grpc(self) -> bool:
        """Whether the Service is named as one that speaks gRPC."""
        return self.service in self.member.params.services.grpc_services


def translate_places(draft: Draft, host: str) -> list[Place[Target]]:
    """Lay out the paths of *host*, and say which of them have no effect."""
    routes = [route for member in draft.members for route in _routes(member, host)]
    spec = draft.master.ex.ingress.spec
    default = None
    if spec and spec.default_backend:
        default = Route("/", "Prefix", _target(draft.master, spec.default_backend))
    found, lost = places(routes, default)
    for route in lost:
        words = ("means the same as an earlier path, which holds it", "this one has no effect")
        draft.warn(route.target.member.ref, "spec.rules", route.path, words)
    return _beside_app_root(draft, found) if draft.master.params.routing.app_root else found


def _beside_app_root(draft: Draft, found: list[Place[Target]]) -> list[Place[Target]]:
    """Leave the exact path ``/`` to the redirect of ``nginx.org/app-root``, and say it."""
    for place in found:
        if (place.modifier, place.path) == ("=", "/") and place.route:
            words = ("gives way to nginx.org/app-root, which answers / itself", "this path has no effect")
            draft.warn(place.route.target.member.ref, "spec.rules", "/", words)
    return [place for place in found if (place.modifier, place.path) != ("=", "/")]


def translate_location(draft: Draft, host: str, place: Place[Target], around: tuple[Header, ...]) -> Location:
    """Translate one place; *around* is the list of response headers of its server."""
    path = place.path if _PLAIN.fullmatch(place.path) and not place.modifier.startswith("~") else Quoted(place.path)
    if place.route is None:
        return Location(path=path, modifier=place.modifier, answer=NOT_FOUND, own=NOTHING)
    target, member, params = place.route.target, place.route.target.member, place.route.target.member.params
    grpc = target.grpc and speaks_grpc(draft)
    _doubts(draft, target, grpc=grpc)
    websocket = target.service in params.services.websocket_services and not grpc
    headers = request_headers(params, websocket=True) if websocket else member.request_headers
    minion = member is not draft.master
    responses = _responses(member, around) if minion else around
    backend = _backend(draft, host, place, grpc=grpc)
    return Location(
        path=path,
        modifier=place.modifier,
        backend=backend,
        own=_own(draft, member, grpc=grpc),
        request_headers=headers if grpc else printed(headers, draft.master.request_headers),
        response_headers=printed(responses, around) or _kept_beside(params.snippets.location_snippets, responses),
        rewrite=_rewrite(draft, place),
        proxy_redirect=proxy_redirect(params) if minion else None,
        auth=translate_auth(draft, member) if minion else None,
        limit=translate_limit(draft, member) if minion else None,
        error_page=error_page(draft, member) if minion and not grpc else None,
        variables=(*_variables(draft, target), *_latency_variable(draft, backend)),
        snippet=params.snippets.location_snippets,
    )


def fixed_locations(draft: Draft, host: str) -> Iterator[Location]:
    """Yield the locations that belong to no path: the redirect of ``/``, and the health of the default server."""
    if root := draft.master.params.routing.app_root:
        yield Location(path="/", modifier="=", answer=Words(("302", f"$scheme://$http_host{root}")), own=NOTHING)
    if not host and draft.env.health_uri:
        yield health(draft.env.health_uri)


def error_location(draft: Draft, host: str) -> Location:
    """Return the location in which the default backend answers for others' errors."""
    spec = draft.master.ex.ingress.spec
    assert spec  # noqa: S101 - error_page named this location because there is a default backend
    assert spec.default_backend  # noqa: S101 - as above
    target = _target(draft.master, spec.default_backend)
    told = {header.name.lower() for header in TOLD}
    usual = (header for header in draft.master.request_headers if header.name.lower() not in told)
    return Location(
        path=PAGE,
        backend=Backend(f"{_scheme(target)}://{_upstream(draft, host, target)}"),
        request_headers=(*usual, *TOLD),
        final=True,
        own=NOTHING,
        variables=_variables(draft, target),
    )


def health(uri: str) -> Location:
    """Return the location that answers probes of load balancers."""
    answer = Words(("200", "healthy"))
    return Location(path=Quoted(uri), modifier="=", answer=answer, content_type="text/plain", own=NOTHING)


def speaks_grpc(draft: Draft) -> bool:
    """Whether gRPC is possible: the binary has it, and the ConfigMap turned HTTP/2 on."""
    return draft.env.capabilities.grpc and draft.env.capabilities.http2 and draft.env.params.tls.http2


def _routes(member: Member, host: str) -> Iterator[Route[Target]]:
    ex = member.ex
    for index, path in _paths(ex, host):
        if ex.paths is None or index in ex.paths:
            regex = member.params.routing.path_regex
            yield Route(path.path or "/", path.path_type or "", _target(member, path.backend), regex)


def _paths(ex: IngressEx, host: str) -> Iterator[tuple[int, HTTPIngressPath]]:
    for rule in (ex.ingress.spec and ex.ingress.spec.rules) or ():
        if (rule.host or "") == host:
            yield from enumerate((rule.http and rule.http.paths) or ())


def _target(member: Member, backend: IngressBackend) -> Target:
    service = backend.service
    return Target(member, service.name if service else "", str(service.port) if service and service.port else "")


def _own(draft: Draft, member: Member, *, grpc: bool) -> Delta:
    """Return what the location must say; for gRPC also what the server says, for its directives are the proxy's."""
    return member.params.delta(draft.host, BUILT_IN) if grpc else member.params.delta(draft.host)


def _responses(member: Member, around: tuple[Header, ...]) -> tuple[Header, ...]:
    """Return a minion's response headers; HSTS of the host stays whatever the minion says."""
    kept = tuple(header for header in around if header.name == HSTS)
    own = response_headers(tuple(header for header in around if header not in kept), member.params, member.ex.said)
    return (*own, *kept)


def _kept_beside(snippet: Snippet | None, headers: tuple[Header, ...]) -> tuple[Header, ...] | None:
    """Return HSTS where a *snippet* with headers of its own would end its inheritance, else ``None``."""
    if not snippet or "add_header_inherit" in snippet or not _ADDS_HEADER.search(snippet):
        return None
    return tuple(header for header in headers if header.name == HSTS) or None


def _doubts(draft: Draft, target: Target, *, grpc: bool) -> None:
    """Say what annotations ask of a Service and do not get."""
    services = target.member.params.services
    if grpc and target.service in services.websocket_services:
        words = ("gives way to nginx.org/grpc-services for this Service", "it is left out")
        draft.warn(target.member.ref, "nginx.org/websocket-services", target.service, words)
    if services.sticky_cookie_services and not draft.env.capabilities.sticky:
        words = ("needs nginx 1.29.6 with its sticky module, which this one is not", "clients go to any backend")
        draft.warn(target.member.ref, "nginx.org/sticky-cookie-services", "", words)


def _backend(draft: Draft, host: str, place: Place[Target], *, grpc: bool) -> Backend:
    assert place.route  # noqa: S101 - the caller answered 404 otherwise
    target = place.route.target
    name = _upstream(draft, host, target)
    if grpc:
        return Backend(f"{_scheme(target).replace('http', 'grpc')}://{name}", grpc=True)
    path = _rewritten(place)
    url = f"{_scheme(target)}://{name}{path}"
    return Backend(url if _PLAIN.fullmatch(path or "/") else Quoted(url))


def _scheme(target: Target) -> str:
    return "https" if target.service in target.member.params.services.ssl_services else "http"


def _upstream(draft: Draft, host: str, target: Target) -> str:
    """Note the upstream of *target*, which each host has for itself, and return its name."""
    member = target.member
    name = naming.upstream(member.ref, host, target.service, target.port, draft.salt)
    endpoints = member.ex.endpoints.get((target.service, target.port), Endpoints())
    draft.upstreams[name] = translate_upstream(name, member.ref, target.service, endpoints, member.params, draft.env)
    return name


def _rewritten(place: Place[Target]) -> str:
    """Return the path that replaces what the location matched (``nginx.org/rewrites``), or ``""``.

    A Prefix is two locations, ``/foo`` and ``/foo/``; the second keeps the slash between old and new.
    """
    assert place.route  # noqa: S101 - as in _backend
    target = place.route.target
    rewrites = target.member.params.routing.rewrites
    path = next((rewrite.path for rewrite in rewrites if rewrite.service == target.service), "")
    if not path or place.modifier.startswith("~"):
        return ""
    return path if place.modifier or not place.path.endswith("/") or path.endswith("/") else f"{path}/"


def _rewrite(draft: Draft, place: Place[Target]) -> Rewrite | None:
    """Return the rewrite of ``nginx.org/rewrite-target``; ``nginx.org/rewrites`` goes before it."""
    assert place.route  # noqa: S101 - as in _backend
    target = place.route.target
    routing = target.member.params.routing
    if any(rewrite.service == target.service for rewrite in routing.rewrites):
        if place.modifier.startswith("~"):
            words = (
                "cannot replace a path that is a regular expression; use nginx.org/rewrite-target",
                "it is left out",
            )
            draft.warn(target.member.ref, "nginx.org/rewrites", target.service, words)
        if routing.rewrite_target:
            words = ("gives way to nginx.org/rewrites for this Service", "it is left out")
            draft.warn(target.member.ref, "nginx.org/rewrite-target", routing.rewrite_target, words)
        return None
    if not routing.rewrite_target:
        return None
    pattern = place.path if place.modifier.startswith("~") else f"^{re.escape(place.path)}"
    if place.modifier == "~*":
        pattern = f"(?i){pattern}"
    return Rewrite(Quoted(pattern), Quoted(routing.rewrite_target))


def _variables(draft: Draft, target: Target) -> tuple[tuple[str, str], ...]:
    """Return the variables that a minion's locations and their logs read, where any text reads them."""
    if not draft.resource_variables:
        return ()
    own = (("service", target.service),)
    return own if target.member is draft.master else (*resource_variables(target.member.ref), *own)


def _latency_variable(draft: Draft, backend: Backend) -> tuple[tuple[str, str], ...]:
    """Name the upstream of a gRPC location for the latency log, which reads ``$proxy_host`` elsewhere."""
    if not (backend.grpc and draft.env.latency):
        return ()
    return ((latency.VARIABLE, backend.url.partition("://")[2]),)


def server_variables(ref: ObjectRef | None) -> tuple[tuple[str, str], ...]:
    """Return the variables of a server, also of one that belongs to no object.

    nginx does not know a variable that nothing sets, and warns at each request of one that was not set.
    """
    own = resource_variables(ref) if ref else tuple((name, Quoted()) for name in RESOURCE_VARIABLES)
    return (*own, ("service", Quoted()))


def resource_variables(ref: ObjectRef) -> tuple[tuple[str, str], ...]:
    """Return ``$resource_type`` and its siblings, which log formats of the incumbent read."""
    return tuple(zip(RESOURCE_VARIABLES, (ref.kind.lower(), ref.name, ref.namespace), strict=True))
