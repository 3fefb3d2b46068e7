"""The manifests of deploy/, under other names: the API server takes them, and on a node they serve the cafe."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.deploy.manifests import VARIANTS, WORKLOADS, Manifests, build, overlay
from tests.e2e.cafe_example import HOST, cafe
from tests.e2e.cluster import Cluster
from tests.e2e.environment import Environment
from tests.e2e.handshake import unverified
from tests.e2e.node.backend import backend
from tests.e2e.node.installation import node_address
from tests.e2e.objects import Object
from tests.waiting import eventually

ADDRESS = "203.0.113.9"
WATCHED = "default"
"""The namespace that deploy/namespaced watches."""
EVERYWHERE = {"ClusterRole", "ClusterRoleBinding", "IngressClass"}


@pytest.fixture(autouse=True)
def _kubectl(cluster: Cluster) -> None:
    if not cluster.kubectl_path:
        pytest.skip("kubectl is not there, which builds the kustomizations")


@pytest.fixture
async def node(cluster: Cluster) -> str:
    """The address of a node that can run the image of ``E2E_IMAGE``."""
    if not os.environ.get("E2E_IMAGE"):
        pytest.skip("E2E_IMAGE does not name an image of Headgate that the nodes have")
    return await node_address(cluster) or pytest.skip("the cluster has no node that is ready")


def renamed(manifests: Manifests, env: Environment, image: str) -> list[Object]:
    """The objects for the namespace and class of *env*; what is watched beside it is ``NAME-shop``."""
    namespaces = {manifests.namespace: env.name, WATCHED: f"{env.name}-shop"}
    objects = copy.deepcopy(manifests.objects)
    for item in objects:
        meta = item["metadata"]
        if item["kind"] in EVERYWHERE:
            env.discard_later(item["kind"], "", env.name)
            meta["name"] = env.name
        if item["kind"] == "Namespace":
            meta["name"] = env.name
        if "namespace" in meta:
            meta["namespace"] = namespaces[meta["namespace"]]
        for subject in item.get("subjects", ()):
            subject["namespace"] = namespaces[subject["namespace"]]
        if item.get("roleRef", {}).get("kind") == "ClusterRole":
            item["roleRef"]["name"] = env.name
        if item["kind"] in WORKLOADS:
            (container,) = item["spec"]["template"]["spec"]["containers"]
            container["image"] = image
            container["args"] = [
                *(_moved(text, namespaces) for text in container["args"]),
                f"-ingress-class={env.name}",
            ]
    return objects


def _moved(argument: str, namespaces: dict[str, str]) -> str:
    flag, _, value = argument.partition("=")
    return f"{flag}={namespaces[value]}" if flag == "-watch-namespace" else argument


async def apply(cluster: Cluster, objects: list[Object], *flags: str) -> str:
    everything = {"apiVersion": "v1", "kind": "List", "items": objects}
    return await cluster.kubectl(
        "apply", "--server-side", "--force-conflicts", *flags, "-f", "-", text=json.dumps(everything)
    )


@pytest.mark.parametrize("variant", VARIANTS)
async def test_the_api_server_accepts_the_objects_and_pod_security_the_pods(env: Environment, variant: str) -> None:
    found = build(variant)
    await env.add_namespace(f"{env.name}-shop")
    objects = renamed(found, env, "headgate.invalid/headgate")
    first = [item for item in objects if item["kind"] in {"Namespace", "ServiceAccount"}]
    await apply(env.cluster, first)
    said = await apply(env.cluster, objects, "--dry-run=server", "--validate=strict")
    assert said.count("serverside-applied") == len(objects)
    await create_pod(env, objects)


async def test_pod_security_refuses_ports_of_the_node_unless_the_namespace_allows_them(
    env: Environment, tmp_path: Path
) -> None:
    found = overlay(tmp_path, resources=["daemonset"], components=["components/host-ports"])
    objects = renamed(found, env, "headgate.invalid/headgate")
    namespace, account = (
        next(item for item in objects if item["kind"] == kind) for kind in ("Namespace", "ServiceAccount")
    )
    usual = renamed(build("daemonset"), env, "headgate.invalid/headgate")
    await apply(env.cluster, [account, *(item for item in usual if item["kind"] == "Namespace")])
    with pytest.raises(AssertionError, match=r'violates PodSecurity "restricted.*hostPort'):
        await create_pod(env, objects)
    await apply(env.cluster, [namespace])
    await create_pod(env, objects)


async def create_pod(env: Environment, objects: list[Object]) -> None:
    """Have the API server judge a Pod of the workload; a workload itself is only warned about."""
    (workload,) = (item for item in objects if item["kind"] in WORKLOADS)
    pod = workload["spec"]["template"]
    meta = pod["metadata"] | {"namespace": env.name, "name": "probe"}
    await apply(env.cluster, [{"apiVersion": "v1", "kind": "Pod", **pod, "metadata": meta}], "--dry-run=server")


@pytest.mark.parametrize("variant", VARIANTS)
async def test_it_gets_ready_and_serves_the_cafe(env: Environment, node: str, variant: str) -> None:
    cluster, own, image = env.cluster, env.name, os.environ["E2E_IMAGE"]
    shop = f"{own}-shop"
    await env.add_namespace(shop)
    objects = renamed(build(variant), env, image)
    await apply(cluster, objects)
    await cluster.merge("ConfigMap", own, "nginx-config", {"data": {"external-status-address": ADDRESS}})
    await apply(cluster, [item for name in ("tea", "coffee") for item in backend(shop, name, image)])
    await apply(cluster, cafe(shop, own))
    workload = next(item["kind"].lower() for item in objects if item["kind"] in WORKLOADS)
    for namespace, what in ((own, f"{workload}/headgate"), (shop, "deployment/tea"), (shop, "deployment/coffee")):
        await cluster.kubectl("rollout", "status", "-n", namespace, what, "--timeout=90s")

    async with explained(cluster, own):
        http, https = await node_ports(cluster, own)
        for path, name in (("/tea", "tea-"), ("/coffee/black", "coffee-")):
            await eventually(
                lambda path=path: ask(f"https://{node}:{https}{path}"),
                lambda answer, name=name: answer[0] == 200 and answer[1].startswith(name),
            )
        assert (await ask(f"http://{node}:{http}/tea"))[0] == 301
        await eventually(lambda: cluster.addresses(shop, "cafe-ingress"), lambda found: found == [ADDRESS])
    # Only what the manifests grant was there to do it with.
    log = await said(cluster, own)
    for refusal in ("informer failed", "watch refused", "status not written", "event not sent", "own Pod unknown"):
        assert refusal not in log


async def said(cluster: Cluster, namespace: str) -> str:
    """What the replicas have logged."""
    return await cluster.kubectl("logs", "-n", namespace, "-l", "app.kubernetes.io/name=headgate", "--tail=-1")


@asynccontextmanager
async def explained(cluster: Cluster, namespace: str) -> AsyncIterator[None]:
    """Add what the replicas have logged to the report of a failure."""
    try:
        yield
    except AssertionError as error:
        raise AssertionError(f"{error}\n{await said(cluster, namespace)}") from None


async def node_ports(cluster: Cluster, namespace: str) -> tuple[int, int]:
    http, https = (await cluster.get("Service", namespace, "headgate"))["spec"]["ports"]
    return http["nodePort"], https["nodePort"]


async def ask(url: str) -> tuple[int, str]:
    """Ask as a client that knows the cafe by name; status 0 if there is no answer."""
    timeout = aiohttp.ClientTimeout(total=20)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, headers={"Host": HOST}) as session,
            session.get(url, ssl=unverified(), server_hostname=HOST, allow_redirects=False) as answer,
        ):
            return answer.status, await answer.text()
    except (aiohttp.ClientError, OSError):
        return 0, ""
