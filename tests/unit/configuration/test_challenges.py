"""Solvers of ACME challenges: whose host they are served on, whatever came first."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from headgate.api import Ingress, TopLevel, TransportServer, VirtualServer
from headgate.configuration import Configuration
from headgate.controller.kinds import CLAIMANTS
from headgate.problems import ObjectRef
from headgate.validation.challenge import SOLVER
from headgate.validation.rules import Rules

HOST = "a.test"
EARLY, LATE = "2024-01-01T00:00:00Z", "2024-01-09T00:00:00Z"


def solver(name: str = "solver", created: str = EARLY, namespace: str = "other", **labels: str) -> Ingress:
    backend = {"service": {"name": "solver", "port": {"number": 8089}}}
    path = {"path": f"/.well-known/acme-challenge/{name}", "pathType": "Exact", "backend": backend}
    spec = {"ingressClassName": "nginx", "rules": [{"host": HOST, "http": {"paths": [path]}}]}
    metadata = {
        "name": name,
        "namespace": namespace,
        "creationTimestamp": created,
        "labels": labels or {SOLVER: "true"},
    }
    return Ingress.convert({"metadata": metadata, "spec": spec})


def owner(kind: str, created: str = LATE) -> TopLevel:
    metadata: dict[str, Any] = {"name": "owner", "namespace": "default", "creationTimestamp": created}
    if kind == "VirtualServer":
        return VirtualServer.convert({"metadata": metadata, "spec": {"host": HOST, "routes": []}})
    if kind == "TransportServer":
        listener = {"name": "tls-passthrough", "protocol": "TLS_PASSTHROUGH"}
        upstreams = [{"name": "u", "service": "s", "port": 443}]
        spec = {"listener": listener, "host": HOST, "upstreams": upstreams, "action": {"pass": "u"}}
        return TransportServer.convert({"metadata": metadata, "spec": spec})
    if kind == "master":
        metadata["annotations"] = {"nginx.org/mergeable-ingress-type": "master"}
    paths = [] if kind == "master" else [
        {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "s", "port": {"number": 80}}}}
    ]  # fmt: skip
    rules = [{"host": HOST, "http": {"paths": paths}}] if paths else [{"host": HOST}]
    return Ingress.convert({"metadata": metadata, "spec": {"ingressClassName": "nginx", "rules": rules}})


def served(found: Configuration) -> dict[str, list[str]]:
    """Return the objects that attach to each resource."""
    return {str(ref): [each.candidate.ref.key for each in resource.attached]
            for ref, resource in found.resources.items()}  # fmt: skip


def configuration(*batches: TopLevel) -> Configuration:
    found = Configuration(CLAIMANTS, Rules(gates=frozenset({"enable-tls-passthrough"})))
    for item in batches:
        found.update([item], [])
    return found


@pytest.mark.parametrize("kind", ["VirtualServer", "Ingress", "master"])
def test_a_solver_attaches_to_the_owner_of_its_host_in_any_order(kind: str) -> None:
    objects = owner(kind), solver("old"), solver("new", "2024-02-01T00:00:00Z", "default")
    results = {str(served(configuration(*order))) for order in permutations(objects)}
    assert results == {str({str(objects[0].ref): ["other/old", "default/new"]})}
    found = configuration(*objects)
    assert found.update([solver("more")], []).standings[solver("more").ref].problems == ()


def test_a_solver_without_an_owner_is_an_ordinary_ingress_until_there_is_one() -> None:
    found = configuration(solver("new", LATE), solver("old"))
    assert served(found) == {"Ingress other/old": ["other/new"]}
    update = found.update([owner("VirtualServer")], [])
    assert [(change.operation.value, str(change.resource.ref)) for change in update.changes] == [
        ("delete", "Ingress other/old"),
        ("add-or-update", "VirtualServer default/owner"),
    ]
    assert served(found) == {"VirtualServer default/owner": ["other/old", "other/new"]}
    assert {ref.name: standing.owner for ref, standing in update.standings.items() if ref.kind == "Ingress"} == {
        "old": owner("VirtualServer").ref,
        "new": owner("VirtualServer").ref,
    }
    found.update([], [owner("VirtualServer").ref])
    assert served(found) == {"Ingress other/old": ["other/new"]}
    found.update([], [solver("old").ref])
    assert served(found) == {"Ingress other/new": []}


def test_the_label_alone_makes_the_difference() -> None:
    found = configuration(owner("VirtualServer"), solver(created=EARLY, app="x"))
    assert served(found) == {"Ingress other/solver": []}
    found.update([solver(created=EARLY)], [])
    assert served(found) == {"VirtualServer default/owner": ["other/solver"]}
    found.update([solver(created=EARLY, app="x")], [])
    assert served(found) == {"Ingress other/solver": []}


def test_a_host_of_tls_passthrough_serves_no_challenge() -> None:
    found = configuration(owner("TransportServer"))
    update = found.update([solver()], [])
    assert served(found) == {"TransportServer default/owner": []}
    (problem,) = update.standings[ObjectRef("Ingress", "other", "solver", "networking.k8s.io")].problems
    assert "TransportServer default/owner" in problem.reason
    assert problem.code == "Rejected"
