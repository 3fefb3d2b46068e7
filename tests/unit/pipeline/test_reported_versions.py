"""Which version of an object a verdict is about, and when the same verdict is reported again."""

from __future__ import annotations

from typing import Any

from headgate.api import Policy, TopLevel, VirtualServer
from tests.properties.cluster_objects import object_in
from tests.simulated_cluster import SimulatedCluster

FOLDER = ("--manifests=.",)


def virtual_server(generation: int, host: str = "a.test", **more: Any) -> TopLevel:
    route = {"path": "/", "action": {"return": {"body": "x"}}}
    spec = {"host": host, "routes": [route], "policies": [{"name": "office"}]}
    return object_in(VirtualServer, "shop", "cafe", spec=spec, metadata={"generation": generation}, **more)


def policy(**more: Any) -> TopLevel:
    return object_in(Policy, "shop", "office", spec={"accessControl": {"allow": ["10.0.0.0/8"]}}, **more)


def judged(cluster: SimulatedCluster) -> int:
    return cluster.statuses.current[virtual_server(1).ref].subject.generation


def test_a_version_that_comes_while_nginx_reloads_is_not_what_the_verdict_is_about() -> None:
    cluster = SimulatedCluster(FOLDER)
    cluster.put(virtual_server(1), policy())
    cluster.process_batch(meanwhile=lambda: cluster.put(virtual_server(2, "not a host")))
    assert judged(cluster) == 1
    cluster.process_batch()
    assert judged(cluster) == 2


def test_a_generation_whose_spec_reads_the_same_is_reported() -> None:
    cluster = SimulatedCluster(FOLDER)
    cluster.put(virtual_server(1), policy())
    cluster.process_batch()
    cluster.put(virtual_server(3))
    cluster.process_batch()
    assert judged(cluster) == 3


def test_a_status_that_is_written_reports_nothing_again() -> None:
    written = {"status": {"state": "Valid"}}
    for host in ("a.test", "not a host"):
        cluster = SimulatedCluster(FOLDER)
        cluster.put(virtual_server(1, host), policy())
        cluster.process_batch()
        before = cluster.events.count
        cluster.put(virtual_server(1, host, **written), policy(**written))
        generation = cluster.process_batch()
        assert (cluster.events.count, generation.generated) == (before, frozenset())
