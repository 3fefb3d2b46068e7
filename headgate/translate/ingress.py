"""An Ingress, alone or with its minions, becomes servers, upstreams and certificates. Pure."""

from __future__ import annotations

import msgspec

from headgate.ir.http import Certificate, HttpConfig, Server, Tls
from headgate.problems import Problem
from headgate.resolve.ex import IngressEx, MergeableIngresses
from headgate.settings import Words
from headgate.translate import naming
from headgate.translate.access import translate_auth, translate_limit
from headgate.translate.draft import Draft
from headgate.translate.environment import Environment
from headgate.translate.errors import GRPC, error_page
from headgate.translate.headers import hidden, hsts, printed, proxy_redirect, response_headers, with_hsts
from headgate.translate.listens import http2, listens
from headgate.translate.locations import (
    error_location,
    fixed_locations,
    server_variables,
    speaks_grpc,
    translate_location,
    translate_places,
)
from headgate.translate.tls import redirects, translate_tls


class Translated(msgspec.Struct, frozen=True, kw_only=True):
    """What a resource becomes: files, entries of the certificate map, and Problems found on the way."""

    configs: tuple[HttpConfig, ...]
    certificates: tuple[Certificate, ...] = ()
    problems: tuple[Problem, ...] = ()


def translate_ingress(resource: IngressEx | MergeableIngresses, env: Environment, salt: str = "") -> Translated:
    """Translate every host that the resource holds into one Server; the empty host becomes the default server.

    Args:
        resource: the Ingress (or master and minions) with all that it points at.
        env: what every resource shares.
        salt: the end of every name, where the plain names belong to another resource.
    """
    draft = Draft(resource, env, salt)
    servers = {host: _server(draft, host) for host in draft.master.ex.hosts}
    own = HttpConfig(
        file=naming.config_file(draft.master.ref, salt),
        origin=draft.master.ref,
        upstreams=tuple(draft.upstreams[name] for name in sorted(draft.upstreams)),
        zones=tuple(draft.zones[name] for name in sorted(draft.zones)),
        servers=tuple(server for host, server in servers.items() if host),
    )
    configs = [own]
    if "" in servers:
        configs.append(
            HttpConfig(file=naming.DEFAULT_SERVER, origin=draft.master.ref, protected=True, servers=(servers[""],))
        )
    return Translated(configs=tuple(configs), certificates=tuple(draft.certificates), problems=tuple(draft.problems))


def _server(draft: Draft, host: str) -> Server:
    env, master = draft.env, draft.master
    tls = translate_tls(draft, host)
    secure = hsts(master.params, tls=tls is not None)
    around = with_hsts(response_headers(env.params.headers.add_header, master.params, master.ex.said), secure)
    found = translate_places(draft, host)
    grpc = _grpc(draft, [place.route.target.grpc for place in found if place.route])
    plain = not (tls and grpc == "all")
    hide = hidden(master.params, secure)
    locations = [*fixed_locations(draft, host), *(translate_location(draft, host, place, around) for place in found)]
    errors = error_page(draft, master)
    if errors or any(location.error_page for location in locations):
        locations.append(error_location(draft, host))
    return Server(
        name=naming.server_name(host),
        origin=master.ref,
        default=not host,
        listens=_listens(draft, tls, default=not host, plain=plain),
        tls=tls,
        http2=tls is not None and http2(env) and env.capabilities.http2_directive,
        own=draft.host.delta(env.params),
        redirects=tuple(redirects(draft, tls, plain=plain)) if host else (),
        hsts=secure,
        request_headers=printed(master.request_headers, draft.request_headers),
        response_headers=printed(around, env.params.headers.add_header),
        hide_headers=None if hide == env.params.headers.proxy_hide_headers else hide,
        proxy_redirect=proxy_redirect(master.params),
        auth=translate_auth(draft, master),
        limit=translate_limit(draft, master),
        variables=server_variables(master.ref) if draft.resource_variables else (),
        error_page=errors,
        grpc_errors=GRPC if grpc else (),
        locations=tuple(locations),
        snippet=master.params.snippets.server_snippets,
    )


def _grpc(draft: Draft, asked: list[bool]) -> str:
    """Return ``all``, ``some`` or ``""``: how many locations speak gRPC; say so where none can."""
    if not any(asked):
        return ""
    if speaks_grpc(draft):
        return "all" if all(asked) else "some"
    words = ('needs the ConfigMap key http2: "true"', "the Services are asked over HTTP/1.1")
    draft.warn(draft.master.ref, "nginx.org/grpc-services", "", words)
    return ""


def _listens(draft: Draft, tls: Tls | None, *, default: bool, plain: bool) -> tuple[Words, ...]:
    routing, env = draft.master.params.routing, draft.env
    http = (routing.listen_ports or (env.http_port,)) if plain else ()
    https = (routing.listen_ports_ssl or (env.https_port,)) if tls else ()
    return listens(env, http, https, default=default)
