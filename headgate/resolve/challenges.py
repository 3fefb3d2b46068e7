"""ACME challenges become routes of the host that the solver attaches to, whatever kind of object holds that host."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from msgspec import structs

from headgate.api.networking import IngressSpec
from headgate.configuration import Attached, Resource
from headgate.deltas import Rope
from headgate.problems import Problem
from headgate.resolve.lowered import Lowered
from headgate.resolve.search import Search
from headgate.resolve.secrets import LocalSecretStore
from headgate.resolve.snapshot import Snapshot
from headgate.routes import (
    Backend,
    Forward,
    Layer,
    Match,
    PathRegex,
    PathType,
    Policies,
    Route,
    VirtualHost,
)
from headgate.settings import Overrides
from headgate.validation.ingress import ValidIngress

FIELD: Final = "spec.rules[0].http.paths[0]"


def with_challenges(lower: Callable[..., Lowered]) -> Callable[..., Lowered]:
    """Return *lower*, which then adds the challenges that attach to the resource."""

    def lowered(
        resource: Resource, snapshot: Snapshot, secrets: LocalSecretStore, *, allow_loopback: bool = False
    ) -> Lowered:
        solvers = () if resource.plain else tuple(attached for attached in resource.attached if _challenge(attached))
        if not solvers:
            return lower(resource, snapshot, secrets, allow_loopback=allow_loopback)
        others = Rope(attached for attached in resource.attached if attached not in solvers)
        without = structs.replace(resource, attached=others)
        found = lower(without, snapshot, secrets, allow_loopback=allow_loopback)
        return _added(Search(snapshot, secrets, allow_loopback=allow_loopback), found, solvers)

    return lowered


def _challenge(attached: Attached) -> str:
    valid = attached.candidate.valid
    return valid.challenge if isinstance(valid, ValidIngress) else ""


def _added(search: Search, found: Lowered, solvers: Iterable[Attached]) -> Lowered:
    """Return *found* with the routes of *solvers*."""
    table = found.table
    hosts = tuple(_host(search, host, [each.candidate.valid for each in solvers]) for host in table.hosts)
    members = (*table.members, *(each.candidate.ref for each in solvers))
    own = search.lowered(structs.replace(table, members=members, hosts=hosts))
    return structs.replace(
        own, problems=(*found.problems, *own.problems), references=found.references | own.references, files=found.files
    )


def _host(search: Search, host: VirtualHost, solvers: Iterable[ValidIngress]) -> VirtualHost:
    """Return *host* with the challenges of *solvers* that are for it; a path that is taken stays as it is."""
    taken = {path: str(host.origin) for path in _exact_paths(host)}
    routes: list[Route] = []
    for solver in solvers:
        path, ref = solver.challenge, solver.ingress.ref
        if host.name != solver.hosts[0]:
            continue
        if holder := taken.get(path):
            reason = f"is taken by another resource: {holder}"
            search.report(Problem(ref, f"{FIELD}.path", path, reason, "the ACME challenge fails"))
            continue
        taken[path] = str(ref)
        routes.append(_route(search, host, solver))
    challenges = tuple(route.match.path for route in routes)
    return structs.replace(host, routes=(*host.routes, *routes), challenges=challenges)


def _exact_paths(host: VirtualHost) -> Iterator[str]:
    """Yield the paths for which *host* has an exact location."""
    for match in (route.match for route in host.routes):
        if match.modifier == "=" or match.type is PathType.EXACT or match.regex is PathRegex.EXACT:
            yield match.path
        elif match.type is PathType.PREFIX and match.regex is None:
            yield match.path.rstrip("/")


def _route(search: Search, host: VirtualHost, solver: ValidIngress) -> Route:
    """Return the route of a challenge: no annotation of its solver counts on the host of another object."""
    spec = solver.ingress.spec or IngressSpec()
    backend = next(path.backend for rule in spec.rules or () if rule.http for path in rule.http.paths or ())
    layer = Layer(solver.ingress.ref, Overrides())
    service = backend.service
    assert service is not None  # noqa: S101 - the Ingress is valid
    endpoints = search.endpoints(layer, f"{FIELD}.backend.service", service.name, service.port)
    return Route(
        match=Match(solver.challenge, PathType.EXACT),
        action=Forward((Backend(service.name, str(service.port or ""), layer.origin.namespace, endpoints),)),
        origin=layer.origin,
        settings=(layer,),
        policies=Policies(refused=host.policies.refused),
        field=FIELD,
    )
