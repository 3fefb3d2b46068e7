"""The Ingresses of ingress-nginx that share hosts become a RouteTable.

A resource is the oldest Ingress of its hosts with all others that have paths there. What annotations say holds for
the paths of their own Ingress; what nginx has for whole servers only is that of the oldest Ingress that says it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import structs

from headgate.configuration import Resource
from headgate.configuration.community import held_paths
from headgate.resolve.community.below import above, layers_below, strict_transport, with_headers
from headgate.resolve.community.canaries import Canaries
from headgate.resolve.community.contribution import Around, Contribution
from headgate.resolve.community.further import further_hosts
from headgate.resolve.community.passthrough import passed_on
from headgate.resolve.lowered import Lowered
from headgate.resolve.search import Search
from headgate.resolve.secrets import LocalSecretStore
from headgate.resolve.snapshot import Snapshot
from headgate.routes import HttpsRedirect, Layer, Layers, PathType, Policies, Route, RouteTable, Tls, VirtualHost
from headgate.settings import COMMUNITY, Overrides, Scope
from headgate.settings.community import CommunityHosts
from headgate.validation.community import ValidCommunityIngress


def lower_community_ingress(
    resource: Resource, snapshot: Snapshot, secrets: LocalSecretStore, *, allow_loopback: bool = False
) -> Lowered:
    """Lower *resource* to routes; arguments as for ``lower_ingress``."""
    search = Search(snapshot, secrets, allow_loopback=allow_loopback)
    valid: ValidCommunityIngress = resource.candidate.valid
    below = layers_below(snapshot.community, resource.ref)
    others = [attached for attached in resource.attached if not attached.candidate.valid.canary]
    contributions = [
        Contribution(search, valid, valid.paths, below),
        *(
            Contribution(search, other.candidate.valid, held_paths(other.candidate.valid, other.held), below)
            for other in others
        ),
    ]
    canaries = Canaries(search, [each.candidate.valid for each in resource.attached if each.candidate.valid.canary])
    own = [host for host in resource.hosts if host in valid.hosts]
    hosts = tuple(_host(resource, host, contributions, canaries, below, snapshot.community) for host in own)
    hosts = (*hosts, *further_hosts(search, resource, hosts, contributions[0]))
    canaries.report_unused(hosts)
    streams = tuple(passed_on(search, [host for host in hosts if host.name in own], contributions))
    passed = {stream.host for stream in streams}
    hosts = tuple(structs.replace(host, tls=None) if host.name in passed else host for host in hosts)
    members = (resource.ref, *(attached.candidate.ref for attached in resource.attached))
    return search.lowered(RouteTable(origin=resource.ref, members=members, hosts=hosts, streams=streams))


def _host(  # noqa: PLR0913 - what every host of the resource shares, and the host
    resource: Resource,
    host: str,
    every: Sequence[Contribution],
    canaries: Canaries,
    below: Layers,
    community: CommunityHosts,
) -> VirtualHost:
    """Lower the host of which *every* contribution may have paths; *below* are the layers of defaults."""
    contributions = [each for each in every if host in each.valid.hosts]
    secure = any(each.has_tls for each in contributions)
    regular = any(each.regular(host) for each in contributions)
    guarded = frozenset().union(*(each.guarded for each in contributions))
    certificates = next((each.certificates for each in contributions if each.usable_certificates), None)
    assert not isinstance(certificates, str)  # noqa: S101 - then it is not usable
    around = Around(regular=regular, secure=secure, guarded=guarded, certificates=certificates)
    routes = [
        route
        for each in contributions
        for path, plain in each.routes(host, around)
        for route in canaries.added(path, plain)
    ]
    # A location cannot redirect what the server turns away, for plain HTTP has no certificates.
    redirects = certificates is not None and certificates.verify == "on" and secure
    redirects = redirects and any(each.to_https for each in contributions)
    if not any(route.match.path in {"/", "^/"} and route.match.type is not PathType.EXACT for route in routes):
        routes += contributions[0].default_routes(host, around)
    if regular:  # nginx takes the first expression that matches: the longest, of equal ones one that is guarded
        routes.sort(key=lambda route: (not route.match.pattern, -len(route.match.path), not _closes(route)))
    return VirtualHost(
        name=host,
        origin=resource.ref,
        settings=(*below, Layer(resource.ref, with_headers(community, above(community, _of_server(contributions))))),
        handed_down=below,
        routes=tuple(routes),
        tls=_tls(contributions, host),
        policies=Policies(
            hsts=strict_transport(community, resource.ref),
            client_certificates=certificates,
        ),
        redirect=_redirect(community) if redirects else None,
        shared=True,
        independent=True,
        ordered=regular and len(contributions) > 1,
    )


def _closes(route: Route) -> bool:
    """Whether *route* keeps some clients out."""
    return bool(route.policies.refused or route.policies.guards or route.policies.keeps_out)


def _redirect(community: CommunityHosts) -> HttpsRedirect:
    """Return the redirect of a whole host to HTTPS."""
    return HttpsRedirect(community.redirect_code, forwarded=community.forwarded, slash=False)


def _of_server(contributions: Iterable[Contribution]) -> Overrides:
    """Return the settings of whole servers, each as the first of *contributions* has it."""
    explicit: dict[str, object] = {}
    keys: dict[str, str] = {}
    for each in contributions:
        own = each.valid.overrides.part(Scope.SERVER)
        explicit = {**own.explicit, **explicit}
        keys = {**own.keys, **keys}
    return Overrides(explicit, keys, COMMUNITY)


def _tls(contributions: Iterable[Contribution], host: str) -> Tls:
    """Return how *host* speaks TLS: by the first entry that names it, else as the default server."""
    found = (each.certificate(host) for each in contributions)
    return next((tls for tls in found if tls is not None), Tls(None, default=True))
