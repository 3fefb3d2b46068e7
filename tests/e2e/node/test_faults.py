"""What dies on a node, each time under load: traffic goes on, or comes back.

For how long it was disturbed is measured and printed at the end of the run.
"""

from __future__ import annotations

import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tests.e2e.node.installation import SECURITY, Installation
from tests.e2e.node.load import Load, load
from tests.e2e.node.node_access import NodeAccess
from tests.e2e.node.recovery import assert_same_as_fresh_start, seconds_disturbed
from tests.waiting import eventually

HOST = "shop.test"
ONE_WORKER = 4
"""Requests that a dead worker can take with it: one for each connection of the load."""
LIMIT = "192Mi"
OVEREAT = """
import os, signal

open("/proc/1/oom_score_adj", "w").write("1000")
while True:
    if os.fork() == 0:
        food = os.urandom(8 << 20)
        signal.pause()
"""
"""Fills the container's memory with many small processes: where the kernel kills but one, it chooses the first."""

WRITABLE = ("/etc/nginx", "/var/lib/nginx", "/var/cache/nginx", "/var/log/nginx", "/tmp")
VOLUMES = [{"name": path.strip("/").replace("/", "-"), "emptyDir": {}} for path in WRITABLE]
MOUNTS = [{"name": volume["name"], "mountPath": path} for volume, path in zip(VOLUMES, WRITABLE, strict=True)]
CONTAINER = {
    "volumeMounts": MOUNTS,
    "securityContext": SECURITY | {"readOnlyRootFilesystem": True},
    "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": LIMIT}},
}
"""A read-only root; what a dead container leaves in its volumes is what the next one finds."""

Note = Callable[[str, object], None]


@pytest.fixture
async def shop(installation: Installation) -> Installation:
    await installation.install(container=CONTAINER, volumes=VOLUMES)
    await installation.add_backend()
    await installation.env.add_ingress("shop")
    await installation.serves(HOST)
    return installation


@asynccontextmanager
async def busy(shop: Installation) -> AsyncIterator[Load]:
    async with load(shop.plan(HOST, steady=2, fresh=2, pause=0.03)) as traffic:
        yield traffic


async def disturbed_for(traffic: Load, since: float) -> float:
    """Wait until requests succeed again, and a little longer; return how many seconds some of them did not."""

    async def undisturbed() -> bool:
        last = max((request.ended for request in traffic.requests if request.failure), default=since)
        return sum(request.sent > last for request in traffic.requests if not request.failure) >= 50

    await eventually(undisturbed)
    return seconds_disturbed(traffic, since)


async def serves_what_is_new(shop: Installation) -> None:
    await shop.env.add_ingress("new")
    await eventually(lambda: shop.get("new.test"), lambda answer: answer.status == 200)


async def test_a_killed_worker_is_replaced(shop: Installation, node_access: NodeAccess, record_property: Note) -> None:
    pod = await shop.pod()
    async with busy(shop) as traffic:
        began = time.monotonic()
        await node_access.signal(pod, "worker", signal.SIGKILL)
        record_property("disturbed for s", await disturbed_for(traffic, began))
    assert len(traffic.failures()) <= ONE_WORKER, traffic.failures()
    assert await shop.restarts(pod) == 0
    await serves_what_is_new(shop)


async def test_a_killed_master_is_replaced_with_the_last_good_configuration(
    shop: Installation, node_access: NodeAccess, record_property: Note
) -> None:
    pod, reloads = await shop.pod(), await shop.reloads()
    async with busy(shop) as traffic:
        began = time.monotonic()
        await node_access.signal(pod, "master", signal.SIGKILL)
        record_property("disturbed for s", await disturbed_for(traffic, began))
    assert await shop.restarts(pod) == 0
    assert await node_access.zombies(pod) == 0
    assert [entry["how"] for entry in await shop.logged(pod, "nginx master ended")] == ["signal SIGKILL"]
    await eventually(lambda: shop.cluster.reasons(shop.namespace, pod), lambda found: "NginxRestarted" in found)
    assert await shop.reloads() == reloads + 1
    await serves_what_is_new(shop)
    await assert_same_as_fresh_start(shop, pod)


async def test_a_killed_controller_is_started_again_by_the_kubelet(
    shop: Installation, node_access: NodeAccess, record_property: Note
) -> None:
    pod = await shop.pod()
    async with busy(shop) as traffic:
        began = time.monotonic()
        await node_access.signal(pod, "init", signal.SIGKILL)
        record_property("disturbed for s", await disturbed_for(traffic, began))
    await shop.settled(1)
    assert await shop.restarts(pod) == 1
    await serves_what_is_new(shop)
    await assert_same_as_fresh_start(shop, pod)


async def test_a_container_out_of_memory_is_started_again(shop: Installation, record_property: Note) -> None:
    pod = await shop.pod()
    async with busy(shop) as traffic:
        began = time.monotonic()
        with pytest.raises(AssertionError, match="137"):
            await shop.execute(pod, "python3", "-c", OVEREAT)
        record_property("disturbed for s", await disturbed_for(traffic, began))
    await shop.settled(1)
    (status,) = (await shop.cluster.get("Pod", shop.namespace, pod))["status"]["containerStatuses"]
    assert (status["restartCount"], status["lastState"]["terminated"]["reason"]) == (1, "OOMKilled")
    await serves_what_is_new(shop)


async def test_a_pod_deleted_by_force_is_replaced(shop: Installation, record_property: Note) -> None:
    pod = await shop.pod()
    async with busy(shop) as traffic:
        began = time.monotonic()
        await shop.cluster.kubectl("delete", "pod", pod, "-n", shop.namespace, "--force", "--grace-period=0")
        record_property("disturbed for s", await disturbed_for(traffic, began))
    await shop.settled(1)
    assert await shop.pod() != pod
    await serves_what_is_new(shop)


async def test_a_pod_whose_sandbox_died_is_replaced(
    shop: Installation, node_access: NodeAccess, record_property: Note
) -> None:
    pod = await shop.pod()
    address = (await shop.cluster.get("Pod", shop.namespace, pod))["status"]["podIP"]
    async with busy(shop) as traffic:
        began = time.monotonic()
        await node_access.signal(pod, "sandbox", signal.SIGKILL)
        record_property("disturbed for s", await disturbed_for(traffic, began))
    await shop.settled(1)
    assert (await shop.cluster.get("Pod", shop.namespace, pod))["status"]["podIP"] != address
    await assert_same_as_fresh_start(shop, pod)
