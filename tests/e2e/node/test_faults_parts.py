"""Parts of the cluster that die under Headgate: traffic does not need them."""

from __future__ import annotations

import asyncio
import functools
import itertools
import os
import signal
import time
from collections.abc import Callable

import pytest

from tests.e2e.node.backend import PORT
from tests.e2e.node.control_plane import (
    RESTART_CONTAINERD,
    RESTART_KUBELET,
    START_API_SERVER,
    STOP_API_SERVER,
    compact_etcd,
    require_commands,
    run_command,
)
from tests.e2e.node.endpoints import watched
from tests.e2e.node.installation import Installation
from tests.e2e.node.load import Load, load
from tests.e2e.node.node_access import NodeAccess
from tests.e2e.node.recovery import assert_same_configuration, failed_informers, wait_ready
from tests.e2e.objects import ADDRESS, config_map, endpoint_slice
from tests.waiting import eventually

HOST = "shop.test"
OUTAGE = float(os.environ.get("E2E_OUTAGE_SECONDS") or 30)
"""Seconds for which the API server is away: long enough for a leader to stop leading (22.5), too short for the
controller manager to take the node for lost (50), which ends traffic whoever the controller is."""
REFUSED = "ConnectionRefusedError"
UNSERVED = 502

Note = Callable[[str, object], None]


@pytest.fixture
async def shop(installation: Installation) -> Installation:
    """Two replicas that write statuses, in front of two backends."""
    settings = config_map(installation.namespace, "settings", {"external-status-address": ADDRESS})
    await installation.cluster.apply(settings)
    await installation.add_backend(replicas=2)
    for name in ("shop", "goes"):
        await installation.env.add_ingress(name)
    flags = ("-report-ingress-status", f"-nginx-configmaps={installation.namespace}/settings")
    await installation.install(*flags, replicas=2)
    await installation.serves(HOST)
    await eventually(lambda: installation.cluster.addresses(installation.namespace, "shop"))
    return installation


async def names(shop: Installation) -> list[str]:
    return [pod["metadata"]["name"] for pod in await shop.pods()]


async def asked(traffic: Load) -> set[str]:
    return set(traffic.pods())


async def failed(shop: Installation) -> dict[str, set[str]]:
    """The informers of each Pod that have not recovered."""
    return {pod: found for pod in await names(shop) if (found := await failed_informers(shop, pod))}


async def terms(shop: Installation) -> list[tuple[str, str, str]]:
    """Who led from when to when, in order; the last term is open."""
    found = []
    for pod in await names(shop):
        began = [entry["time"] for entry in await shop.logged(pod, "leading")]
        ended = [entry["time"] for entry in await shop.logged(pod, "no longer leading")]
        found += [(*term, pod) for term in itertools.zip_longest(began, ended, fillvalue="9999")]
    return sorted(found)


@pytest.mark.disruptive
async def test_traffic_continues_while_the_api_server_is_down(
    shop: Installation, node_access: NodeAccess, record_property: Note
) -> None:
    require_commands(STOP_API_SERVER, START_API_SERVER)
    await shop.add_backend("reserve")
    (reserve,) = await shop.pods("reserve")
    pods = await names(shop)
    reloads = [await shop.reloads(pod) for pod in pods]
    async with load(shop.plan(HOST, steady=2, fresh=2, pause=0.05)) as traffic:
        await run_command(STOP_API_SERVER)
        await asyncio.sleep(OUTAGE)
        await run_command(START_API_SERVER)
        began = time.monotonic()
        await eventually(lambda: failed(shop), lambda found: not found)
        record_property(f"all informers back after {OUTAGE:g} s without and then s", time.monotonic() - began)
        assert [await shop.reloads(pod) for pod in pods] == reloads

        await run_command(STOP_API_SERVER)
        compacted = await compact_etcd()
        await run_command(START_API_SERVER)
        began = time.monotonic()
        # Before anybody watches again; what the cluster's own controllers would do with it takes them longer than us.
        await shop.cluster.apply(endpoint_slice(shop.namespace, "echo", reserve["status"]["podIP"], PORT))
        await shop.env.add_ingress("new")
        await shop.cluster.delete("Ingress", shop.namespace, "goes")
        await eventually(lambda: shop.get("new.test"), lambda answer: answer.status == 200)
        await eventually(lambda: shop.get("goes.test"), lambda answer: answer.status == 404)
        await eventually(lambda: asked(traffic), lambda found: reserve["metadata"]["name"] in found)
        happened = "changed while nobody watched" + (", and compacted" if compacted else "")
        record_property(f"{happened}: followed after s", time.monotonic() - began)
        addresses = functools.partial(shop.cluster.addresses, shop.namespace, "new")
        await eventually(addresses, lambda found: found == [ADDRESS])
    assert traffic.failures() == []
    record_property("requests without a failure", len(traffic.requests))
    assert await names(shop) == pods
    assert [await shop.restarts(pod) for pod in pods] == [0, 0]
    led = await terms(shop)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(led)), led
    # A Pod of its own would be started when the kubelet follows the API server again; a container is at once.
    await node_access.signal(pods[1], "init", signal.SIGKILL)
    await eventually(lambda: shop.restarts(pods[1]), lambda count: count == 1)
    await wait_ready(shop.cluster, shop.namespace, pods[1])
    await assert_same_configuration(shop, *pods)


@pytest.mark.parametrize("part", [RESTART_KUBELET, RESTART_CONTAINERD])
async def test_traffic_continues_while_kubelet_or_containerd_restart(
    shop: Installation, part: str, record_property: Note
) -> None:
    require_commands(part)
    pods = await names(shop)
    async with watched(shop) as endpoints, load(shop.plan(HOST, steady=2, fresh=2, pause=0.05)) as traffic:
        began = time.monotonic()
        await run_command(part)
        await shop.scale(3, "echo")
        await shop.settled(3, "echo")
        record_property(f"{part}: a new Pod is ready after s", time.monotonic() - began)
        await eventually(lambda: asked(traffic), lambda found: len(found) == 3)
        await shop.settled(2)
    # A kubelet that starts may call Pods unready until it has probed them; for so long their Service has nobody, nor
    # has Headgate a backend.
    failed = [request for request in traffic.requests if request.failure]
    refused = [request for request in failed if part == RESTART_KUBELET and REFUSED in request.failure]
    record_property(f"{part}: connections that the Service refused", len(refused))
    nobody = [each for each in failed if each.status == UNSERVED and endpoints.none_ready(each.sent, each.ended)]
    record_property(f"{part}: requests while no backend was ready", len(nobody))
    assert [str(request) for request in failed if request not in refused + nobody] == []
    assert await names(shop) == pods
    assert [await shop.restarts(pod) for pod in pods] == [0, 0]


async def test_an_evicted_pod_is_replaced_without_a_failed_request(shop: Installation) -> None:
    (evicted, _) = await names(shop)
    path = f"/api/v1/namespaces/{shop.namespace}/pods/{evicted}/eviction"
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": evicted}}
    async with load(shop.plan(HOST, steady=2, fresh=2, pause=0.05)) as traffic:
        await shop.cluster.client.request("POST", path, body=eviction)
        await eventually(lambda: names(shop), lambda found: evicted not in found)
        await shop.settled(2)
        await traffic.more()
    assert traffic.failures() == []
