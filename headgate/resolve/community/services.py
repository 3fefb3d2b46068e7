"""A port of the ConfigMaps of ingress-nginx for TCP and UDP becomes a RouteTable."""

from __future__ import annotations

from typing import Final

from msgspec import structs

from headgate.api.networking import ServiceBackendPort
from headgate.resolve.lowered import Lowered
from headgate.resolve.search import Search
from headgate.resolve.secrets import LocalSecretStore
from headgate.resolve.snapshot import Snapshot
from headgate.routes import Backend, Listener, Protocol, RouteTable, Session, StreamBackend, StreamRoute
from headgate.settings import Snippet
from headgate.settings.community import CommunityHosts
from headgate.settings.community.services import PortService

SESSION: Final = Session(
    timeout="600s", next_upstream=True, next_upstream_timeout="600s", next_upstream_tries=3, responses=1
)
"""What holds in ingress-nginx."""
SENT: Final = Snippet("proxy_protocol on;")


def lower_port_service(
    found: PortService, snapshot: Snapshot, secrets: LocalSecretStore, *, allow_loopback: bool = False
) -> Lowered:
    """Lower *found* to the route of its port."""
    search, ref = Search(snapshot, secrets, allow_loopback=allow_loopback), found.ref
    number = int(found.target) if found.target.isdigit() else None
    port = ServiceBackendPort(number=number) if number else ServiceBackendPort(name=found.target)
    protocol = Protocol.UDP if found.udp else Protocol.TCP
    name = (found.namespace, found.service)
    endpoints = search.service(found.origin, found.key, name, port, protocol=protocol.value)
    block = f"{ref.namespace}_{ref.name}"
    backend = Backend(found.service, found.target, found.namespace, endpoints, upstream=block)
    route = StreamRoute(
        listener=Listener(int(found.key), protocol, name=block),
        target=block,
        backends=(StreamBackend(backend=backend),),
        origin=ref,
        session=_session(search.community, udp=found.udp),
        field=found.key,
        server_snippet=SENT if found.encodes else None,
        proxied=found.decodes,
    )
    return search.lowered(RouteTable(origin=ref, members=(ref,), streams=(route,)))


def _session(community: CommunityHosts, *, udp: bool) -> Session:
    """Return how connections are made; datagrams are not sent again, and only they have a number of answers."""
    said = structs.replace(SESSION, **community.streams)
    return Session(timeout=said.timeout, responses=said.responses) if udp else structs.replace(said, responses=None)
