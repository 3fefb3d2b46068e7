"""``limit-req-scale``: each replica lets its share through, and the share follows the number of ready replicas."""

from typing import Any

import pytest

from headgate.api import Ingress, Pod, Service, TopLevel
from headgate.pipeline.replicas import count_ready
from headgate.problems import ObjectRef
from headgate.watch.replicas import selector
from tests.simulated_cluster import SimulatedCluster, api_object

OWN = "default"
FLAGS = ("-ingress-class=nginx",)


def pod(name: str, *, ready: bool = True, namespace: str = OWN, app: str = "headgate") -> TopLevel:
    status = {"conditions": [{"type": "Ready", "status": str(ready)}, {"type": "Initialized", "status": "True"}]}
    metadata = {"namespace": namespace, "name": name, "labels": {"app": app}}
    return api_object(Pod, metadata=metadata, status=status)


def ingress(name: str, **annotations: str) -> TopLevel:
    backend = {"service": {"name": "tea", "port": {"number": 80}}}
    rule: dict[str, Any] = {
        "host": f"{name}.test",
        "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
    }
    said = {f"nginx.org/{key.replace('_', '-')}": text for key, text in annotations.items()}
    metadata = {"namespace": "shop", "name": name, "annotations": said}
    return api_object(Ingress, metadata=metadata, spec={"ingressClassName": "nginx", "rules": [rule]})


def rate(cluster: SimulatedCluster, name: str = "cafe") -> str:
    text = cluster.texts()[f"conf.d/shop-{name}.conf"].decode()
    return text.partition(" rate=")[2].partition(";")[0]


def cluster_with(*pods: TopLevel, asked: str = "10r/s", scale: str = "true") -> SimulatedCluster:
    cluster = SimulatedCluster(FLAGS)
    cluster.introduce(app="headgate")
    service = api_object(Service, metadata={"namespace": "shop", "name": "tea"}, spec={"ports": [{"port": 80}]})
    cluster.put(service, ingress("cafe", limit_req_rate=asked, limit_req_scale=scale), *pods)
    cluster.process_batch()
    return cluster


@pytest.mark.parametrize(
    ("asked", "replicas", "share"),
    [("10r/s", 1, "10r/s"), ("10r/s", 2, "5r/s"), ("10r/s", 3, "200r/m"), ("1r/s", 4, "15r/m"), ("30r/m", 4, "7r/m"),
     ("1r/m", 5, "1r/m"), ("10r/s", 0, "10r/s")],
)  # fmt: skip
def test_the_share_of_one_replica(asked: str, replicas: int, share: str) -> None:
    assert rate(cluster_with(*(pod(f"headgate-{number}") for number in range(replicas)), asked=asked)) == share


def test_only_ready_replicas_count_and_only_scaled_ingresses_change() -> None:
    cluster = cluster_with(pod("a"), pod("b", ready=False))
    cluster.put(ingress("other", limit_req_rate="10r/s"))
    cluster.process_batch()
    assert (rate(cluster), rate(cluster, "other")) == ("10r/s", "10r/s")
    cluster.put(pod("b"))
    generation = cluster.process_batch()
    assert generation.generated == {Ingress.KIND.ref("shop", "cafe")}
    assert (rate(cluster), rate(cluster, "other")) == ("5r/s", "10r/s")
    cluster.delete(ObjectRef("Pod", OWN, "a"))
    cluster.process_batch()
    assert rate(cluster) == "10r/s"


def test_pods_change_nothing_without_a_scaled_ingress() -> None:
    cluster = cluster_with(pod("a"), scale="false")
    cluster.put(pod("b"))
    assert not cluster.process_batch().generated
    assert rate(cluster) == "10r/s"


def test_pods_of_a_folder_are_no_replicas() -> None:
    cluster = SimulatedCluster(("--manifests=.",))
    service = api_object(Service, metadata={"namespace": "shop", "name": "tea"}, spec={"ports": [{"port": 80}]})
    cluster.put(service, ingress("cafe", limit_req_rate="10r/s", limit_req_scale="true"), pod("a"), pod("b"))
    cluster.process_batch()
    assert rate(cluster) == "10r/s"


def test_replicas_are_found_by_the_labels_that_a_rollout_keeps() -> None:
    labels = {
        "app": "headgate",
        "app.kubernetes.io/part-of": "edge",
        "pod-template-hash": "5d4f",
        "apps.kubernetes.io/pod-index": "0",
    }
    assert selector(labels) == "app=headgate,app.kubernetes.io/part-of=edge"
    assert selector({"pod-template-hash": "5d4f"}) == ""


def test_the_own_replica_always_counts() -> None:
    assert count_ready((), OWN, {"app": "headgate"}) == 1
    assert count_ready((), OWN, None) == 1


def test_pods_behind_services_are_no_replicas() -> None:
    cluster = cluster_with(pod("a"), pod("b"), pod("c", namespace="shop"), pod("d", app="shop"))
    assert rate(cluster) == "5r/s"
