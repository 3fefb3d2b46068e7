"""The error pages of routes: the names of their locations, and what these answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from msgspec import structs

from headgate.ir.http import Backend, Location, Rewrite
from headgate.problems import ObjectRef
from headgate.routes import Changes, ErrorPage, Policies, Route, VirtualHost
from headgate.routes.actions import ServicePage
from headgate.settings import NOTHING, Header, Quoted, Words
from headgate.translate import naming
from headgate.translate.actions import page_lines, page_locations, set_headers
from headgate.translate.context import PageKey, ServerContext, with_cors
from headgate.translate.doubled import deciders, undecided
from headgate.translate.headers import printed
from headgate.translate.policies.cors import translate_cors
from headgate.translate.upstreams import translate_upstream

PAGES = "_errors"
"""The end of the names of upstreams that answer in place of errors: without endpoints these answer otherwise."""


def page_names(host: VirtualHost) -> dict[PageKey, str]:
    """Return the error pages of the routes of *host*, with the beginning of the names of their locations.

    Each object has locations of its own, also where two have the same pages: its file must not depend on others.
    """
    names: dict[PageKey, str] = {}
    counts: Counter[ObjectRef] = Counter()
    for route in host.routes:
        key = route.origin, route.error_pages, route.policies.cors
        if route.error_pages and key not in names:
            names[key] = naming.error_page(None if route.origin == host.origin else route.origin, counts[route.origin])
            counts[route.origin] += 1
    return names


def page_answers(server: ServerContext) -> Iterator[Location]:
    """Yield the locations of all error pages, each with the headers of the routes that lead there."""
    holder = server.host.origin
    for (origin, found, cors), name in server.pages.items():
        site = structs.replace(server.site, origin=origin, policies=Policies(cors=cors), server=False)
        headers = with_cors(server, server.response_headers, translate_cors(site).headers)
        known = deciders(headers, site.policies, server.host.policies)
        for location in page_locations(name, found, origin if origin != holder else None):
            added = undecided(server, origin, _field(server, origin, found), location.added, known)
            own = headers if added else printed(headers, server.response_headers)
            yield structs.replace(location, added=added, response_headers=own or None)
        around = printed(headers, server.response_headers)
        for index, page in enumerate(found):
            if isinstance(page.page, ServicePage):
                location = _of_service(server, origin, f"{name}_{index}", page.page)
                yield structs.replace(location, response_headers=around)


def _of_service(server: ServerContext, origin: ObjectRef, name: str, page: ServicePage) -> Location:
    """Return the location in which a Service answers in place of an error; it gets no body, which nginx may not have.

    Its own errors are passed on.
    """
    draft, target = server.site.draft, page.backend
    place = draft.host(server.host)
    upstream = draft.upstream_name(origin, server.host.name, target, PAGES)
    if upstream not in draft.upstreams:
        draft.upstreams[upstream] = translate_upstream(upstream, origin, target, place.params, draft.env)
    told = (*page.headers, Header("Content-Length", Quoted("")))
    return Location(
        path=name,
        origin=origin if origin != server.host.origin else None,
        backend=Backend("https" if target.tls else "http", upstream),
        request_headers=set_headers(place.request_headers, Changes(set_headers=told)),
        rewrite=Rewrite(Quoted("^"), Quoted("/")),
        final=True,
        own=NOTHING,
    )


def _field(server: ServerContext, origin: ObjectRef, pages: tuple[ErrorPage, ...]) -> str:
    """Return where *origin* has *pages*, or an object whose pages it inherits."""
    found = (route for route in server.host.routes if (route.origin, route.error_pages) == (origin, pages))
    return next((route.pages_field for route in found), "")


def route_pages(server: ServerContext, route: Route) -> tuple[Words, ...]:
    """Return the arguments of each ``error_page`` of *route*."""
    names = server.pages.get((route.origin, route.error_pages, route.policies.cors), "")
    return tuple(page_lines(names, route.error_pages))
