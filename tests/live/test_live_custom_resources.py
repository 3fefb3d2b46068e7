"""Custom resources of a cluster: whether their definitions are there, and what is written to their statuses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.directories import short_directory
from tests.k8s.apiserver import CUSTOM
from tests.live.headgate_process import HeadgateProcess
from tests.live.json_objects import Json, answering, endpoints, ingress, ingress_class, service
from tests.live.scripted_cluster import ScriptedCluster
from tests.nginx_binaries import ANY_NGINX
from tests.waiting import wait_until

HOST = "cafe.test"
Setup = tuple[HeadgateProcess, ScriptedCluster]


def virtual_server(name: str, body: str, host: str = HOST, created: str = "2026-01-01T00:00:00Z", **spec: Any) -> Json:
    route = {"path": "/", "action": {"return": {"body": body}}}
    return {
        "apiVersion": "k8s.nginx.org/v1",
        "kind": "VirtualServer",
        "metadata": {"name": name, "namespace": "default", "creationTimestamp": created},
        "spec": {"host": host, "routes": [route], **spec},
    }


@pytest.fixture
def setup() -> Iterator[Setup]:
    """A cluster without definitions, with an Ingress, and a Headgate that serves it."""
    with ExitStack() as stack:
        directory = stack.enter_context(short_directory())
        cluster = stack.enter_context(ScriptedCluster(directory))
        front = service("front", "ours", type="LoadBalancer", ports=[{"port": 80}, {"port": 8443, "targetPort": 443}])
        front["status"] = {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}}
        cluster.put(ingress_class(), front, answering("inn", "inn.test", "inn"))
        flags = (
            f"--kubeconfig={cluster.kubeconfig}",
            "-enable-snippets",
            "-external-service=front",
            "-data-plane=files",
        )
        headgate = HeadgateProcess(directory, ANY_NGINX, *flags, "-data-plane=files")
        stack.callback(headgate.stop)
        headgate.start_ready()
        yield headgate, cluster


def define(cluster: ScriptedCluster, *, there: bool = True) -> None:
    for plural in CUSTOM:
        cluster.do(lambda server, plural=plural: server.absent(plural, now=not there))  # type: ignore[misc]


def status(cluster: ScriptedCluster, name: str) -> Json:
    found: Json = cluster.do(lambda server: server.get("VirtualServer", "default", name)).get("status", {})
    return found


def notes(headgate: HeadgateProcess) -> list[str]:
    return [entry["definitions"] for entry in headgate.log_records() if entry["msg"].startswith("custom resources are")]


def test_definitions_may_be_missing_come_go_and_come_back(setup: Setup) -> None:
    headgate, cluster = setup
    assert headgate.get("inn.test").body == "inn"
    (missing,) = notes(headgate)
    assert "virtualservers.k8s.nginx.org" in missing
    cluster.put(virtual_server("cafe", "one"))
    define(cluster)
    wait_until(lambda: headgate.get(HOST).body == "one")
    define(cluster, there=False)
    wait_until(lambda: len([note for note in notes(headgate) if "virtualservers" in note]) == 3)
    wait_until(lambda: headgate.get(HOST).status == 404)
    assert headgate.get("inn.test").body == "inn"
    define(cluster)
    wait_until(lambda: headgate.get(HOST).body == "one")
    told = [note for note in notes(headgate) if "virtualservers" in note]
    assert len(told) == 4
    assert not [entry for entry in headgate.log_records() if entry["msg"] == "informer failed"]


def test_statuses_have_state_reason_message_and_addresses(setup: Setup) -> None:
    headgate, cluster = setup
    define(cluster)
    cluster.put(virtual_server("cafe", "one"))
    wait_until(lambda: headgate.get(HOST).body == "one")
    message = "Configuration for default/cafe was added or updated"
    endpoint = {"ip": "203.0.113.1", "ports": "[80,8443]"}
    wait_until(lambda: status(cluster, "cafe").get("externalEndpoints") == [endpoint])
    found = status(cluster, "cafe")
    assert (found["state"], found["reason"], found["message"]) == ("Valid", "AddedOrUpdated", message)
    assert cluster.messages("cafe", "VirtualServer") == [message]
    cluster.put(virtual_server("late", "two", created="2026-02-01T00:00:00Z"))
    wait_until(lambda: status(cluster, "late").get("state") == "Warning")
    assert status(cluster, "late")["reason"] == "Rejected"
    assert status(cluster, "late")["message"].startswith(
        "Host is taken by another resource: VirtualServer default/cafe, created 2026-01-01T00:00:00Z; "
    )
    cluster.put(virtual_server("cafe", "one", gunzip="yes"))
    wait_until(lambda: status(cluster, "cafe").get("state") == "Invalid")
    assert status(cluster, "cafe")["message"].startswith(
        "VirtualServer default/cafe was rejected with error: spec.gunzip"
    )
    wait_until(lambda: headgate.get(HOST).body == "two")
    wait_until(lambda: status(cluster, "late").get("state") == "Valid")
    cluster.put(virtual_server("cafe", "one"))
    wait_until(lambda: (headgate.get(HOST).body, status(cluster, "late").get("state")) == ("one", "Warning"))
    generation = cluster.do(lambda server: server.get("VirtualServer", "default", "cafe"))["metadata"]["generation"]
    wait_until(lambda: status(cluster, "cafe").get("observedGeneration") == generation)


def test_the_status_of_a_virtual_server_route_names_the_virtual_server_that_serves_it(setup: Setup) -> None:
    headgate, cluster = setup
    define(cluster)
    own = {"path": "/tea", "action": {"return": {"body": "tea"}}}
    cluster.put(
        {
            "apiVersion": "k8s.nginx.org/v1",
            "kind": "VirtualServerRoute",
            "metadata": {"name": "tea", "namespace": "default", "labels": {"app": "tea"}},
            "spec": {"host": HOST, "subroutes": [own]},
        }
    )

    def found() -> tuple[str, str, str]:
        fields = cluster.do(lambda server: server.get("VirtualServerRoute", "default", "tea")).get("status", {})
        return fields.get("state", ""), fields.get("reason", ""), fields.get("referencedBy", "")

    wait_until(lambda: found() == ("Warning", "NoVirtualServerFound", ""))
    cluster.put(virtual_server("cafe", "one"))
    wait_until(lambda: found() == ("Warning", "Ignored", ""))
    cluster.put(virtual_server("cafe", "", routes=[{"path": "/tea", "routeSelector": {"matchLabels": {"app": "tea"}}}]))
    wait_until(lambda: headgate.get(HOST, "/tea").body == "tea")
    wait_until(lambda: found() == ("Valid", "AddedOrUpdated", "default/cafe"))


def test_a_subselector_selects_endpoints_by_the_labels_of_pods(setup: Setup) -> None:
    headgate, cluster = setup
    define(cluster)
    slices = endpoints("tea", "192.0.2.1", "192.0.2.2")
    for endpoint, name in zip(slices["endpoints"], ("one", "two"), strict=True):
        endpoint["targetRef"] = {"kind": "Pod", "name": name, "namespace": "default"}
    cluster.put(service("tea"), slices, pod("one", version="1"), pod("two", version="2"))
    assert cluster.asked("GET", "pods", watch="1") == 0
    upstream = {"name": "tea", "service": "tea", "port": 80, "subselector": {"version": "2"}}
    tea = virtual_server("tea", "", "tea.test", upstreams=[upstream], routes=[{"path": "/", "action": {"pass": "tea"}}])
    cluster.put(tea)
    wait_until(lambda: headgate.file("conf.d/vs_default_tea.conf"))
    assert servers(headgate) == ["192.0.2.2:8080"]
    cluster.put(pod("one", version="2"))
    wait_until(lambda: servers(headgate) == ["192.0.2.1:8080", "192.0.2.2:8080"])


def pod(name: str, **labels: str) -> Json:
    metadata = {"name": name, "namespace": "default", "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}


def servers(headgate: HeadgateProcess) -> list[str]:
    return re.findall(r"server ([0-9.]+:[0-9]+)", headgate.file("conf.d/vs_default_tea.conf"))


def test_a_policy_of_a_cluster_guards_and_has_a_status(setup: Setup) -> None:
    headgate, cluster = setup
    define(cluster)
    guard = {"apiVersion": "k8s.nginx.org/v1", "kind": "Policy", "metadata": {"name": "guard", "namespace": "default"}}
    cluster.put(
        virtual_server("cafe", "one", policies=[{"name": "guard"}]),
        ingress("inn", "inn.test", policies="guard"),
    )
    wait_until(lambda: (headgate.get(HOST).status, headgate.get("inn.test").status) == (500, 500))

    def state() -> str:
        found: Json = cluster.do(lambda server: server.get("Policy", "default", "guard")).get("status", {})
        return found.get("state", "")

    cluster.put({**guard, "spec": {"accessControl": {"allow": ["127.0.0.1"]}}})
    wait_until(lambda: headgate.get(HOST).body == "one")
    wait_until(lambda: state() == "Valid")
    assert cluster.messages("guard", "Policy") == ["Policy default/guard was added or updated"]
    cluster.put({**guard, "spec": {"accessControl": {"deny": ["127.0.0.1"]}}})
    wait_until(lambda: (headgate.get(HOST).status, headgate.get("inn.test").status) == (403, 403))
    cluster.put({**guard, "spec": {"basicAuth": {"secret": "missing"}}})
    wait_until(lambda: headgate.get(HOST).status == 500)
    wait_until(lambda: state() == "Warning")
    cluster.put({**guard, "spec": {"accessControl": {"deny": ["nobody"]}}})
    wait_until(lambda: state() == "Invalid")
    wait_until(lambda: "Rejected" in cluster.reasons("guard", "Policy"))
    cluster.put({**guard, "spec": {"accessControl": {"allow": ["127.0.0.1"]}}})
    wait_until(lambda: headgate.get(HOST).body == "one")
    define(cluster, there=False)
    wait_until(lambda: headgate.get("inn.test").status == 500)
