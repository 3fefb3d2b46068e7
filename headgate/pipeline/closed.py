"""What stands for a resource whose files cannot be made: its hosts, which answer nothing but 500.

Without them a wildcard host that covers a name would answer in its place: another application, or the same one without
what kept clients out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import structs

from headgate.configuration import Resource
from headgate.problems import ObjectRef, Problem
from headgate.resolve import Lowered
from headgate.routes import Layer, Policies, RouteTable, VirtualHost
from headgate.settings import Overrides

GUARDING: Final = (
    "basic_auth", "refused", "access", "passwords", "api_keys", "jwt", "external_auth", "client_certificates", "oidc",
)  # fmt: skip
"""The fields of ``Policies`` that keep clients out; how often they may ask is not among these."""


def closed(wanted: Lowered, reason: str) -> Lowered:
    """Return *wanted* with nothing but its hosts; *reason* is why each request is answered 500."""
    hosts = tuple(_closed(host, reason) for host in wanted.table.hosts)
    return structs.replace(wanted, table=structs.replace(wanted.table, hosts=hosts, streams=()))


def instead_of(resource: Resource, known: Lowered | None, problem: Problem) -> Lowered:
    """Return what stands for *resource*, which cannot be lowered; *problem* says why.

    Where its hosts are those that are *known* from an earlier version, they speak TLS as these do; else plain HTTP.
    """
    members = (resource.ref, *(attached.candidate.ref for attached in resource.attached))
    if known and {host.name for host in known.table.hosts} == set(resource.hosts):
        found = closed(known, problem.reason)
    else:
        hosts = tuple(_bare(host, resource.ref, Policies(refused=problem.reason)) for host in resource.hosts)
        found = Lowered(RouteTable(origin=resource.ref, members=members, hosts=hosts))
    return structs.replace(found, table=structs.replace(found.table, members=members), problems=(problem,))


def _closed(host: VirtualHost, reason: str) -> VirtualHost:
    bare = _bare(host.name, host.origin, Policies(refused=reason))
    return structs.replace(
        bare, listeners=host.listeners, only_there=host.only_there, tls=host.tls, covered=host.covered
    )


def _bare(name: str, origin: ObjectRef, policies: Policies) -> VirtualHost:
    layers = (Layer(origin, Overrides()),)
    return VirtualHost(name=name, origin=origin, settings=layers, handed_down=layers, policies=policies)


def keeps_out(served: RouteTable | None, wanted: RouteTable) -> bool:
    """Whether *served* has everything at its place that keeps clients out of *wanted*."""
    there = [*_guarded(served)] if served else []
    return all(guard in there for guard in _guarded(wanted))


def _guarded(table: RouteTable) -> Iterator[tuple[str, str, Policies]]:
    """Yield each guarded place: its host, its path or an empty text, and what keeps clients out there."""
    for host in table.hosts:
        places = [("", host.policies), *((str(route.match), route.policies) for route in host.routes)]
        for path, policies in places:
            found = Policies(**{name: getattr(policies, name) for name in GUARDING})
            if found != Policies():
                yield host.name, path, found
