"""The claims of a VirtualServer, its host; and of a VirtualServerRoute, which attaches to the holder of its host."""

from __future__ import annotations

from collections.abc import Sequence

from headgate.api.nginx_org import VirtualServerRoute
from headgate.configuration.claims import Attachment, AttachmentRule, Candidate, Claim, Claims, Slot
from headgate.configuration.conflicts import out_of_hosts
from headgate.problems import Problem, Severity
from headgate.validation.virtualserver import ValidVirtualServer
from headgate.validation.virtualserverroute import ValidVirtualServerRoute

UNSERVED = "it is not served"


def virtual_server_claims(valid: ValidVirtualServer) -> Claims:
    """Return the slot that a VirtualServer claims, and the VirtualServerRoutes that it names."""
    host = valid.spec.host
    names = frozenset(VirtualServerRoute.KIND.ref(*name) for name in valid.delegations.named)
    slots = (Claim(Slot(host), "spec.host", f"host {host}"),)
    return Claims(slots, out_of_hosts, taken="Host is taken by another resource", names=names)


def virtual_server_route_claims(valid: ValidVirtualServerRoute) -> Claims:
    """Return to which holder a VirtualServerRoute attaches.

    Its paths are no slots: which of them count depends on the VirtualServer, and is decided where that is lowered.
    """
    return Claims((), out_of_hosts, (Attachment(Slot(valid.spec.host), DELEGATED),), selected=True)


def _declines(holder: Candidate, attached: Candidate) -> str | None:
    """Return why *holder* does not take the VirtualServerRoute *attached*, see ``AttachmentRule``."""
    server, route = holder.valid, attached.valid
    if not isinstance(server, ValidVirtualServer):
        return ""
    if server.spec.host != route.spec.host:
        return f"its spec.host is {route.spec.host}, and that of the VirtualServer is {server.spec.host}"
    placed = server.delegations.placed(route.name, route.labels, route.paths)
    return placed if isinstance(placed, str) else None


def _orphan(route: Candidate, parent: Candidate | None, naming: Sequence[Candidate]) -> Problem:
    """Return why no VirtualServer takes *route*, in the words of the incumbent where it has some."""
    host = route.valid.spec.host
    if parent and isinstance(parent.valid, ValidVirtualServer):
        why = _declines(parent, route) or (
            "no route of it names this VirtualServerRoute (route) or selects its labels (routeSelector)"
        )
        reason = f"{parent.ref} ignores VirtualServerRoute: {why}"
        return Problem(route.ref, "", "", reason, UNSERVED, Severity.ERROR, code="Ignored")
    if parent:
        holder = parent.as_holder(Slot(host))
        why = f"{holder} has the host {host}; a VirtualServerRoute needs a VirtualServer with its host"
    else:
        why = f"none has the host {host}"
        if naming:
            why += f"; {naming[0].ref}, which names this VirtualServerRoute, has {naming[0].valid.spec.host}"
    reason = f"VirtualServer is invalid or doesn't exist: {why}"
    return Problem(route.ref, "", "", reason, UNSERVED, Severity.ERROR, code="NoVirtualServerFound")


DELEGATED = AttachmentRule(_declines, _orphan)
"""VirtualServerRoutes attach to the VirtualServer that has their host, if a route of it refers to them."""
