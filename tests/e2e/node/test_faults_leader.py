"""Replicas in Pods: who writes statuses when the leader's container, or its Pod, dies."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

from headgate.k8s import LeaseTiming
from tests.e2e.leadership_history import LeadershipHistory, leadership_history, seconds_without_leader
from tests.e2e.node.installation import Installation
from tests.e2e.node.node_access import NodeAccess
from tests.e2e.node.recovery import wait_ready
from tests.e2e.objects import config_map
from tests.waiting import eventually

ADDRESSES = {"first": "203.0.113.1", "second": "203.0.113.2", "third": "203.0.113.3"}
"""Each replica reports an address of its own, so that a status tells who wrote it."""
TIMING = LeaseTiming()

Note = Callable[[str, object], None]


async def start(installation: Installation, name: str) -> None:
    """Start a Pod without an owner; it is ready when this returns."""
    settings = f"{name}-settings"
    await installation.cluster.apply(
        config_map(installation.namespace, settings, {"external-status-address": ADDRESSES[name]}),
        installation.bare_pod(name, "-report-ingress-status", f"-nginx-configmaps={installation.namespace}/{settings}"),
    )
    await wait_ready(installation.cluster, installation.namespace, name)


async def written(installation: Installation, history: LeadershipHistory, ingress: str, *names: str) -> None:
    """Wait until replicas *names* have written the status of *ingress*, in this order and nobody between them."""
    wanted = [ADDRESSES[name] for name in names]
    if ingress not in history.written:
        await installation.env.add_ingress(ingress)
    await eventually(lambda: history.writers(ingress), lambda found: found == wanted)


async def test_statuses_are_written_after_every_fault_of_the_leader(
    installation: Installation, node_access: NodeAccess, record_property: Note
) -> None:
    await installation.install(replicas=0)
    namespace = installation.namespace
    async with leadership_history(installation.env) as history:
        await start(installation, "first")
        await written(installation, history, "shop", "first")
        await start(installation, "second")

        # The container is started again under the same name, and leads on.
        await node_access.signal("first", "init", signal.SIGKILL)
        await written(installation, history, "one", "first")
        assert await history.holders() == ["first"]

        # Frozen, so that it cannot give the lease back before the kubelet kills it.
        began = time.monotonic()
        await node_access.signal("first", "init", signal.SIGSTOP)
        await installation.cluster.kubectl("delete", "pod", "first", "-n", namespace, "--force", "--grace-period=0")
        await written(installation, history, "shop", "first", "second")
        record_property("statuses go on after a dead leader, s", time.monotonic() - began)
        assert await history.holders() == ["first", "second"]
        assert seconds_without_leader(history.leases) >= TIMING.duration
        await written(installation, history, "two", "second")

        await start(installation, "third")
        began = time.monotonic()
        await installation.cluster.delete("Pod", namespace, "second")
        await written(installation, history, "shop", "first", "second", "third")
        record_property("statuses go on after a leader that ended, s", time.monotonic() - began)
        assert await history.holders() == ["first", "second", "", "third"]
        assert await history.writers("one") == [ADDRESSES[name] for name in ("first", "second", "third")]
