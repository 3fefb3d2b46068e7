"""The claims of a TransportServer: its host on a listener, and whether clients speak TLS there."""

from __future__ import annotations

from collections.abc import Sequence

from headgate.configuration.claims import Claim, Claims, Holder, Slot
from headgate.configuration.conflicts import out_of_hosts
from headgate.problems import ObjectRef
from headgate.validation.transportserver import ValidTransportServer


def transport_server_claims(valid: ValidTransportServer) -> Claims:
    """Return the slots that a TransportServer claims, whether the listener exists or not.

    A listener has one protocol: an object with another one, which cannot be served there, keeps no other object away.
    With TLS passthrough the host is that of Ingresses and VirtualServers, too.
    """
    host, name = valid.host, valid.listener
    if valid.passthrough:
        claim = Claim(Slot(host), "spec.host", f"host {host}")
        return Claims((claim,), out_of_hosts, taken="Host is taken by another resource")
    taken = f"Listener {name} with host {host or 'empty host'} is taken by another resource"
    words = f"listener {name} with host {host or 'empty host'}"
    claims = [Claim(Slot(host, listener=name, path=("", valid.protocol)), "spec.listener.name", words)]
    if valid.protocol == "TCP":
        use = "TLS" if valid.spec.tls else "connections without TLS"
        claims.append(Claim(Slot(listener=name, path=("", "TLS")), "spec.tls", f"listener {name}", use))
    return Claims(tuple(claims), _another_host_or_listener if host else _another_listener, taken=taken)


def _another_host_or_listener(_: ObjectRef, __: Sequence[Holder]) -> str:
    return "use another host or another listener"


def _another_listener(_: ObjectRef, __: Sequence[Holder]) -> str:
    return "use another listener or another ingress class"
