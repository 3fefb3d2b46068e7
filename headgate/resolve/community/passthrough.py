"""``ssl-passthrough``: TLS connections for a host go to the Service of its path ``/``, which terminates TLS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from headgate.problems import Problem
from headgate.resolve.community.contribution import Contribution
from headgate.resolve.search import Search
from headgate.routes import Listener, Protocol, StreamBackend, StreamRoute, VirtualHost
from headgate.settings import COMMUNITY
from headgate.validation.transportserver import PASSTHROUGH_LISTENER

TERMINATED = "TLS is terminated here"


def passed_on(
    search: Search, hosts: Sequence[VirtualHost], contributions: Sequence[Contribution]
) -> Iterator[StreamRoute]:
    """Yield a route for each of *hosts* whose TLS connections an Ingress among *contributions* wants passed on."""
    for host in hosts:
        asking = next((each for each in contributions if each.passes_tls and host.name in each.valid.hosts), None)
        if asking is None:
            continue
        ref, found = asking.valid.ingress.ref, _root(host.name, contributions)
        fault = _fault(host)
        if fault or found is None:
            reason = fault or "is for the Service of path /, which the host does not have"
            problem = Problem(ref, f"{COMMUNITY.prefix}ssl-passthrough", "true", reason, TERMINATED)
            search.report(problem)
            continue
        yield StreamRoute(
            listener=Listener(0, Protocol.TLS_PASSTHROUGH, tls=True, name=PASSTHROUGH_LISTENER),
            target=found.backend.upstream,
            backends=(found,),
            origin=host.origin,
            host=host.name,
            field=f"metadata.annotations[{COMMUNITY.prefix}ssl-passthrough]",
            part=host.name,
        )


def _fault(host: VirtualHost) -> str:
    """Return why connections of *host* are not passed on, ``""`` if they are: nothing of HTTP is looked at then."""
    if not host.name or host.name.startswith("*"):
        return "is for hosts that are one name each"
    guarded = next((route for route in host.routes if route.policies.keeps_out or route.policies.refused), None)
    if guarded is None and not host.policies.keeps_out:
        return ""
    about = f" ({guarded.origin}, path {guarded.match.path})" if guarded else ""
    return f"would let in clients that annotations or the ConfigMap keep out{about}"


def _root(host: str, contributions: Sequence[Contribution]) -> StreamBackend | None:
    """Return the Service of the path ``/`` of *host*."""
    found = (backend for each in contributions if (backend := each.root_backend(host)))
    return next((StreamBackend(backend=backend) for backend in found), None)
