"""The routes of a resource become servers, upstreams and certificates. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from msgspec import structs

from headgate.deltas import Rope
from headgate.ir.http import BasicAuth, Certificate, Hsts, HttpConfig, Line, Location, Server, Tls
from headgate.ir.stream import PassthroughEntry, StreamConfig
from headgate.problems import Problem
from headgate.routes import Listener, RouteTable, VirtualHost
from headgate.settings import Header, Words
from headgate.translate import naming
from headgate.translate.access import translate_auth, translate_limit, warn_of_idle_limits
from headgate.translate.beside import common_lists, ends_list, repeated, restated, untouched, without
from headgate.translate.challenges import HTTPS, unchallenged
from headgate.translate.context import ServerContext
from headgate.translate.doubled import without_doubled
from headgate.translate.draft import Draft, Place
from headgate.translate.environment import Environment
from headgate.translate.errors import GRPC, NO_PAGE, error_page
from headgate.translate.files import attached_mask, config_files, without_locations
from headgate.translate.grpc import count_grpc, extent, without_grpc
from headgate.translate.headers import (
    hidden,
    hsts,
    printed,
    proxy_redirect,
    response_headers,
    with_alternative,
    with_hsts,
)
from headgate.translate.http3 import alt_svc
from headgate.translate.listens import listeners, listens
from headgate.translate.locations import (
    error_location,
    fixed_locations,
    server_site,
    translate_location,
    translate_paths,
)
from headgate.translate.members import Attached, Fact, Groups, Memory, PartFiles, claims_of, groups_of
from headgate.translate.own_server import Begun, Inputs, OwnServer, Seen
from headgate.translate.pages import page_answers, page_names
from headgate.translate.paths import LocationPath
from headgate.translate.policies.hsts import translate_hsts
from headgate.translate.policies.ingress_mtls import subject_checks
from headgate.translate.policies.jwt import server_jwt
from headgate.translate.policies.kinds import translate_policies
from headgate.translate.policies.parts import Part, Site
from headgate.translate.streams import StreamPlace, translate_streams
from headgate.translate.tls import redirects, translate_tls
from headgate.translate.unserved import closing, translate_unserved
from headgate.translate.variables import server_variables


class Translated(msgspec.Struct, frozen=True, kw_only=True):
    """What a resource becomes.

    Attributes:
        configs: its files in ``http {}``; ``streams`` those in ``stream {}``.
        parts: further files in ``http {}``, by the member that they belong to.
        entries: its entries of the map for TLS passthrough.
        places: the listeners of TCP on which it terminates TLS.
        certificates: its entries of the certificate map.
        problems: found on the way.
        listeners: where each of its hosts is served.
        names: the names that no other resource may have; they follow from *configs* unless they are given.
    """

    configs: tuple[HttpConfig, ...]
    parts: Rope[PartFiles] = Rope()
    streams: tuple[StreamConfig, ...] = ()
    entries: tuple[PassthroughEntry, ...] = ()
    places: tuple[StreamPlace, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    problems: tuple[Problem, ...] = ()
    listeners: Mapping[str, frozenset[Listener]] = {}
    names: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Derive the names; the default server's file is arbitrated as a host."""
        names = self.names or frozenset(name for config in self.configs for name in config.names)
        if self.streams or f"file {naming.DEFAULT_SERVER}" in names:
            names |= frozenset(name for config in self.streams for name in config.names)
            names -= {f"file {naming.DEFAULT_SERVER}"}
        msgspec.structs.force_setattr(self, "names", names)

    @property
    def every_config(self) -> tuple[HttpConfig, ...]:
        """Its files in ``http {}`` and those of all members, in the order in which a server includes them."""
        return (*self.configs, *(config for part in self.parts for config in part.configs))


def translate(table: RouteTable, env: Environment, salt: str = "", memory: Memory | None = None) -> Translated:
    """Translate every host and every stream route of *table* into a server; the empty host becomes the default server.

    Args:
        table: the routes of a resource, with all that they point at.
        env: what every resource shares.
        salt: the end of every name, where the plain names belong to another resource.
        memory: what was translated of the resource before, with the same *env*. If there is one, locations of attached
            objects are in their files alone, else in their server, too; it makes no other difference to the result.
    """
    groups = groups_of(table) if memory else None
    if memory and groups:
        found = _by_members(table, env, groups, memory, salt)
        if found:
            return found
    draft = Draft(env, salt, table.hosts)
    streams = translate_streams(draft, table)
    servers = {host.name: _server(draft, host) for host in table.hosts}
    # A server without listen would listen on port 80 (ngx_http_core_module).
    there = {host: server for host, server in servers.items() if server.listens}
    unserved, others = translate_unserved(env, table, servers.values(), salt)
    own = config_files(draft, table, there, unserved) if servers else ()
    return Translated(
        configs=(*closing(env, own, hosts=table.hosts), *others, *streams.members),
        streams=streams.configs,
        entries=streams.entries,
        places=streams.places,
        certificates=tuple(draft.certificates),
        problems=tuple(draft.problems),
        listeners={host: listeners(env, server) for host, server in servers.items()},
    )


def _by_members(
    table: RouteTable, env: Environment, groups: tuple[VirtualHost, Groups], memory: Memory,
    salt: str,
) -> Translated | None:  # fmt: skip
    """Translate *table*, of which *groups* are the parts, by members; ``None`` if these are not independent."""
    host, routes = groups
    memory.open(structs.replace(host, routes=()), salt)
    attached = Attached(env, structs.replace(host, routes=()), routes, memory)
    if Fact.TOGETHER in attached:
        return None
    own = _own_server(env, table, host, attached, memory)
    server, draft = own.server, own.begun.draft
    if not attached.distinct(own.claims):
        return None
    listed = attached.files(without_locations(server) if server.listens else None)
    every = (*own.files, *([listed.included] if listed.included else []), *own.others)
    return Translated(
        configs=closing(env, every, guarded=Fact.GUARDED in attached, hosts=table.hosts if listed.files else ()),
        parts=listed.files,
        certificates=tuple(draft.certificates),
        problems=tuple(dict.fromkeys((*draft.problems, *attached.problems))),
        listeners={host.name: listeners(env, server)},
        names=memory.all_names(frozenset(name for config in every for name in config.names)),
    )


def _own_server(
    env: Environment, table: RouteTable, host: VirtualHost, attached: Attached, memory: Memory
) -> OwnServer:
    """Translate *host* without the routes of those that are *attached*, and these for it; what is equal is kept."""
    inputs = Inputs(
        routes=tuple(host.routes),
        reads_variables=Fact.READS_VARIABLES in attached,
        reads_keys=Fact.READS_KEYS in attached,
    )
    known = memory.own if memory.own and memory.own.inputs == inputs else None
    begun = known.begun if known else _begin(env, host, memory.salt, inputs)
    counts = begun.count, attached.translate(begun.context, begun.without_grpc)
    seen = Seen(grpc=extent(begun.draft, host, counts), asks_page=Fact.ASKS_PAGE in attached)
    if known and known.seen == seen:
        return known
    if known:  # its draft has what followed from something else
        begun = _begin(env, host, memory.salt, inputs)
    server, draft = _end(begun, seen), begun.draft
    unserved, others = translate_unserved(env, table, [server], memory.salt)
    there = {host.name: server} if server.listens else {}
    memory.own = OwnServer(
        inputs=inputs,
        seen=seen,
        begun=begun,
        server=server,
        files=tuple(config_files(draft, structs.replace(table, members=(table.origin,)), there, unserved)),
        others=tuple(others),
        claims=(*frozenset(draft.claims), *frozenset(claims_of(server.locations))),
    )
    return memory.own


def _begin(env: Environment, host: VirtualHost, salt: str, inputs: Inputs) -> Begun:
    draft = Draft(env, salt, (host,))
    draft.resource_variables |= inputs.reads_variables
    return _begun(draft, host, reads_keys=inputs.reads_keys)


def _server(draft: Draft, host: VirtualHost) -> Server:
    """Translate *host*."""
    begun = _begun(draft, host)
    return _end(begun, Seen(grpc=extent(draft, host, [begun.count]), asks_page=False))


def _begun(draft: Draft, host: VirtualHost, *, reads_keys: bool = False) -> Begun:
    """Translate what holds for the whole of *host*; *reads_keys*: attached objects read variables of API keys."""
    env, place = draft.env, draft.host(host)
    params, snippet = place.params, place.server_snippet
    tls = translate_tls(draft, host)
    policy = host.policies.hsts
    secure = translate_hsts(policy) if policy else hsts(params, tls=tls is not None)
    every = translate_paths(draft, host)
    paths = tuple(path for path in every if path.route or (path.modifier, path.path) not in snippet.locations)
    without = without_grpc(draft, host, tls)
    count = count_grpc(draft, [path.route for path in paths if path.route], without)
    site = server_site(draft, host)
    if reads_keys:
        site = structs.replace(site, reads_keys=True)
    part = translate_policies(site)
    alternative = alt_svc(env, tls=tls is not None)
    hide = (*hidden(params, secure, alternative), *part.hidden)
    auth = translate_auth(draft, place)
    return Begun(
        draft=draft,
        host=host,
        tls=tls,
        secure=secure,
        auth=auth,
        part=part,
        hide=hide,
        paths=paths,
        count=count,
        without_grpc=without,
        context=_context(draft, site, secure, alternative, hide, part, auth=auth),
    )


def _end(begun: Begun, seen: Seen) -> Server:
    """Return the server of which *begun* holds what is known before its locations are."""
    draft, host, context, tls, grpc = begun.draft, begun.host, begun.context, begun.tls, seen.grpc
    env, place, hide = draft.env, context.place, begun.hide
    params, snippet = place.params, place.server_snippet
    common_hidden = env.params.headers.proxy_hide_headers
    plain = not (tls and grpc == "all")
    locations = _locations(draft, context, begun.paths, asked=seen.asks_page)
    if not host.shared:  # what a master says may be for its minions
        warn_of_idle_limits(draft, place)
    return Server(
        name=naming.server_name(host.name),
        origin=host.origin,
        default=not host.name,
        listens=_listens(draft, host, tls, plain=plain),
        tls=tls,
        http2=(tls is not None or bool(grpc)) and params.tls.http2 and env.capabilities.http2_directive,
        own=restated(params, snippet).joined(draft.params(host.handed_down).delta(env.params)),
        redirects=tuple(redirects(draft, host, tls, plain=plain)) if host.name else (),
        hsts=begun.secure,
        request_headers=_said_headers(draft, place, context.request_headers),
        response_headers=_response_headers(draft, place, context.response_headers),
        hide_headers=None if hide == common_hidden and not snippet.has("proxy_hide_header") else hide,
        proxy_redirect=proxy_redirect(params),
        auth=begun.auth,
        limit=context.limit,
        variables=server_variables(host.origin, env) if draft.resource_variables else (),
        error_page=None if host.policies.refused else context.error_page,
        grpc_errors=GRPC if grpc else (),
        locations=locations,
        attached=attached_mask(draft, host),
        snippet=None if host.policies.refused else params.snippets.server_snippets,
        lines=(*_closed(host), *common_lists(env, snippet), *begun.part.lines),
        refused=bool(host.policies.refused and host.name),
        checks=subject_checks(draft, host),
        jwt=server_jwt(draft, context.site, place),
        secure_only=_secure_only(host),
        https=unchallenged(draft, host, HTTPS, "on") or HTTPS if _secure_only(host) else HTTPS,
        gunzip=_gunzip(draft, host),
        session=begun.part.session,
    )


def _closed(host: VirtualHost) -> tuple[Line, ...]:
    """Deny all where a Policy of the default server cannot be used: its answer to probes must not be 500.

    No page answers in place of the refusal, there and in every other server.
    """
    if not host.policies.refused:
        return ()
    return (NO_PAGE,) if host.name else (NO_PAGE, ("deny", Words(("all",))))


def _secure_only(host: VirtualHost) -> bool:
    """Whether requests in plain HTTP are refused: a client cannot show a certificate there."""
    found = host.policies.client_certificates
    return found is not None and found.verify == "on"


def _gunzip(draft: Draft, host: VirtualHost) -> bool:
    """Whether responses are decompressed; warn if the binary cannot."""
    if host.gunzip and not draft.env.capabilities.gunzip:
        words = ("needs nginx's module gunzip, which this one lacks", "clients without gzip get compressed responses")
        draft.warn(host.origin, "spec.gunzip", "true", words)
    return host.gunzip and draft.env.capabilities.gunzip


def _context(  # noqa: PLR0913 - all that the server says
    draft: Draft,
    site: Site,
    secure: Hsts | None,
    alternative: Header | None,
    hide: tuple[str, ...],
    part: Part,
    *,
    auth: BasicAuth | None,
) -> ServerContext:
    """Return the surroundings of the locations of *site*.

    Its server hides *hide*, has the HSTS *secure*, and tells clients of HTTP/3 by the header *alternative*.
    """  # fmt: skip
    host = site.host
    place = draft.host(host)
    around = response_headers(draft.env.params.headers.add_header, place.params.headers, own=place.own_response_headers)
    headers = without_doubled(draft, place, (*with_hsts(around, secure), *part.headers), part.headers)
    headers = with_alternative(headers, alternative)
    if ends_list(place.server_snippet):
        headers = without(headers, place.server_snippet, "add_header")
    limit = translate_limit(draft, place)
    return ServerContext(
        host=host,
        place=place,
        request_headers=_request_headers(draft, place),
        response_headers=headers,
        hide_headers=hide,
        repeated=repeated(place.server_snippet),
        limit=limit,
        error_page=error_page(draft, host, place),
        guarded=bool(auth or limit or host.policies.guards),
        pages=page_names(host),
        shared={},
        site=site,
        cors=part.headers,
    )


def _locations(
    draft: Draft, context: ServerContext, paths: Iterable[LocationPath], *, asked: bool
) -> tuple[Location, ...]:
    """Return the locations of a server; *asked*: whether other locations use the page of the default backend."""
    locations = [*fixed_locations(draft, context.host), *(translate_location(draft, context, path) for path in paths)]
    # A master's is there whatever its minions ask for: its file must not depend on them.
    locations += page_answers(context)
    offered = context.host.shared and context.host.default is not None
    if offered or context.error_page or asked or any(location.error_page for location in locations):
        locations.append(error_location(draft, context.host))
    return (*locations, *context.site.inner.values())


def _response_headers(draft: Draft, place: Place, around: tuple[Header, ...]) -> tuple[Header, ...] | None:
    """Return those of *around* that the server must say, ``None`` where ``http {}`` says them."""
    if around and ends_list(place.server_snippet):
        return around
    return printed(around, draft.env.params.headers.add_header)


def _request_headers(draft: Draft, place: Place) -> tuple[Header, ...]:
    """Return the request headers of the server; a location in its snippet inherits none of Headgate's."""
    return untouched(draft.env) if place.server_snippet.has("location") else place.request_headers


def _said_headers(draft: Draft, place: Place, headers: tuple[Header, ...]) -> tuple[Header, ...] | None:
    """Return those of *headers* that the server must say, ``None`` where ``http {}`` says them."""
    snippet = place.server_snippet
    if snippet.has("proxy_set_header"):
        return without(headers, snippet, "proxy_set_header")
    return printed(headers, draft.inherited_headers)


def _listens(draft: Draft, host: VirtualHost, tls: Tls | None, *, plain: bool) -> tuple[Words, ...]:
    env = draft.env
    http = [found for found in host.listeners if not found.tls]
    https = [found for found in host.listeners if found.tls]
    if not host.only_there:
        http, https = http or [Listener(env.http_port)], https or [Listener(env.https_port, tls=True)]
    found = [*(http if plain else ()), *(https if tls else ())]
    if not found:
        words = ("has no listener that can be used", "the host is not served")
        draft.warn(host.origin, "spec.listener", "", words)
    for taken in (listener.port for listener in found if listener.tls and listener.port in env.udp_ports):
        reason = f"has HTTPS on port {taken}, and UDP on this port is for a listener of the GlobalConfiguration"
        draft.warn(host.origin, "", "", (reason, "it does not have HTTP/3 there"))
    return listens(env, found, default=not host.name)
