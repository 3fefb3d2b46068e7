"""What is watched: namespaces by list and by label, the class, and Secrets apart."""

from __future__ import annotations

import ssl

import pytest

from tests.live.headgate_process import HeadgateProcess, StartHeadgate
from tests.live.json_objects import Json, answering, ingress_class, tls_secret
from tests.live.scripted_cluster import ScriptedCluster
from tests.waiting import wait_until

NAMESPACES = ("one", "two", "three")


def namespace(name: str, **labels: str) -> Json:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def inhabit(cluster: ScriptedCluster) -> None:
    """Put one Ingress into each namespace."""
    for name in NAMESPACES:
        cluster.put(answering("app", f"{name}.test", name, namespace=name))


def served(headgate: HeadgateProcess) -> set[str]:
    return {name for name in NAMESPACES if headgate.get(f"{name}.test").body == name}


def test_only_the_listed_namespaces_are_asked_for(cluster: ScriptedCluster, serve_cluster: StartHeadgate) -> None:
    inhabit(cluster)
    headgate = serve_cluster("-watch-namespace=one,two")
    assert served(headgate) == {"one", "two"}
    cluster.put(answering("late", "late.test", "late", namespace="two"))
    wait_until(lambda: headgate.get("late.test").body == "late")
    paths = {path for _, path, _ in cluster.do(lambda api: list(api.requests)) if path.endswith("/ingresses")}
    assert paths == {f"/apis/networking.k8s.io/v1/namespaces/{name}/ingresses" for name in ("one", "two")}


def test_namespaces_are_followed_as_they_gain_and_lose_the_label(
    cluster: ScriptedCluster, serve_cluster: StartHeadgate
) -> None:
    inhabit(cluster)
    cluster.put(namespace("one", team="web"), namespace("two"), namespace("three", team="db"))
    headgate = serve_cluster("-watch-namespace-label=team=web")
    assert served(headgate) == {"one"}
    assert headgate.reloads() == 1
    cluster.put(namespace("two", team="web"))
    wait_until(lambda: served(headgate) == {"one", "two"})
    cluster.put(namespace("one"))
    wait_until(lambda: served(headgate) == {"two"})
    wait_until(lambda: not headgate.file("conf.d/one-app.conf"))
    cluster.put(answering("app", "two.test", "changed", namespace="two"))
    wait_until(lambda: headgate.get("two.test").body == "changed")
    cluster.put(answering("app", "one.test", "while away", namespace="one"), namespace("one", team="web"))
    wait_until(lambda: headgate.get("one.test").body == "while away")
    cluster.delete("Namespace", "two", "")
    wait_until(lambda: headgate.get("two.test").status == 404)


def test_secrets_can_be_limited_to_fewer_namespaces(cluster: ScriptedCluster, serve_cluster: StartHeadgate) -> None:
    for name in ("one", "two"):
        host = f"{name}.test"
        cluster.put(tls_secret("cert", host, namespace=name))
        cluster.put(answering("app", host, name, namespace=name, tls={"cert": [host]}))
    headgate = serve_cluster("-watch-namespace=one,two", "-watch-secret-namespace=two")
    assert headgate.certificate("two.test")
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
        headgate.certificate("one.test")


def test_helm_releases_are_not_requested(cluster: ScriptedCluster, serve_cluster: StartHeadgate) -> None:
    release = {**tls_secret("sh.helm.release.v1.x", "x.test"), "type": "helm.sh/release.v1"}
    cluster.put(release)
    headgate = serve_cluster("-log-level=trace")
    queries = [query for _, path, query in cluster.do(lambda api: list(api.requests)) if path.endswith("/secrets")]
    assert queries
    assert all("helm.sh/release.v1" in query["fieldSelector"] for query in queries)
    assert "sh.helm.release" not in headgate.log_text()


def test_only_ingresses_of_our_class_are_served(cluster: ScriptedCluster, serve_cluster: StartHeadgate) -> None:
    cluster.put(ingress_class("edge"), ingress_class("foreign", "example.com/other"))
    cluster.put(answering("ours", "one.test", "one", class_name="edge"), answering("theirs", "two.test", "two"))
    headgate = serve_cluster("-ingress-class=edge")
    assert served(headgate) == {"one"}
    assert cluster.reasons("theirs") == []


def test_a_class_that_does_not_exist_is_assumed_to_be_headgates(
    cluster: ScriptedCluster, serve_cluster: StartHeadgate
) -> None:
    cluster.delete("IngressClass", "nginx", "")
    cluster.put(answering("app", "one.test", "one"))
    assert served(serve_cluster()) == {"one"}
