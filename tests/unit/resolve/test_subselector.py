"""``upstreams[].subselector``: which endpoints of a Service are used, by the labels of their Pods."""

from __future__ import annotations

from typing import Any

from headgate.api import EndpointSlice, Pod, Service
from headgate.api.nginx_org import VirtualServer
from headgate.problems import ObjectRef
from tests.simulated_cluster import SimulatedCluster, api_object

FOLDER = ("--manifests=.",)
FILE = "conf.d/vs_shop_cafe.conf"


def virtual_server(**upstream: Any) -> Any:
    upstreams = [{"name": "tea", "service": "tea", "port": 80, "subselector": {"version": "v1"}, **upstream}]
    spec = {"host": "cafe.test", "upstreams": upstreams, "routes": [{"path": "/", "action": {"pass": "tea"}}]}
    return api_object(VirtualServer, metadata={"namespace": "shop", "name": "cafe"}, spec=spec)


def pod(name: str, **labels: str) -> Any:
    return api_object(Pod, metadata={"namespace": "shop", "name": name, "labels": labels})


def tea() -> list[Any]:
    """Return a Service with two endpoints, of the Pods a and b."""
    endpoints = [
        {"addresses": [f"10.0.0.{number}"], "targetRef": {"kind": "Pod", "name": name}}
        for number, name in enumerate("ab", 1)
    ]
    metadata = {"namespace": "shop", "name": "tea-1", "labels": {"kubernetes.io/service-name": "tea"}}
    return [
        api_object(Service, metadata={"namespace": "shop", "name": "tea"}, spec={"ports": [{"port": 80}]}),
        api_object(
            EndpointSlice, metadata=metadata, addressType="IPv4", ports=[{"port": 8080}], endpoints=endpoints
        ),
    ]  # fmt: skip


def reported(cluster: SimulatedCluster) -> str:
    return cluster.statuses.current[VirtualServer.KIND.ref("shop", "cafe")].message


def servers(cluster: SimulatedCluster) -> list[str]:
    cluster.process_batch()
    lines = cluster.texts()[FILE].decode().splitlines()
    return [line.split()[1].rstrip(";") for line in lines if line.strip().startswith("server 10.")]


def test_labels_that_change_change_the_endpoints() -> None:
    cluster = SimulatedCluster(FOLDER)
    cluster.put(virtual_server(), *tea(), pod("a", version="v1"), pod("b", version="v2"))
    assert servers(cluster) == ["10.0.0.1:8080"]
    cluster.put(pod("b", version="v1", more="yes"))
    assert servers(cluster) == ["10.0.0.1:8080", "10.0.0.2:8080"]
    cluster.delete(ObjectRef("Pod", "shop", "a"))
    assert servers(cluster) == ["10.0.0.2:8080"]


def test_a_pod_that_comes_after_its_endpoint_is_used_then() -> None:
    cluster = SimulatedCluster(FOLDER)
    cluster.put(virtual_server(), *tea())
    assert servers(cluster) == []
    assert "no EndpointSlice has an address of a Pod with the labels version=v1" in reported(cluster)
    cluster.put(pod("a", version="v1"))
    assert servers(cluster) == ["10.0.0.1:8080"]


def test_a_pod_that_no_subselector_concerns_generates_nothing() -> None:
    cluster = SimulatedCluster(FOLDER)
    cluster.put(virtual_server(subselector=None), *tea(), pod("a", version="v1"))
    assert servers(cluster) == ["10.0.0.1:8080", "10.0.0.2:8080"]
    cluster.put(pod("a", version="v2"))
    assert cluster.process_batch().generated == frozenset()


def test_labels_are_validated() -> None:
    cluster = SimulatedCluster(FOLDER)
    cluster.put(virtual_server(subselector={"a b": "x", "version": "v 1"}))
    cluster.process_batch()
    found = reported(cluster)
    assert "spec.upstreams[0].subselector: 'a b' is not the key of a label" in found
    assert "spec.upstreams[0].subselector.version: 'v 1' is not the value of a label" in found
