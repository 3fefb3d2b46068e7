"""Replicas share a rate limit: Headgate follows the Pods that are like its own."""

from __future__ import annotations

from collections import Counter

from tests.live.headgate_process import HeadgateProcess, StartHeadgate
from tests.live.json_objects import Json, ingress, path
from tests.live.scripted_cluster import ScriptedCluster
from tests.waiting import wait_until

LABELS = {"app": "headgate", "tier": "edge"}


def pod(name: str, template: str = "old", *, ready: bool = True, **labels: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "ours",
            "uid": name,
            "labels": {**LABELS, "pod-template-hash": template, **labels},
        },
        "status": {"conditions": [{"type": "Ready", "status": str(ready)}]},
    }


def rate(headgate: HeadgateProcess) -> str:
    return headgate.file("conf.d/default-cafe.conf").partition("rate=")[2].partition(";")[0]


def test_the_share_follows_the_replicas_that_are_ready(cluster: ScriptedCluster, serve_cluster: StartHeadgate) -> None:
    cluster.put(pod("headgate-0"), pod("headgate-1"), pod("stranger", app="other"))
    cluster.put(ingress("cafe", "cafe.test", limit_req_rate="10r/s", limit_req_scale="true"))
    headgate = serve_cluster()
    assert rate(headgate) == "5r/s"
    cluster.put(pod("headgate-2", "new", ready=False))
    cluster.put(pod("headgate-1", ready=False))
    wait_until(lambda: rate(headgate) == "10r/s")
    cluster.put(pod("headgate-1"), pod("headgate-2", "new"))
    wait_until(lambda: rate(headgate) == "200r/m")
    cluster.delete("Pod", "headgate-1", "ours")
    wait_until(lambda: rate(headgate) == "5r/s")


def test_each_replica_allows_its_share(cluster: ScriptedCluster, serve_cluster: StartHeadgate) -> None:
    cluster.put(*(pod(f"headgate-{number}") for number in range(300)))
    for name, scale in (("whole", "false"), ("share", "true")):
        rules = {f"{name}.test": (path("nobody"),)}
        cluster.put(ingress(name, rules, limit_req_rate="300r/m", limit_req_scale=scale))
    headgate = serve_cluster()
    statuses: dict[str, Counter[int]] = {"whole": Counter(), "share": Counter()}

    def the_whole_passes_again() -> bool:
        for name, count in statuses.items():
            count[headgate.get(f"{name}.test").status] += 1
        return statuses["whole"][502] > 2

    wait_until(the_whole_passes_again)
    assert statuses["share"][502] == 1, "the second one comes after a minute"
    assert statuses["share"][429] > 1


def test_a_pod_that_cannot_be_read_at_the_start_is_read_later(
    cluster: ScriptedCluster, serve_cluster: StartHeadgate
) -> None:
    cluster.put(pod("headgate-0"), pod("headgate-1"))
    cluster.put(ingress("cafe", "cafe.test", limit_req_rate="10r/s", limit_req_scale="true"))
    cluster.do(lambda api: api.forbid("get", "pods"))
    headgate = serve_cluster()
    assert rate(headgate) == "10r/s"
    wait_until(lambda: headgate.log_records("own Pod unknown"))
    cluster.do(lambda api: api.allow("get", "pods"))
    wait_until(lambda: rate(headgate) == "5r/s")
    assert headgate.log_records("own Pod known")


def test_a_pod_that_cannot_be_read_counts_as_one(cluster: ScriptedCluster, serve_cluster: StartHeadgate) -> None:
    cluster.put(ingress("cafe", "cafe.test", limit_req_rate="10r/s", limit_req_scale="true"))
    assert rate(serve_cluster()) == "10r/s"
