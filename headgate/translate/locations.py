"""The locations of a host: its paths, and what answers each of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import structs

from headgate.ir.http import Backend, Line, Location
from headgate.ir.snippets import read
from headgate.problems import ObjectRef
from headgate.routes import Backend as Target
from headgate.routes import Changes, Forward, Match, PathType, Policies, Route, VirtualHost
from headgate.settings import NOTHING, ConfigParams, Delta, Header, Quoted, Snippet, Words
from headgate.translate.access import translate_auth, translate_limit, warn_of_idle_limits
from headgate.translate.actions import action_parts, change_lines, grpc_change_lines, set_headers
from headgate.translate.beside import access_rules, common_lists, ends_list, restated, without
from headgate.translate.challenges import Around, challenge_parts
from headgate.translate.checks import warn_of_checks, with_check
from headgate.translate.context import ServerContext, with_cors
from headgate.translate.doubled import deciders, undecided, undecided_names, without_doubled
from headgate.translate.draft import Draft, Place
from headgate.translate.errors import NO_PAGE, PAGE, TOLD, error_page
from headgate.translate.fastcgi import with_fastcgi
from headgate.translate.grpc import asks_grpc
from headgate.translate.headers import (
    ALT_SVC,
    ALT_SVC_VARIABLE,
    HSTS,
    printed,
    proxy_redirect,
    request_headers,
    response_headers,
)
from headgate.translate.live import has_log_handler
from headgate.translate.live_only import warn_of_live_only
from headgate.translate.logs import own_logs
from headgate.translate.pages import route_pages
from headgate.translate.paths import LocationPath, location_paths
from headgate.translate.policies.external_auth import auth_variables
from headgate.translate.policies.jwt import claims, handles_access, jwt_parts
from headgate.translate.policies.kinds import reads_keys, translate_policies
from headgate.translate.policies.parts import Part, Site
from headgate.translate.queues import queue_parts, with_queue
from headgate.translate.rates import warn_of_idle_rate
from headgate.translate.rewrites import replaced_path, translate_rewrite
from headgate.translate.timeouts import warn_of_no_time
from headgate.translate.tls import route_redirects
from headgate.translate.upstreams import translate_upstream, warn_of_unshared_limit
from headgate.translate.variables import latency_variable, location_variables

BUILT_IN = ConfigParams()
"""Without a ConfigMap: nginx's own defaults, where it has any."""
NOT_FOUND = Words(("404",))
_OF_TRACES = ("traced", "trace_context", "traced_name")
_PLAIN = re.compile(r"[-\w./~%!&()*+,=:@]+")


def translate_paths(draft: Draft, host: VirtualHost) -> list[LocationPath]:
    """Lay out the paths of *host*, and warn of those that have no effect."""
    found, lost = location_paths(host.routes, _default(host), "" if host.shared else "/")
    for route in lost:
        words = ("is the same location as an earlier path, which takes precedence", "this one has no effect")
        field = "spec.rules" if route.match.type is not PathType.NGINX else f"{route.field}.path"
        draft.warn(route.origin, field, route.match.path, words)
    return _beside_app_root(draft, host, found) if draft.host(host).params.routing.app_root else found


def _default(host: VirtualHost) -> Route | None:
    if host.default is None:
        return None
    return Route(
        match=Match("/", PathType.PREFIX),
        action=host.default,
        origin=host.origin,
        settings=host.settings,
        policies=host.policies,
        field="spec.defaultBackend",
    )


def _beside_app_root(draft: Draft, host: VirtualHost, found: list[LocationPath]) -> list[LocationPath]:
    """Remove the exact path ``/`` where ``app-root`` redirects it, with a warning."""
    for path in found:
        if (path.modifier, path.path) == ("=", "/") and path.route:
            words = (f"is overridden by {draft.host(host).key('app_root')}, which answers /",
                     "this path has no effect")  # fmt: skip
            draft.warn(path.route.origin, "spec.rules", "/", words)
    return [path for path in found if (path.modifier, path.path) != ("=", "/")]


def translate_location(draft: Draft, server: ServerContext, path: LocationPath) -> Location:
    """Translate one path of *server*."""
    spelled = path.path if _PLAIN.fullmatch(path.path) and not path.modifier.startswith("~") else Quoted(path.path)
    cause = path.cause if path.cause != server.host.origin else None
    if path.route is None:
        return Location(
            path=spelled,
            modifier=path.modifier,
            origin=cause,
            answer=NOT_FOUND,
            own=NOTHING,
            guarded=server.guarded,
            refused=bool(server.host.policies.refused) and not server.host.name,
            variables=translate_policies(_site(server, server.place, grpc=False)).variables,
            claims=claims(draft, server.place),
        )
    host, route = server.host, path.route
    place, target = draft.route(route), route.backend
    if target is None:
        return _without_backend(draft, server, path, place, spelled)
    grpc = asks_grpc(place, route) and draft.speaks_grpc(place)
    _warn_of_services(draft, place, target.service, grpc=grpc)
    warn_of_no_time(draft, place)
    warn_of_idle_rate(draft, place)
    attached = route.origin != host.origin
    if attached:
        warn_of_idle_limits(draft, place)
    backend = _backend(draft, host, path, place, target, grpc=grpc)
    websocket = _upgrades(place, target) and not grpc
    alike = id(place), grpc, websocket
    if alike not in server.shared:
        server.shared[alike] = _shared(draft, server, place, grpc=grpc, websocket=websocket)
    shared = _with_changes(server, server.shared[alike], place, route, grpc=grpc)
    if target.fastcgi:
        headers = place.request_headers if shared.request_headers is None else shared.request_headers
        own = _own(draft, server, place, grpc=True)
        shared = structs.replace(shared, backend=backend)
        shared = with_fastcgi(shared, target.fastcgi, headers, server.hide_headers, own)
        backend = shared.backend or backend
    rewrite = translate_rewrite(draft, path, place, target, grpc=grpc)
    internal = route.match.type is PathType.INTERNAL
    return structs.replace(
        shared,
        origin=cause or _owner(host, path, route) or shared.origin,
        path=spelled,
        modifier=path.modifier,
        backend=backend,
        rewrite=rewrite,
        redirects=route_redirects(draft, route),
        variables=(
            *location_variables(draft, host, route),
            *latency_variable(draft, backend),
            *auth_variables(place.policies, path),
            *shared.variables,
        ),
        claims=claims(draft, place, route),
        pages=() if shared.refused else route_pages(server, route),
        intercepts=route.intercepts,
        internal=internal,
        restored=internal and (grpc or target.fastcgi is not None or rewrite is not None),
        **queue_parts(draft, place, target, draft.upstreams[backend.upstream], grpc=grpc),
        **challenge_parts(
            host, path, shared, Around(place.request_headers, server.response_headers, server.hide_headers)
        ),
    )


def _owner(host: VirtualHost, path: LocationPath, route: Route) -> ObjectRef | None:
    """Return whose file has the regular expression *path* of *host*, if its place among those of others matters."""
    return route.origin if host.ordered and path.modifier.startswith("~") else None


def server_site(draft: Draft, host: VirtualHost) -> Site:
    """Return the server of *host* as a place of Policies."""
    return Site(
        draft=draft,
        host=host,
        origin=host.origin,
        policies=host.policies,
        inner={},
        server=True,
        reads_keys=reads_keys(host),
        rules=access_rules(draft.host(host).server_snippet, read(draft.env.params.snippets.http_snippets)),
        snippet=draft.host(host).params.snippets.server_snippets or "",
        around=(draft.env.params.snippets.http_snippets or "",),
    )


def _site(server: ServerContext, place: Place, *, grpc: bool) -> Site:
    """Return a location of *place* as a place of Policies."""
    return structs.replace(
        server.site,
        origin=place.origin,
        policies=place.policies,
        grpc=grpc,
        server=False,
        rules=access_rules(place.location_snippet) or server.site.rules,
        snippet=place.params.snippets.location_snippets or "",
        around=(*server.site.around, server.site.snippet),
    )


def _with_changes(server: ServerContext, shared: Location, place: Place, route: Route, *, grpc: bool) -> Location:
    """Return *shared* with what the action of *route* changes between client and backend."""
    changes = route.action.changes if isinstance(route.action, Forward) else None
    if changes is None:
        return shared
    changes = _undecided_changes(server, shared, place, route, changes)
    fields: dict[str, Any] = {}
    begun = [] if grpc or not changes.set_headers or shared.request_headers is not None else ["proxy_set_header"]
    begun += ["add_header"] if changes.add_headers and shared.response_headers is None else []
    fields["carried"] = _also(server, shared.carried, *begun)
    if changes.set_headers:
        around = shared.request_headers if shared.request_headers is not None else place.request_headers
        fields["request_headers"] = set_headers(around, changes)
    if changes.add_headers:
        around = shared.response_headers if shared.response_headers is not None else server.response_headers
        fields["response_headers"] = (*around, *changes.add_headers)
    lines = grpc_change_lines(changes) if grpc else change_lines(changes, server.hide_headers)
    fields["lines"] = (*shared.lines, *lines)
    return structs.replace(shared, **fields)


def _deciders(server: ServerContext, shared: Location, place: Place) -> Mapping[str, str]:
    """Return what decides which response headers of *shared*."""
    around = shared.response_headers if shared.response_headers is not None else server.response_headers
    return deciders(around, place.policies, server.host.policies)


def _undecided_changes(
    server: ServerContext, shared: Location, place: Place, route: Route, changes: Changes
) -> Changes:
    """Return *changes* of *route* without response headers that HSTS and CORS decide."""
    known = _deciders(server, shared, place) if changes.add_headers or changes.pass_headers else {}
    if not known:
        return changes
    field = f"{route.field}.action.proxy.responseHeaders"
    return structs.replace(
        changes,
        add_headers=undecided(server, route.origin, f"{field}.add", changes.add_headers, known),
        pass_headers=undecided_names(server, route.origin, f"{field}.pass", changes.pass_headers, known),
    )


def _without_backend(draft: Draft, server: ServerContext, path: LocationPath, place: Place, spelled: str) -> Location:
    """Translate a route whose requests go to no backend at once."""
    assert path.route  # noqa: S101 - the caller answered 404 otherwise
    shared = _shared(draft, server, place, grpc=False, websocket=False)
    parts = action_parts(draft, path.route)
    around, carried = shared.response_headers, shared.carried
    if added := parts.get("added"):
        field, known = f"{path.route.field}.action.return.headers", _deciders(server, shared, place)
        parts["added"] = undecided(server, path.route.origin, field, added, known)
    if parts.get("added") and around is None:
        around = server.response_headers or None
        carried = _also(server, carried, "add_header")
    if "answer" in parts and place.policies.guards:
        parts = _aside(draft, server, shared, path.route, place, {**parts, "response_headers": around})
    return structs.replace(
        shared,
        origin=_owner(server.host, path, path.route) or shared.origin,
        own=shared.own.without("client_max_body_size") if "jump" in parts else shared.own,
        path=spelled,
        modifier=path.modifier,
        request_headers=None,
        response_headers=around,
        carried=carried,
        internal=path.route.match.type is PathType.INTERNAL,
        redirects=route_redirects(draft, path.route),
        claims=claims(draft, place, path.route),
        variables=(
            *location_variables(draft, server.host, path.route),
            *auth_variables(place.policies, path),
            *shared.variables,
        ),
        **({"pages": route_pages(server, path.route)} if place.policies.guards and not shared.refused else {}),
        **parts,
    )


def _aside(  # noqa: PLR0913 - all that decides about an answer
    draft: Draft, server: ServerContext, shared: Location, route: Route, place: Place, parts: dict[str, Any]
) -> dict[str, Any]:
    """Add a named location with the answer *parts*; return the attribute by which a guarded location leads there.

    nginx runs ``return`` before it checks access (rewrite phase before access phase).
    """
    own = "@return_" if shared.origin is None else f"@return_{shared.origin.namespace}_{shared.origin.name}_"
    number = draft.count(place.origin, f"return at {server.host.name}")
    name = f"{own}{number}"
    added = place.location_snippet.text("add_header")
    if added or parts.get("added") or parts.get("response_headers"):
        added = "\n".join(filter(None, (server.place.server_snippet.text("add_header"), added)))
    server.site.inner[name] = Location(
        path=name,
        origin=shared.origin,
        own=NOTHING,
        pages=route_pages(server, route),
        carried=Snippet(added) if added else None,
        **parts,
    )
    return {"aside": name}


def _shared(draft: Draft, server: ServerContext, place: Place, *, grpc: bool, websocket: bool) -> Location:
    """Return what all locations of *place* have in common whose backends speak the same protocol."""
    attached = place.origin != server.host.origin
    part = translate_policies(_site(server, place, grpc=grpc))
    requests = _request_headers(draft, server, place, grpc=grpc, websocket=websocket)
    responses = _response_headers(server, place, part.headers, attached=attached)
    tokens = jwt_parts(draft, place)
    refused = bool(place.policies.refused or tokens.pop("refused", False) or part.refused)
    errors = error_page(draft, server.host, place) if attached and not grpc and not refused else None
    return Location(
        path="",
        origin=place.origin if attached else None,
        own=_own(draft, server, place, grpc=grpc),
        request_headers=requests,
        response_headers=responses,
        proxy_redirect=_own_redirect(server, place, attached=attached),
        auth=translate_auth(draft, place) if attached or place.policies.passwords else None,
        limit=translate_limit(draft, place) if attached or place.policies.limits else None,
        error_page=errors,
        # A location within that of the snippet, or an error_page, would answer in place of the refusal.
        snippet=None if refused else place.params.snippets.location_snippets,
        lines=(
            *([NO_PAGE] if refused else []),
            *(
                _lines(draft, server, place, attached=attached, errors=errors)
                if place.location_snippet and not refused
                else ()
            ),
            *part.lines,
            *_hidden(server, place, part, grpc=grpc),
            *own_logs(draft.env, place.params),
        ),
        variables=part.variables,
        refused=refused,
        preflight=part.preflight,
        asked_url=part.asked_url,
        asked_uri=part.asked_uri,
        **tokens,
        session=part.session,
        handles_access=not refused and handles_access(place),
        carried=_carried(server, requests if not grpc else None, responses, limited=bool(place.policies.limits)),
    )


def _hidden(server: ServerContext, place: Place, part: Part, *, grpc: bool) -> Iterator[Line]:
    """Yield the headers of backends that the Policies of a location replace, where the server does not hide them."""
    if grpc:
        names = (*(name for name in server.hide_headers if name in {HSTS, ALT_SVC}), *part.hidden)
        yield from (("grpc_hide_header", Words((name,))) for name in dict.fromkeys(names))
        return
    if not part.hidden or set(part.hidden) <= set(server.hide_headers):
        return
    if not place.location_snippet.has("proxy_hide_header"):
        yield from (("proxy_hide_header", Words((name,))) for name in server.hide_headers)
    yield from (("proxy_hide_header", Words((name,))) for name in part.hidden)


def _own(draft: Draft, server: ServerContext, place: Place, *, grpc: bool) -> Delta:
    """Return the settings that the location must set.

    For gRPC also what the server sets, because the directives there are those of the proxy module.
    """
    around = (draft.params(server.host.handed_down), *([BUILT_IN] if grpc else []))
    own = place.params.delta(*around).joined(restated(place.params, place.location_snippet))
    explicit = [name for name in server.repeated if any(name in layer.overrides for layer in place.layers)]
    return _traced(draft, place, own.joined(place.params.only(explicit)))


def _traced(draft: Draft, place: Place, own: Delta) -> Delta:
    """Return *own* without what it says of traces, if there are none; that is reported."""
    if draft.env.capabilities.otel and draft.env.params.telemetry.otel_exporter_endpoint:
        return own
    for name in filter(place.sets, _OF_TRACES):
        lacking = "a collector in the ConfigMap" if draft.env.capabilities.otel else "ngx_otel_module"
        words = (f"needs {lacking}", "no request is traced")
        draft.warn(place.origin, place.key(name), "", words)
    for name in _OF_TRACES:
        own = own.without(name)
    return own


def _request_headers(
    draft: Draft, server: ServerContext, place: Place, *, grpc: bool, websocket: bool
) -> tuple[Header, ...] | None:
    """Return the request headers that the location must set, ``None`` if it inherits the list of the server."""
    headers = request_headers(place.params, port=draft.env.port, websocket=True) if websocket else place.request_headers
    if grpc:
        return without(headers, place.location_snippet, "grpc_set_header")
    if place.location_snippet.has("proxy_set_header"):
        return without(headers, place.location_snippet, "proxy_set_header")
    return printed(headers, server.request_headers)


def _response_headers(
    server: ServerContext, place: Place, cors: tuple[Header, ...], *, attached: bool
) -> tuple[Header, ...] | None:
    """Return the response headers that the location must add, ``None`` if it inherits the list of the server.

    *cors* are those of its Policies.
    """
    around = server.response_headers
    kept = tuple(header for header in around if header not in server.cors)
    decides = attached or (place.layers[-1] is not server.place.layers[-1] and place.sets("add_header_inherit"))
    if ends_list(server.place.server_snippet):
        cors = without(cors, server.place.server_snippet, "add_header")
    responses = (*_responses(place, kept), *cors) if decides else with_cors(server, around, cors)
    responses = without_doubled(server.site.draft, place, responses, cors)
    if responses and ends_list(place.location_snippet):
        return without(responses, place.location_snippet, "add_header")
    return printed(responses, around)


def _carried(
    server: ServerContext,
    requests: tuple[Header, ...] | None,
    responses: tuple[Header, ...] | None,
    *,
    limited: bool,
) -> Snippet | None:
    """Return the lines of the server's snippet that a location with lists of its own must repeat.

    *limited*: whether its Policies have rate limits, which are such a list.
    """
    if not server.place.server_snippet:
        return None
    lists = {"proxy_set_header": requests, "add_header": responses}
    names = [name for name, headers in lists.items() if headers is not None]
    text = server.place.server_snippet.text(*names, *(["limit_req"] if limited else []))
    return Snippet(text) if text else None


def _also(server: ServerContext, carried: Snippet | None, *lists: str) -> Snippet | None:
    """Return *carried* with the directives of the server's snippet in *lists*, of which the location has its own."""
    text = server.place.server_snippet.text(*lists) if lists else ""
    return Snippet("\n".join(filter(None, (carried, text)))) if text else carried


def _lines(
    draft: Draft, server: ServerContext, place: Place, *, attached: bool, errors: Words | None
) -> Iterator[Line]:
    """Yield the other lists of the server and of ``http {}`` that a list in the location's snippet would replace."""
    snippet, redirect = place.location_snippet, proxy_redirect(server.place.params)
    yield from common_lists(draft.env, snippet)
    if snippet.has("proxy_hide_header"):
        yield from (("proxy_hide_header", Words((name,))) for name in server.hide_headers)
    if snippet.has("limit_req") and server.limit and not attached and not place.policies.limits:
        yield "limit_req", server.limit.parameters
    if snippet.has("error_page") and server.error_page and not errors:
        yield "error_page", server.error_page
    if snippet.has("proxy_redirect") and redirect and redirect[0] != "default" and not attached:
        yield "proxy_redirect", redirect


def _own_redirect(server: ServerContext, place: Place, *, attached: bool) -> Words | None:
    """Return ``proxy_redirect`` of a location, ``None`` where it inherits what the server says."""
    own = proxy_redirect(place.params)
    return own if attached or own != proxy_redirect(server.place.params) else None


def fixed_locations(draft: Draft, host: VirtualHost) -> Iterator[Location]:
    """Yield the locations that belong to no path: the redirect of ``/``, and the health of the default server."""
    if root := draft.host(host).params.routing.app_root:
        yield Location(path="/", modifier="=", answer=Words(("302", f"$scheme://$http_host{root}")), own=NOTHING)
    if not host.name and draft.env.health_uri:
        yield health(draft.env.health_uri)


def error_location(draft: Draft, host: VirtualHost) -> Location:
    """Return the location in which the default backend answers for others' errors."""
    route = _default(host)
    assert route  # noqa: S101 - error_page named this location because there is a default backend
    assert route.backend  # noqa: S101 - which is a backend
    told = {header.name.lower() for header in TOLD}
    place = draft.host(host)
    site = structs.replace(
        server_site(draft, host), policies=Policies(backend_tls=host.policies.backend_tls), server=False
    )
    usual = (header for header in place.request_headers if header.name.lower() not in told)
    return Location(
        path=PAGE,
        backend=Backend(_scheme(place, route.backend), _upstream(draft, host, place, route.origin, route.backend)),
        request_headers=(*usual, *TOLD),
        final=True,
        open=host.policies.guards,
        own=NOTHING,
        lines=translate_policies(site).lines,
        variables=location_variables(draft, host, route),
    )


def health(uri: str) -> Location:
    """Return the location that answers probes of load balancers."""
    answer = Words(("200", "healthy"))
    return Location(path=Quoted(uri), modifier="=", answer=answer, content_type="text/plain", own=NOTHING)


def _upgrades(place: Place, target: Target) -> bool:
    return target.websocket or target.service in place.params.services.websocket_services


def _responses(place: Place, around: tuple[Header, ...]) -> tuple[Header, ...]:
    """Return the response headers of an attached object; those about HSTS and HTTP/3 of the host stay."""
    kept = tuple(header for header in around if header.name == HSTS or header.value == ALT_SVC_VARIABLE)
    others = tuple(header for header in around if header not in kept)
    return (*response_headers(others, place.params.headers, own=place.own_response_headers), *kept)


def _warn_of_services(draft: Draft, place: Place, service: str, *, grpc: bool) -> None:
    """Warn of settings for a Service that have no effect."""
    services = place.params.services
    if grpc and service in services.websocket_services:
        words = (f"is overridden by {place.key('grpc_services')} for this Service", "it is left out")
        draft.warn(place.origin, place.key("websocket_services"), service, words)


def _backend(  # noqa: PLR0913 - all that decides about a backend
    draft: Draft, host: VirtualHost, path: LocationPath, place: Place, target: Target, *, grpc: bool
) -> Backend:
    assert path.route  # noqa: S101 - the caller answered 404 otherwise
    name, scheme = _upstream(draft, host, place, path.route.origin, target), _scheme(place, target)
    if grpc:
        return Backend(scheme.replace("http", "grpc"), name)
    return Backend(scheme, name, replaced_path(path, place, target))


def _scheme(place: Place, target: Target) -> str:
    if target.as_client:
        return "$scheme"
    return "https" if target.tls or target.service in place.params.services.ssl_services else "http"


def _upstream(draft: Draft, host: VirtualHost, place: Place, origin: ObjectRef, target: Target) -> str:
    """Add the upstream of *target*, which each host has for itself, and return its name.

    nginx keeps idle connections per upstream: a backend whose TLS differs from that of the host has its own.
    """
    own = place.policies.backend_tls
    differs = own is not None and own != host.policies.backend_tls
    variant = f"_{own.policy.namespace}_{own.policy.name}" if own and differs else ""
    name = draft.upstream_name(origin, host.name, target, variant)
    if name not in draft.upstreams:
        upstream = translate_upstream(name, origin, target, place.params, draft.env)
        draft.upstreams[name] = with_queue(with_check(upstream, target, place, draft.env.layout), target)
        warn_of_unshared_limit(draft, place, upstream)
    elif draft.upstreams[name].live and has_log_handler(place.params):
        draft.upstreams[name] = structs.replace(draft.upstreams[name], live=None)
    else:
        return name
    warn_of_live_only(draft, place, target, draft.upstreams[name])
    warn_of_checks(draft, place, target, draft.upstreams[name])
    return name
