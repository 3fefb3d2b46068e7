"""What the owner of an object can do about a host that another object holds; it depends on the kinds of both."""

from __future__ import annotations

from collections.abc import Sequence

from headgate.configuration.claims import Holder
from headgate.problems import ObjectRef

ANOTHER = "use another host or another ingress class"


def out_of_hosts(loser: ObjectRef, holders: Sequence[Holder]) -> str:
    """Return how *loser* can share the hosts of *holders*, or that it needs another one."""
    kinds = {holder.ref.kind for holder in holders}
    if kinds == {"Ingress"} == {loser.kind}:
        return _among_ingresses(loser, holders)
    if kinds == {"VirtualServer"} == {loser.kind}:
        return "use a VirtualServerRoute to which that VirtualServer refers (spec.routes[].route) or another host"
    if any(holder.ref.namespace != loser.namespace for holder in holders):
        return ANOTHER
    if kinds == {"VirtualServer"} and loser.kind == "Ingress":
        return "make its paths routes of that VirtualServer or use another host"
    if kinds == {"Ingress"}:
        return f"remove the host from that Ingress, so that the {loser.kind} has it, or use another host"
    return ANOTHER


def _among_ingresses(loser: ObjectRef, holders: Sequence[Holder]) -> str:
    """Advise to share hosts where the owner may: below a master, or with Ingresses of the same namespace."""
    if len(holders) == 1 and holders[0].shared:
        return "use a minion of that master (nginx.org/mergeable-ingress-type) or another host"
    if all(holder.shared or holder.ref.namespace == loser.namespace for holder in holders):
        return "use a master and minions (nginx.org/mergeable-ingress-type) or another host"
    return ANOTHER
