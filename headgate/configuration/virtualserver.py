"""The claim of a VirtualServer: its host."""

from __future__ import annotations

from collections.abc import Sequence

from headgate.api.nginx_org import VirtualServer
from headgate.configuration.claims import Claim, Claims, Holder, Slot
from headgate.problems import ObjectRef
from headgate.validation.virtualserver import ValidVirtualServer


def virtual_server_class(item: VirtualServer) -> str | None:
    """Return the class that *item* names; without one it is of every controller's."""
    return (item.spec and item.spec.ingress_class_name) or None


def virtual_server_claims(valid: ValidVirtualServer) -> Claims:
    """Return the slot that a VirtualServer claims."""
    host = valid.spec.host
    return Claims(
        (Claim(Slot(host), "spec.host", f"host {host}"),), _way_out, taken="Host is taken by another resource"
    )


def _way_out(_: ObjectRef, __: Sequence[Holder]) -> str:
    return "use another host or another ingress class"
