"""Which routes of a server speak gRPC, and whether clients can."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from headgate.ir.http import Tls
from headgate.routes import Choice, Route, Split, VirtualHost
from headgate.translate.draft import Draft, Place

Words = tuple[str, str]
"""The reason and the effect of a Problem."""


class GrpcCount(msgspec.Struct, frozen=True, gc=False):
    """How many *routes* there are, how many ask for gRPC, and how many only lead to others."""

    routes: int = 0
    asking: int = 0
    leading: int = 0

    def exchanged(self, old: GrpcCount, new: GrpcCount) -> GrpcCount:
        """Return this count with *new* in place of *old*, which is in it."""
        return GrpcCount(
            self.routes - old.routes + new.routes,
            self.asking - old.asking + new.asking,
            self.leading - old.leading + new.leading,
        )


def asks_grpc(place: Place, route: Route) -> bool:
    """Whether the backend of *route* speaks gRPC, by its own type or because a setting names its Service."""
    target = route.backend
    return target is not None and (target.grpc or target.service in place.params.services.grpc_services)


def without_grpc(draft: Draft, host: VirtualHost, tls: Tls | None) -> Words | None:
    """Return why no client of *host* can speak gRPC, or no backend; ``None`` if they can.

    Without TLS nginx speaks HTTP/2 to clients that know it beforehand, where it has the directive ``http2``.
    """
    if not draft.speaks_grpc(draft.host(host)) and draft.host(host).params.tls.http2:
        return "needs HTTP/2, which nginx before 1.25.1 has for all hosts of a port only", "HTTP/1.1 is used"
    if not draft.speaks_grpc(draft.host(host)):
        return 'needs the ConfigMap key http2: "true"', "the Services are accessed over HTTP/1.1"
    if not tls and not draft.env.capabilities.http2_directive:
        reason = "gRPC needs HTTP/2, which nginx before 1.25.1 supports only over TLS"
        return f"needs {host.name or 'the host'} in spec.tls: {reason}", "gRPC clients get no answer"
    return None


def count_grpc(draft: Draft, routes: Iterable[Route], words: Words | None) -> GrpcCount:
    """Count *routes*; warn of those that ask for gRPC, with *words* if it is not possible."""
    number = asking = leading = 0
    for route in routes:
        number += 1
        leading += isinstance(route.action, Split | Choice)
        if asks_grpc(draft.route(route), route):
            asking += 1
            if words:
                draft.warn(route.origin, draft.route(route).key("grpc_services"), "", words)
    return GrpcCount(number, asking, leading)


def extent(draft: Draft, host: VirtualHost, counts: Iterable[GrpcCount]) -> str:
    """Return ``all``, ``some`` or ``""``: how many of the routes of a server speak gRPC."""
    found = list(counts)
    asking = sum(count.asking for count in found)
    if not asking or not draft.speaks_grpc(draft.host(host)):
        return ""
    return "all" if asking + sum(count.leading for count in found) == sum(count.routes for count in found) else "some"
