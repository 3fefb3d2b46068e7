"""AdmissionReviews and their answers, over a real Pipeline."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headgate.api import ALL, IngressClass, TopLevel
from headgate.api.nginx_org import VirtualServer
from headgate.configuration import Candidate, Examined, Standing
from headgate.controller.admission import BUSY, STARTING, Admission, Result
from headgate.controller.admission_review import MOST_WARNINGS, WARNING_LENGTH, shortened
from tests.simulated_cluster import SimulatedCluster

Json = dict[str, Any]
OLD, NEW = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
COMMUNITY = "nginx.ingress.kubernetes.io/"
FLAGS = (
    "--kubeconfig=none", "--controller-class=k8s.io/ingress-nginx", "-nginx-configmaps=a/b",
    "-global-configuration=shop/listeners",
)  # fmt: skip


def ingress(name: str, path: str = "/", *, host: str = "a.test", of: str = "community", **more: Any) -> Json:
    backend = {"service": {"name": "tea", "port": {"number": 80}}}
    rule = {"host": host, "http": {"paths": [{"path": path, "pathType": "Prefix", "backend": backend}]}}
    metadata = {"name": name, "namespace": "shop", "uid": name, "creationTimestamp": NEW, **more}
    spec = {"ingressClassName": of, "rules": [rule]}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}


def custom(kind: str, name: str, spec: Json, version: str = "v1") -> Json:
    metadata = {"name": name, "namespace": "shop", "uid": name, "creationTimestamp": NEW}
    return {"apiVersion": f"k8s.nginx.org/{version}", "kind": kind, "metadata": metadata, "spec": spec}


def virtual_server(name: str = "v", host: str = "v.test", action: Json | None = None) -> Json:
    route = {"path": "/", "action": action or {"return": {"body": "hi"}}}
    return custom("VirtualServer", name, {"host": host, "ingressClassName": "nginx", "routes": [route]})


def model_of(item: Json) -> TopLevel:
    model = next(each for each in ALL if each.KIND.name == item["kind"])
    return model.convert(item)


def review(item: Json | None, *, operation: str = "CREATE", old: Json | None = None, **more: Any) -> bytes:
    shown = item or old or {}
    group, _, version = shown["apiVersion"].rpartition("/")
    request = {
        "uid": "1-2",
        "kind": {"group": group, "version": version, "kind": shown["kind"]},
        "name": shown["metadata"]["name"],
        "namespace": shown["metadata"].get("namespace", ""),
        "operation": operation,
        "object": item,
        "oldObject": old,
        "dryRun": False,
        "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
        **more,
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()


class Cluster:
    """A Pipeline with two classes, one of each dialect, and its webhook."""

    def __init__(self, *items: Json, more: tuple[str, ...] = ()) -> None:
        self.cluster = SimulatedCluster((*FLAGS, *more))
        for name, controller in (("nginx", "nginx.org/ingress-controller"), ("community", "k8s.io/ingress-nginx")):
            made = IngressClass.convert({"metadata": {"name": name}, "spec": {"controller": controller}})
            self.cluster.put(made)
        self.cluster.put(*map(model_of, items))
        self.cluster.process_batch()
        self.ready = True
        self.namespaces = {"shop"}
        self.results: list[Result] = []
        self.slow = False
        self.admission = Admission(self, self.results.append)

    def covers(self, _: type[TopLevel], namespace: str) -> bool:
        return namespace in self.namespaces

    def examine(self, item: TopLevel) -> Examined:
        return self.cluster.pipeline.examine(item)

    async def foresee(self, candidate: Candidate) -> Standing:
        if self.slow:
            raise TimeoutError
        return self.cluster.pipeline.foresee(candidate)

    async def ask(self, item: Json | None, **more: Any) -> Json:
        answer = await self.admission.review(review(item, **more))
        assert answer is not None
        found: Json = json.loads(answer)
        assert (found["apiVersion"], found["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
        assert found["response"].pop("uid") == "1-2"
        response: Json = found["response"]
        return response


ALLOWED: Json = {"allowed": True}
BAD_INGRESS = ingress("bad", host="-.test")
BAD: tuple[tuple[Json, str], ...] = (
    (BAD_INGRESS, "spec.rules[0].host"),
    (
        ingress("bad", "/b;c", annotations={f"{COMMUNITY}whitelist-source-range": "10.0.0.0/8"}),
        "spec.rules[0].http.paths[0].path",
    ),
    (ingress("bad", "/ {", of="nginx"), "spec.rules[0].http.paths[0].path"),
    (virtual_server(action={"pass": "none"}), "spec.routes[0].action.pass"),
    (custom("VirtualServerRoute", "r", {"host": "-.test", "ingressClassName": "nginx"}), "spec.host"),
    (custom("TransportServer", "t", {"ingressClassName": "nginx", "listener": {"name": "x"}}), "spec.listener"),
    (custom("Policy", "p", {"ingressClassName": "nginx", "accessControl": {"allow": ["everybody"]}}), "spec.access"),
)


@pytest.mark.parametrize(("item", "field"), BAD, ids=lambda value: value["kind"] if isinstance(value, dict) else "")
async def test_what_validation_refuses_is_denied_in_the_words_of_the_event(item: Json, field: str) -> None:
    cluster = Cluster()
    answer = await cluster.ask(item)
    assert answer["allowed"] is False
    assert answer["status"]["code"] == 400
    message = answer["status"]["message"]
    assert message.startswith(field)
    assert cluster.results == ["denied"]
    model = model_of(item)
    cluster.cluster.put(model)
    cluster.cluster.process_batch()
    assert message in cluster.cluster.events.last[model.ref].message


async def test_good_objects_of_every_kind_are_allowed() -> None:
    cluster = Cluster(virtual_server())
    route = {"host": "v.test", "ingressClassName": "nginx"}
    listener = {"name": "dns", "port": 5353, "protocol": "UDP"}
    for item in (
        ingress("good"),
        ingress("good", of="nginx"),
        virtual_server("w", "w.test"),
        custom("Policy", "p", {"ingressClassName": "nginx", "accessControl": {"allow": ["192.0.2.0/24"]}}),
        custom("GlobalConfiguration", "listeners", {"listeners": [listener]}),
    ):
        assert await cluster.ask(item) == ALLOWED, item
    subroutes = [{"path": "/x", "action": {"return": {"body": "x"}}}]
    answer = await cluster.ask(custom("VirtualServerRoute", "r", {**route, "subroutes": subroutes}))
    assert answer["allowed"]
    assert "VirtualServer shop/v" in answer["warnings"][0]
    assert set(cluster.results) == {"allowed"}


async def test_what_is_left_out_is_a_warning() -> None:
    item = ingress("a", annotations={f"{COMMUNITY}proxy-read-timeout": "long"})
    answer = await Cluster().ask(item)
    assert answer["allowed"]
    assert answer["warnings"][0].startswith(f"{COMMUNITY}proxy-read-timeout")
    listeners = [{"name": "x", "port": 5353, "protocol": "SCTP"}]
    answer = await Cluster().ask(custom("GlobalConfiguration", "listeners", {"listeners": listeners}))
    assert answer["allowed"]
    assert answer["warnings"][0].startswith("spec.listeners[0].protocol")


async def test_a_key_of_the_config_map_that_refuses_all_ingresses_denies_no_change_of_one() -> None:
    data = {"block-cidrs": "everybody"}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "a"}, "data": data}
    cluster = Cluster(config, more=("--configmap=a/c",))
    answer = await cluster.ask(ingress("good"))
    assert answer["allowed"]
    assert "block-cidrs of the ConfigMap a/c cannot be used" in answer["warnings"][0]
    wrong = ingress("bad", annotations={f"{COMMUNITY}auth-url": "x"}, host="-.test")
    assert not (await cluster.ask(wrong))["allowed"]


async def test_objects_of_others_and_deletions_are_not_looked_at() -> None:
    cluster = Cluster()
    other = ingress("bad", host="-.test", of="else")
    assert await cluster.ask(other) == ALLOWED
    assert await cluster.ask(None, operation="DELETE", old=BAD_INGRESS) == ALLOWED
    assert await cluster.ask(BAD_INGRESS, operation="UPDATE", subResource="status") == ALLOWED
    elsewhere = {**BAD_INGRESS, "metadata": {**BAD_INGRESS["metadata"], "namespace": "else"}}
    assert await cluster.ask(elsewhere) == ALLOWED
    listeners = custom("GlobalConfiguration", "others", {"listeners": [{"name": "x", "port": 5, "protocol": "SCTP"}]})
    assert await cluster.ask(listeners) == ALLOWED
    assert await cluster.ask({**BAD_INGRESS, "apiVersion": "v1", "kind": "Service"}) == ALLOWED


async def test_a_field_of_the_wrong_type() -> None:
    item = virtual_server()
    item["spec"]["routes"] = "all"
    answer = await Cluster().ask(item)
    assert answer["status"]["message"].startswith("spec.routes: 'all' must be an array, not a string")
    item["spec"]["ingressClassName"] = "else"
    assert await Cluster().ask(item) == ALLOWED


async def test_an_object_that_is_none_is_left_to_the_api_server() -> None:
    body = json.loads(review(virtual_server()))
    values: tuple[Any, ...] = (None, 7, [])
    for wrong in values:
        body["request"]["object"] = wrong
        answer = json.loads(await Cluster().admission.review(json.dumps(body).encode()) or b"{}")
        assert answer["response"]["allowed"], wrong


async def test_an_object_that_is_deleted_loses_its_finalizers() -> None:
    going = ingress("bad", host="-.test", deletionTimestamp=NEW)
    assert await Cluster().ask(going, operation="UPDATE", old=going) == ALLOWED


async def test_an_update_that_changes_nothing_of_it_does_not_fail_because_it_was_wrong_before() -> None:
    cluster = Cluster(BAD_INGRESS)
    managed = {**BAD_INGRESS, "metadata": {**BAD_INGRESS["metadata"], "managedFields": [{"manager": "x"}]}}
    answer = await cluster.ask(managed, operation="UPDATE", old=BAD_INGRESS)
    assert answer["allowed"]
    assert answer["warnings"][0].startswith("not served: spec.rules[0].host")
    answer = await cluster.ask(ingress("bad", "/x", host="-.test"), operation="UPDATE", old=BAD_INGRESS)
    assert not answer["allowed"]


async def test_an_ingress_whose_paths_others_have_is_denied() -> None:
    cluster = Cluster(ingress("old", creationTimestamp=OLD))
    answer = await cluster.ask(ingress("new"))
    assert answer["allowed"] is False
    message = answer["status"]["message"]
    assert "path / (Prefix) is taken by another resource: Ingress shop/old" in message
    assert message.startswith("other Ingresses have all of its paths")
    assert await cluster.ask(ingress("new", "/more")) == ALLOWED
    assert await cluster.ask(ingress("old", creationTimestamp=OLD), operation="UPDATE", old=ingress("old")) == ALLOWED


async def test_an_ingress_with_some_paths_of_others_is_warned() -> None:
    cluster = Cluster(ingress("old", creationTimestamp=OLD))
    new = ingress("new")
    new["spec"]["rules"] += ingress("new", "/more")["spec"]["rules"]
    answer = await cluster.ask(new)
    assert answer["allowed"]
    assert answer["warnings"][0].startswith("spec.rules[0].http.paths[0].path: path / (Prefix) is taken")


async def test_a_host_of_another_object_is_a_warning_where_hosts_are_not_shared() -> None:
    cluster = Cluster(virtual_server(), ingress("old", of="nginx", creationTimestamp=OLD))
    for item in (ingress("new", of="nginx"), virtual_server("w", "a.test"), ingress("new", of="community")):
        answer = await cluster.ask(item)
        assert answer["allowed"], item
        assert "Ingress shop/old" in answer["warnings"][0]
        assert "it is not served" in answer["warnings"][0]
    minion = ingress("m", of="nginx", annotations={"nginx.org/mergeable-ingress-type": "minion"})
    assert "master is invalid or doesn't exist" in (await cluster.ask(minion))["warnings"][0]


async def test_asking_changes_nothing() -> None:
    cluster = Cluster(ingress("old", creationTimestamp=OLD), virtual_server())
    before = cluster.cluster.texts()
    for item in (ingress("new"), ingress("older", creationTimestamp="2020-01-01T00:00:00Z"), virtual_server("w")):
        await cluster.ask(item, dryRun=True)
    assert cluster.cluster.pipeline.known(VirtualServer, model_of(virtual_server("w")).ref) is None
    cluster.cluster.put(model_of(ingress("old", creationTimestamp=OLD)))
    cluster.cluster.process_batch()
    assert cluster.cluster.texts() == before


async def test_before_the_first_batch_and_beside_a_long_one_objects_are_admitted() -> None:
    cluster = Cluster(ingress("old", creationTimestamp=OLD))
    cluster.slow = True
    assert await cluster.ask(ingress("new")) == {"allowed": True, "warnings": [BUSY]}
    assert not (await cluster.ask(BAD_INGRESS))["allowed"]
    cluster.ready = False
    assert await cluster.ask(BAD_INGRESS) == {"allowed": True, "warnings": [STARTING]}
    assert cluster.results == ["failed", "denied", "failed"]


async def test_a_bug_admits(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster()
    monkeypatch.setattr(cluster, "examine", lambda _: 1 / 0)
    answer = await cluster.ask(BAD_INGRESS)
    assert answer["allowed"]
    assert "ZeroDivisionError" in answer["warnings"][0]
    assert cluster.results == ["failed"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"request": {}}', b'{"request": {"uid": 7}}', b"\xff"])
async def test_what_is_no_review(body: bytes) -> None:
    assert await Cluster().admission.review(body) is None


def test_warnings_are_as_long_as_the_api_server_wants() -> None:
    found = shortened(["a\nb", "a b", "x" * 300])
    assert found == ("a b", "x" * (WARNING_LENGTH - 1) + "…")
    many = shortened(map(str, range(20)))
    assert len(many) == MOST_WARNINGS + 1
    assert many[-1] == "and 8 more; see the events of the object"
