"""A host of many VirtualServerRoutes: what a change of one of them costs the others."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any

from headgate.api import EndpointSlice, Service, TopLevel, VirtualServer, VirtualServerRoute
from headgate.api.nginx_org import Policy
from tests.properties.cluster_objects import object_in
from tests.simulated_cluster import SimulatedCluster

COUNT = 30


def route(number: int, body: str = "body", **metadata: Any) -> TopLevel:
    actions = [{"return": {"body": body}}, {"return": {"body": "other"}}]
    split = [{"weight": 50, "action": action} for action in actions]
    page = {"codes": [404], "return": {"body": "page"}}
    subroutes = [
        {"path": f"/r{number}", "splits": split},
        {"path": f"/r{number}/x", "action": {"pass": "tea"}, "errorPages": [page]},
    ]
    upstreams = [{"name": "tea", "service": "tea", "port": 80}]
    spec = {"host": "a.test", "upstreams": upstreams, "subroutes": subroutes}
    return object_in(VirtualServerRoute, "shop", f"r{number}", spec=spec, metadata=metadata)


def crowded(count: int = COUNT) -> SimulatedCluster:
    """Return a cluster with one host of many VirtualServerRoutes."""
    routes = [{"path": f"/r{number}", "route": f"shop/r{number}"} for number in range(count)]
    cluster = SimulatedCluster(("--manifests=.",))
    cluster.put(object_in(VirtualServer, "default", "cafe", spec={"host": "a.test", "routes": routes}))
    cluster.put(*map(route, range(count)))
    cluster.process_batch()
    return cluster


def differing(before: SimulatedCluster, files: dict[str, Any]) -> set[str]:
    """Return the files that are other objects than in *files*; those that are the same cost no comparison."""
    return {name for name, file in before.files.items() if file is not files.get(name)} | files.keys() - set(
        before.files
    )


def test_a_change_of_one_makes_its_files_again_and_no_other() -> None:
    cluster = crowded()
    assert len([name for name in cluster.files if name.startswith("attached/a.test/vsr_")]) == COUNT
    files = dict(cluster.files)
    cluster.put(route(3, "new"))
    cluster.process_batch()
    assert differing(cluster, files) == {"attached/a.test/vsr_shop_r3.locations"}


def test_one_that_goes_takes_its_files_along_and_changes_the_list_alone() -> None:
    cluster = crowded()
    files = dict(cluster.files)
    cluster.delete(route(3).ref)
    cluster.process_batch()
    gone = {"attached/a.test/vsr_shop_r3.locations", "conf.d/vsr_shop_r3.conf"}
    assert differing(cluster, files) == {"attached/a.test/_includes", *gone}


def test_labels_that_no_selector_asks_for_change_no_file() -> None:
    cluster = crowded()
    files = dict(cluster.files)
    cluster.put(route(3, labels={"app": "tea"}))
    cluster.process_batch()
    assert differing(cluster, files) == set()


def test_a_host_of_which_one_path_is_guarded_is_closed_while_nginx_refuses_its_file() -> None:
    cluster = crowded()
    file = "conf.d/vs_default_cafe.conf"
    assert cluster.files[file].closed is None
    spec = {"accessControl": {"allow": ["10.0.0.0/8"]}}
    cluster.put(object_in(Policy, "shop", "office", spec=spec), guarded := route(3))
    subroutes = [{"path": "/r3", "policies": [{"name": "office"}], "action": {"return": {"body": "x"}}}]
    spec = {"host": "a.test", "subroutes": subroutes}
    cluster.put(object_in(VirtualServerRoute, "shop", guarded.ref.name, spec=spec))
    cluster.process_batch()
    closed = (cluster.files[file].closed or b"").decode()
    assert "server_name a.test;" in closed
    assert "return 500;" in closed
    cluster.put(guarded)
    cluster.process_batch()
    assert cluster.files[file].closed is None


def calls_of_a_change(count: int) -> int:
    """Return how many functions of Python the pipeline calls for a change of one of *count* VirtualServerRoutes."""
    cluster = crowded(count)
    labels = {"labels": {"kubernetes.io/service-name": "tea"}}
    endpoints = {"ports": [{"port": 80}], "endpoints": [{"addresses": ["10.0.0.1"]}]}
    cluster.put(object_in(Service, "shop", "tea", spec={"ports": [{"port": 80}]}))
    cluster.put(object_in(EndpointSlice, "shop", "tea", addressType="IPv4", metadata=labels, **endpoints))
    cluster.process_batch()
    calls, changed = 0, route(3, "new")

    def note(_: object, event: str, __: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(note)
    try:
        cluster.pipeline.advance({changed.ref: changed}, datetime.now(UTC))
    finally:
        sys.setprofile(None)
    return calls


def test_a_change_of_one_calls_no_function_for_each_of_the_others() -> None:
    calls_of_a_change(5)  # what is only done once in a process
    assert calls_of_a_change(4 * COUNT) - calls_of_a_change(COUNT) < COUNT


def test_a_subroute_that_goes_without_the_guard_of_its_route_is_reported_while_that_is_one() -> None:
    def policy(name: str, **spec: Any) -> TopLevel:
        return object_in(Policy, "default", name, spec=spec)

    def told(cluster: SimulatedCluster) -> bool:
        generation = cluster.process_batch()
        found = generation.resources[VirtualServer.KIND.ref("default", "cafe")].wanted.problems
        return any("replaces all Policies of spec.routes[0]" in problem.reason for problem in found)

    guard, pages = {"accessControl": {"deny": ["192.0.2.1"]}}, {"cors": {"allowOrigin": ["*"]}}
    cluster = crowded(2)
    routes = [{"path": "/r0", "route": "shop/r0", "policies": [{"name": "guard"}]}]
    cluster.put(object_in(VirtualServer, "default", "cafe", spec={"host": "a.test", "routes": routes}))
    subroutes = [
        {
            "path": "/r0",
            "policies": [{"name": "pages", "namespace": "default"}],
            "action": {"return": {"body": "x"}},
        }
    ]
    spec = {"host": "a.test", "subroutes": subroutes}
    cluster.put(
        policy("guard", **guard), policy("pages", **pages), object_in(VirtualServerRoute, "shop", "r0", spec=spec)
    )
    assert told(cluster)
    cluster.put(policy("guard", **pages))
    assert not told(cluster)
    cluster.put(policy("guard", **guard))
    assert told(cluster)
    cluster.put(policy("pages", **guard))
    assert not told(cluster)
