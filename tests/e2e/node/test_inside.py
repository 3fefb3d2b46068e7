"""What an operator sees who looks inside: files by ``kubectl exec``, the log, the metrics."""

from __future__ import annotations

import asyncio
import base64
import json
import re

import pytest

from tests.e2e.environment import Environment
from tests.e2e.node.installation import Installation
from tests.e2e.objects import Object, config_map, ingress, tls_secret
from tests.e2e.replica import total
from tests.k8s.certificates import Authority
from tests.waiting import eventually

SETTINGS = {
    "log-format": "$host $status $resource_type $resource_namespace/$resource_name $service",
    "server-tokens": "off",
    "http2": "true",
}
PASSWORD = "correct-horse-battery-staple"
SERIES = {
    'nginx_ingress_controller_nginx_reloads_total{class="CLASS",reason="endpoints"}',
    'nginx_ingress_controller_nginx_reloads_total{class="CLASS",reason="other"}',
    'nginx_ingress_controller_nginx_reload_errors_total{class="CLASS"}',
    'nginx_ingress_controller_nginx_last_reload_status{class="CLASS"}',
    'nginx_ingress_controller_nginx_last_reload_milliseconds{class="CLASS"}',
    'nginx_ingress_controller_ingress_resources_total{class="CLASS",type="master"}',
    'nginx_ingress_controller_ingress_resources_total{class="CLASS",type="minion"}',
    'nginx_ingress_controller_ingress_resources_total{class="CLASS",type="regular"}',
    'nginx_ingress_controller_workqueue_depth{class="CLASS",name="taskQueue"}',
    'nginx_ingress_controller_workqueue_queue_duration_seconds_count{class="CLASS",name="taskQueue"}',
    'nginx_ingress_nginx_connections_accepted{class="CLASS"}',
    'nginx_ingress_nginx_connections_active{class="CLASS"}',
    'nginx_ingress_nginx_connections_handled{class="CLASS"}',
}
RELOADS = "nginx_ingress_controller_nginx_reloads_total"


@pytest.fixture
async def serving(installation: Installation, authority: Authority) -> Installation:
    """One that serves an Ingress with TLS, a mergeable one, and one that uses the Service's address."""
    env, namespace = installation.env, installation.namespace
    await env.cluster.apply(
        config_map(namespace, "settings", SETTINGS),
        tls_secret(namespace, "shop-tls", *authority.issue("shop.test")),
        helm_release(namespace),
        *mergeable(env),
    )
    await env.add_ingress("shop", tls="shop-tls")
    await env.add_ingress("steady", use_cluster_ip="true")
    await env.add_ingress("refused", lb_method="by dice")
    await installation.add_backend()
    await installation.install(f"-nginx-configmaps={namespace}/settings", "-log-level=trace", "-log-format=glog")
    # The node learns a little later than the API server where its ports lead.
    await eventually(lambda: installation.handshake("shop.test"))
    return installation


def mergeable(env: Environment) -> list[Object]:
    """A master for ``cafe.test`` and a minion for its ``/tea``."""
    master = ingress(env.name, "cafe", env.name, host="cafe.test", annotations=kind("master"))
    del master["spec"]["rules"][0]["http"]
    minion = ingress(env.name, "tea", env.name, host="cafe.test", path="/tea", annotations=kind("minion"))
    return [master, minion]


def kind(name: str) -> dict[str, str]:
    return {"nginx.org/mergeable-ingress-type": name}


def helm_release(namespace: str) -> Object:
    data = {"release": base64.b64encode(PASSWORD.encode()).decode()}
    meta = {"namespace": namespace, "name": "sh.helm.release.v1.shop.v1"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "helm.sh/release.v1", "data": data}


async def test_files_and_log_are_where_operators_expect_them(serving: Installation) -> None:
    namespace, pod = serving.namespace, await serving.pod()

    async def cat(path: str) -> str:
        return await serving.execute(pod, "cat", f"/etc/nginx/{path}")

    shop = await cat(f"conf.d/{namespace}-shop.conf")
    assert {"listen 443 ssl;", "http2 on;", "server_name shop.test;"} <= {line.strip() for line in shop.splitlines()}
    assert "BEGIN PRIVATE KEY" in await cat(f"secrets/{namespace}-shop-tls")
    assert "location /tea" in await cat(f"attached/cafe.test/{namespace}-tea.locations")
    main = {line.strip() for line in (await cat("nginx.conf")).splitlines()}
    assert {'server_tokens "off";', "include /etc/nginx/conf.d/*.conf;"} <= main
    files = (await serving.execute(pod, "ls", "/etc/nginx/conf.d")).split()
    # A minion has a file of its own, what was refused has none.
    ours = [f"{namespace}-{name}.conf" for name in ("cafe", "shop", "steady", "tea")]
    assert [name for name in files if name.startswith(namespace)] == ours
    assert "_default-server.conf" in files

    await serving.cluster.delete("Ingress", namespace, "shop")
    await eventually(lambda: serving.execute(pod, "ls", "/etc/nginx/conf.d"), lambda names: "shop" not in names)
    assert "shop" not in await serving.execute(pod, "ls", "/etc/nginx/secrets")

    # Nobody runs ``nginx -t`` through a shell, which would have no capability to pass on.
    assert f"# configuration file /etc/nginx/conf.d/{namespace}-cafe.conf:" in await serving.execute(pod, "nginx", "-T")
    await serving.execute(pod, "nginx", "-t")

    assert (await serving.get("cafe.test", "/tea")).status == 200
    line = f"cafe.test 200 ingress {namespace}/tea echo\n"
    log = await eventually(lambda: serving.log(pod), lambda log: line in log)
    assert re.match(r"I\d{8} \S+ +1 run\.py:\d+\] Headgate version=\S+ commit=\S+\n", log)
    assert PASSWORD not in log
    assert base64.b64encode(PASSWORD.encode()).decode() not in log


async def test_metrics_have_the_incumbents_names(serving: Installation) -> None:
    path = f"/api/v1/namespaces/{serving.namespace}/pods/{await serving.pod()}:9113/proxy/metrics"
    text = (await serving.cluster.client.request("GET", path)).decode()
    there = {line.rsplit(" ", 1)[0] for line in text.splitlines()}
    assert {series.replace("CLASS", serving.namespace) for series in SERIES} - there == set()
    assert total(text, RELOADS, {}) == 1
    counts = {
        kind: total(text, "nginx_ingress_controller_ingress_resources_total", {"type": kind})
        for kind in ("regular", "master", "minion")
    }
    assert counts == {"regular": 2, "master": 1, "minion": 1}


async def test_few_reloads_are_needed(serving: Installation, authority: Authority) -> None:
    namespace, cluster, env = serving.namespace, serving.cluster, serving.env
    assert await serving.reloads() == 1
    old = await serving.handshake("shop.test")
    assert old is not None
    await cluster.apply(tls_secret(namespace, "shop-tls", *authority.issue("shop.test")))
    await eventually(lambda: serving.handshake("shop.test"), lambda found: found is not None and found != old)
    assert await serving.reloads() == 1

    # What has the Service's address does not mind how many Pods are behind it.
    for name in ("shop", "tea", "cafe"):
        await cluster.delete("Ingress", namespace, name)
    await eventually(lambda: serving.get("cafe.test", "/tea"), lambda answer: answer.status == 404)
    before = await serving.reloads()
    await cluster.merge("Deployment", namespace, "echo", {"spec": {"replicas": 3}})
    await serving.settled(3, "echo")
    assert (await serving.get("steady.test")).status == 200

    names = [f"new{number}" for number in range(10)]
    await asyncio.gather(*map(env.add_ingress, names))
    for name in names:
        await eventually(lambda host=f"{name}.test": serving.get(host), lambda answer: answer.status == 200)
    assert await serving.metric(RELOADS, reason="endpoints") == 0
    assert 1 <= await serving.reloads() - before <= 6


async def test_events_are_counted_up(serving: Installation) -> None:
    namespace, cluster, env = serving.namespace, serving.cluster, serving.env

    async def told(name: str) -> dict[str, tuple[int, str, str]]:
        """The reasons of the Events about an Ingress, each with its count, its own name and its message."""
        found = await cluster.events(namespace, name)
        return {event["reason"]: (event["count"], event["metadata"]["name"], event["message"]) for event in found}

    added = f"Configuration for {namespace}/steady was added or updated"
    once = await eventually(lambda: told("steady"))
    count, name, message = once["AddedOrUpdated"]
    assert (count, message) == (1, added)
    assert re.fullmatch(r"steady\.[0-9a-f]+", name)
    await env.add_ingress("steady", use_cluster_ip="true", proxy_read_timeout="50s")
    twice = await eventually(lambda: told("steady"), lambda found: found["AddedOrUpdated"][0] > 1)
    assert twice == {"AddedOrUpdated": (2, name, added)}

    refused = (await told("refused"))["Rejected"]
    assert refused[2].startswith(f"{namespace}/refused was rejected: with error: ")
    await env.add_ingress("shop", tls="no-such-secret")
    warned = await eventually(lambda: told("shop"), lambda found: "AddedOrUpdatedWithWarning" in found)
    beginning = f"Configuration for {namespace}/shop was added or updated with warning(s): "
    assert warned["AddedOrUpdatedWithWarning"][2].startswith(beginning)
    # Without its Secret a TLS host fails the handshake.
    assert await serving.handshake("shop.test") is None
    (source,) = {json.dumps(event["source"]) for event in await cluster.events(namespace, "shop")}
    assert json.loads(source)["component"] == "nginx-ingress-controller"


async def test_the_controller_in_the_pod_says_what_it_serves(serving: Installation) -> None:
    pod = await serving.pod()
    found = json.loads(await serving.execute(pod, "headgate", "status", "-o", "json"))
    assert {host["host"] for host in found["hosts"]} >= {"shop.test", "cafe.test"}
    controller = found["controller"]
    assert (controller["unready"], controller["leader"]) == ("", True)
    assert controller["source"].startswith("the cluster https://")
    assert [(item["object"], item["state"]) for item in found["objects"] if item["state"] == "refused"] == [
        (f"Ingress {serving.namespace}/refused", "refused")
    ]
    assert "shop.test" in await serving.execute(pod, "headgate", "routes", "-o", "wide")


async def test_an_operator_drains_a_pod_without_a_reload(installation: Installation) -> None:
    await installation.env.add_ingress("shop")
    await installation.add_backend(replicas=2)
    await installation.install("-control-writes")
    pod, namespace = await installation.pod(), installation.namespace
    first, second = [item["metadata"]["name"] for item in await installation.pods("echo")]

    async def answering() -> set[str]:
        return {(await installation.get("shop.test")).text.split()[0] for _ in range(12)}

    await installation.serves("shop.test")
    await eventually(answering, lambda names: names == {first, second})
    reloads = await installation.reloads()
    assert "1 endpoint drained" in await installation.execute(pod, "headgate", "drain", f"{namespace}/{first}")
    await eventually(answering, lambda names: names == {second})
    assert await installation.reloads() == reloads
    assert f"Drained        {namespace}/{first}" in await installation.execute(pod, "headgate", "status")
    await installation.execute(pod, "headgate", "drain", "--undo", f"{namespace}/{first}")
    await eventually(answering, lambda names: names == {first, second})
    await installation.execute(pod, "headgate", "set-log-level", "error")
    expected = {"EndpointsDrained", "EndpointsUndrained", "LogLevelSet"}
    await eventually(lambda: installation.cluster.reasons(namespace, pod), lambda found: expected <= set(found))


async def test_a_new_host_is_served_without_a_reload(installation: Installation) -> None:
    await installation.env.add_ingress("shop")
    await installation.add_backend()
    await installation.install("-live-routes")
    await installation.serves("shop.test")
    pod, reloads = await installation.pod(), await installation.reloads()
    for name in ("second", "third"):
        await installation.env.add_ingress(name)
        await installation.serves(f"{name}.test")
    assert await installation.reloads() == reloads
    assert "3 of 3 hosts are routed at run time" in await installation.execute(pod, "headgate", "status")
    await installation.cluster.delete("Ingress", installation.namespace, "second")
    await eventually(lambda: installation.get("second.test"), lambda answer: answer.status == 404)
    assert await installation.reloads() == reloads
