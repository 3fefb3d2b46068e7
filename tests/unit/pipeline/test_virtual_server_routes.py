"""A host of many VirtualServerRoutes: what a change of one of them costs the others."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from types import FrameType
from typing import Any

import pytest

from headgate.api import ConfigMap, EndpointSlice, Service, TopLevel, VirtualServer, VirtualServerRoute
from headgate.api.nginx_org import Policy
from headgate.translate.locations import translate_location
from headgate.translate.tls import translate_tls
from tests.properties.cluster_objects import object_in
from tests.simulated_cluster import SimulatedCluster

COUNT = 30
FLAGS = ("--manifests=.", "-nginx-configmaps=nginx-ingress/nginx-config", "-enable-snippets")


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


def calls_of_a_change(count: int) -> list[str]:
    """Return the functions of Python that the pipeline calls for a change of one of *count* VirtualServerRoutes."""
    cluster = crowded(count)
    labels = {"labels": {"kubernetes.io/service-name": "tea"}}
    endpoints = {"ports": [{"port": 80}], "endpoints": [{"addresses": ["10.0.0.1"]}]}
    cluster.put(object_in(Service, "shop", "tea", spec={"ports": [{"port": 80}]}))
    cluster.put(object_in(EndpointSlice, "shop", "tea", addressType="IPv4", metadata=labels, **endpoints))
    cluster.process_batch()
    calls, changed = [], route(3, "new")

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            calls.append(frame.f_code.co_qualname)

    sys.setprofile(note)
    try:
        cluster.pipeline.advance({changed.ref: changed}, datetime.now(UTC))
    finally:
        sys.setprofile(None)
    return calls


def test_a_change_of_one_calls_no_function_for_each_of_the_others() -> None:
    calls_of_a_change(5)  # what is only done once in a process
    assert len(calls_of_a_change(4 * COUNT)) - len(calls_of_a_change(COUNT)) < COUNT


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


def test_a_change_of_one_translates_it_and_not_the_server_that_includes_it() -> None:
    calls = calls_of_a_change(COUNT)
    assert calls.count(translate_location.__qualname__) > 0
    assert calls.count(translate_tls.__qualname__) == 0


def pair(
    cluster: SimulatedCluster, upstream: Mapping[str, Any] = {}, subroute: Mapping[str, Any] = {}
) -> dict[str, Any]:
    """Return the files of *cluster* when one of two VirtualServerRoutes has these fields."""
    settings = object_in(ConfigMap, "nginx-ingress", "nginx-config", data={"http2": "true"})
    routes = [{"path": f"/{name}", "route": f"shop/{name}"} for name in ("a", "b")]
    server = object_in(VirtualServer, "default", "cafe", spec={"host": "a.test", "routes": routes})
    members = [
        object_in(VirtualServerRoute, "shop", name, spec={
            "host": "a.test",
            "upstreams": [{"name": "tea", "service": "tea", "port": 80, **own}],
            "subroutes": [{"path": f"/{name}", "action": {"pass": "tea"}, **more}],
        })
        for name, own, more in (("a", {}, {}), ("b", upstream, subroute))
    ]  # fmt: skip
    cluster.put(settings, server, *members)
    cluster.process_batch()
    return dict(cluster.files)


@pytest.mark.parametrize(
    ("upstream", "subroute", "line"),
    [
        ({"type": "grpc"}, {}, "http2 on;"),
        ({}, {"location-snippets": "set $a $resource_name;"}, "set $resource_name cafe;"),
    ],
)
def test_the_server_has_what_one_of_its_virtual_server_routes_needs_as_long_as_that_needs_it(
    upstream: dict[str, Any], subroute: dict[str, Any], line: str
) -> None:
    file, cluster = "conf.d/vs_default_cafe.conf", SimulatedCluster(FLAGS)
    plain, special = pair(SimulatedCluster(FLAGS)), pair(SimulatedCluster(FLAGS), upstream, subroute)
    assert (line in special[file].data.decode(), line in plain[file].data.decode()) == (True, False)
    assert pair(cluster) == plain
    assert pair(cluster, upstream, subroute) == special
    assert pair(cluster) == plain
