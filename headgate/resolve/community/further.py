"""``server-alias`` and ``from-to-www-redirect``: names that an Ingress has beside its hosts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import structs

from headgate.configuration import Resource
from headgate.problems import Problem
from headgate.resolve.community.contribution import Contribution
from headgate.resolve.search import Search
from headgate.routes import Match, PathType, Redirect, Route, Tls, VirtualHost
from headgate.settings import COMMUNITY

WITHOUT_HOST = "is for a host that an older Ingress holds; set it there"
NOT_FOUND = "its requests are answered 404"


def further_hosts(
    search: Search, resource: Resource, hosts: Sequence[VirtualHost], own: Contribution
) -> Iterator[VirtualHost]:
    """Yield the hosts of *resource* that are none of its rules; *hosts* are those that are, *own* what it has."""
    valid = own.valid
    first = next((host for host in hosts if host.name in valid.main_hosts), None)
    for name in resource.hosts:
        asked = valid.further_hosts.get(name)
        if asked is None:
            continue
        if name in valid.twins:
            yield _redirected(resource, name, valid.twins[name], own, search.community.redirect_code)
        elif first:
            yield structs.replace(first, name=name, tls=own.certificate(name) or first.tls)
        else:
            search.report(Problem(resource.ref, f"{COMMUNITY.prefix}{asked}", name, WITHOUT_HOST, NOT_FOUND))
            yield _empty(resource, name, own)


def _redirected(resource: Resource, name: str, host: str, own: Contribution, code: int) -> VirtualHost:
    """Return the host *name*, all of whose requests are redirected to *host* with the status *code*."""
    route = Route(
        match=Match("/", PathType.PREFIX),
        action=Redirect(f"$scheme://{host}$request_uri", code),
        origin=resource.ref,
        settings=own.settings,
        field=f"metadata.annotations[{COMMUNITY.prefix}from-to-www-redirect]",
    )
    tls = own.certificate(name) or own.certificate(host)
    return structs.replace(_empty(resource, name, own), routes=(route,), tls=tls or Tls(None, default=True))


def _empty(resource: Resource, name: str, own: Contribution) -> VirtualHost:
    return VirtualHost(
        name=name,
        origin=resource.ref,
        settings=own.settings,
        handed_down=own.settings[:-1],
        tls=Tls(None, default=True),
    )
