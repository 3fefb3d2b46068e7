"""A release of the chart, from installation to the end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.chart.helm import CHART, HelmError, helm, program
from tests.e2e.node.installation import Installation
from tests.e2e.objects import Object
from tests.waiting import eventually

RELEASE = "headgate"
FORMER = Path(__file__).parent / "former"
WORKLOAD = f"{RELEASE}-controller"
KINDS = (
    "ConfigMap", "Deployment", "EndpointSlice", "Lease", "Pod", "Role", "RoleBinding", "Secret", "Service",
    "ServiceAccount",
)  # fmt: skip


class Release:
    """The chart in the namespace of an installation, whose node and backends it uses."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.namespace = installation.namespace

    def values(self, **controller: Any) -> dict[str, Any]:
        repository, _, tag = self.installation.image.rpartition(":")
        usual = {
            "image": {"repository": repository, "tag": tag},
            "ingressClass": {"name": self.namespace},
            "service": {"type": "NodePort", "externalTrafficPolicy": "Cluster"},
            # The label by which the installation finds Pods.
            "selectorLabels": {"app": WORKLOAD},
            "logFormat": "json",
        }
        return {"controller": usual | controller}

    async def helm(self, verb: str, *arguments: str, values: dict[str, Any] | None = None, chart: Path = CHART) -> str:
        """Run a verb on the release; with *values* it gets the chart."""
        given = (str(chart), "--wait", "--timeout", "120s", "--values", "-") if values is not None else ()
        command = (verb, RELEASE, "--namespace", self.namespace, *given, *arguments)
        return await asyncio.to_thread(helm, *command, given=json.dumps(values or {}), timeout=150)

    async def install(self, **controller: Any) -> str:
        told = await self.helm("install", values=self.values(**controller))
        await self.installation.find_ports(WORKLOAD)
        return told

    async def pods(self) -> dict[str, int]:
        """Names of the Pods, and how often each was restarted."""
        found = await self.installation.pods(WORKLOAD)
        return {pod["metadata"]["name"]: pod["status"]["containerStatuses"][0]["restartCount"] for pod in found}

    async def left(self) -> set[tuple[str, str]]:
        """Every object of the namespace, and those of the cluster that bear its name."""
        cluster = self.installation.cluster
        found = {(kind, name(item)) for kind in KINDS for item in await cluster.objects(kind, self.namespace)}
        for kind in ("ClusterRole", "ClusterRoleBinding", "IngressClass", "ValidatingWebhookConfiguration"):
            found |= {(kind, name(item)) for item in await cluster.objects(kind) if self.namespace in name(item)}
        return found


def name(item: Object) -> str:
    text: str = item["metadata"]["name"]
    return text


@pytest.fixture
async def release(installation: Installation) -> AsyncIterator[Release]:
    try:
        program()
    except HelmError as why:
        pytest.skip(str(why))
    # The chart makes its own.
    await installation.cluster.delete("IngressClass", "", installation.namespace)
    found = Release(installation)
    yield found
    await found.helm("uninstall", "--ignore-not-found", "--wait", "--timeout", "60s")


async def test_a_release_is_installed_serves_is_changed_and_uninstalled_completely(release: Release) -> None:
    installation = release.installation
    await installation.add_backend()
    before = await release.left()
    told = await release.install()
    assert "PORT=$(kubectl" in told
    await installation.env.add_ingress("shop")
    await eventually(lambda: installation.get("shop.test"), lambda answer: answer.status == 200)
    pods = await release.pods()
    (pod,) = pods
    assert "client_max_body_size 7m;" not in await settings(installation, pod)
    await release.helm("upgrade", values=release.values(config={"entries": {"client-max-body-size": "7m"}}))
    await eventually(lambda: settings(installation, pod), lambda text: "client_max_body_size 7m;" in text)
    assert await release.pods() == pods

    await installation.cluster.delete("Ingress", release.namespace, "shop")
    await release.helm("uninstall", "--wait", "--timeout", "60s")
    await eventually(release.left, lambda left: left == before)


async def settings(installation: Installation, pod: str) -> str:
    """What holds for all of nginx, as ``kubectl exec`` shows it."""
    return await installation.execute(pod, "cat", "/etc/nginx/nginx.conf")


async def test_a_namespaced_release_has_all_rights_that_it_uses(release: Release) -> None:
    installation = release.installation
    await installation.add_backend()
    await release.install(watchNamespace=release.namespace)
    await installation.env.add_ingress("shop")
    await eventually(lambda: installation.get("shop.test"), lambda answer: answer.status == 200)
    (pod,) = await release.pods()
    assert "forbidden" not in (await installation.log(pod)).lower()
    (role,) = [role for role in await installation.cluster.objects("ClusterRole") if release.namespace in name(role)]
    assert [rule["resources"] for rule in role["rules"]] == [["ingressclasses"]]


async def test_values_of_ingress_nginxs_chart_make_an_installation_of_its_kind(release: Release) -> None:
    installation, cluster, namespace = release.installation, release.installation.cluster, release.namespace
    await installation.add_backend()
    theirs = {
        "ingressClass": namespace,
        "ingressClassResource": {"name": namespace, "controllerValue": f"headgate.test/{namespace}"},
        "kind": "Deployment",
        "config": {"hsts-max-age": 77, "enable-brotli": "true"},
        "extraArgs": {"sync-rate-limit": 5, "v": 3},
        "service": {"type": "NodePort", "externalTrafficPolicy": "Cluster", "targetPorts": {"http": "http"}},
        "metrics": {"enabled": True},
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": 10254}, "periodSeconds": 5},
    }
    values = release.values(**theirs) | {"tcp": {"9000": f"{namespace}/echo:80"}}
    await release.helm("install", values=values)
    await installation.find_ports(WORKLOAD)
    await installation.env.add_ingress("shop")
    await eventually(lambda: installation.get("shop.test"), lambda answer: answer.status == 200)
    (pod,) = await release.pods()
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}:10254/proxy/healthz"
    assert await cluster.client.request("GET", path) == b"ok\n"
    assert "brotli_comp_level 4;" in await settings(installation, pod)
    assert installation.ports.keys() == {"http", "https", "9000-tcp"}


async def test_a_release_of_the_incumbents_chart_is_upgraded_in_place(release: Release) -> None:
    """With ``nameOverride`` alone: the same Deployment, and a Service that keeps its address and ports.

    Emulated: the former release is a chart of our own with the incumbent's names and labels, and with our image.
    """
    installation, cluster = release.installation, release.installation.cluster
    await installation.add_backend()
    await installation.env.add_ingress("shop")
    values = {"image": installation.image, "class": release.namespace}
    await release.helm("install", values=values, chart=FORMER)
    workload = f"{RELEASE}-nginx-ingress-controller"
    await installation.find_ports(workload)
    await eventually(lambda: installation.get("shop.test"), lambda answer: answer.status == 200)
    deployment = await cluster.get("Deployment", release.namespace, workload)
    service = await cluster.get("Service", release.namespace, workload)

    await release.helm("upgrade", values=release.values(selectorLabels={}) | {"nameOverride": "nginx-ingress"})
    after = await cluster.get("Deployment", release.namespace, workload)
    assert after["metadata"]["uid"] == deployment["metadata"]["uid"]
    assert "-ready-status-port=8081" in after["spec"]["template"]["spec"]["containers"][0]["args"]
    kept = await cluster.get("Service", release.namespace, workload)
    assert kept["spec"]["clusterIP"] == service["spec"]["clusterIP"]
    assert [port["nodePort"] for port in kept["spec"]["ports"]] == list(installation.ports.values())
    assert (await installation.get("shop.test")).status == 200
