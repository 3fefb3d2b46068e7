"""Replicas in Pods: who writes statuses when the leader's container, or its Pod, dies."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

from headgate.k8s import LeaseTiming
from tests.e2e.node.aftermath import is_ready
from tests.e2e.node.installation import Installation
from tests.e2e.node.machine import Machine
from tests.e2e.objects import config_map
from tests.e2e.witness import Witness, vacancy, watching
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
    await is_ready(installation.cluster, installation.namespace, name)


async def written(installation: Installation, witness: Witness, ingress: str, *names: str) -> None:
    """Wait until replicas *names* have written the status of *ingress*, in this order and nobody between them."""
    wanted = [ADDRESSES[name] for name in names]
    if ingress not in witness.written:
        await installation.place.add_ingress(ingress)
    await eventually(lambda: witness.writers(ingress), lambda found: found == wanted)


async def test_statuses_go_on_whatever_happens_to_the_leader(
    installation: Installation, machine: Machine, record_property: Note
) -> None:
    await installation.install(replicas=0)
    namespace = installation.namespace
    async with watching(installation.place) as witness:
        await start(installation, "first")
        await written(installation, witness, "shop", "first")
        await start(installation, "second")

        # The container is started again under the same name, and leads on.
        await machine.signal("first", "init", signal.SIGKILL)
        await written(installation, witness, "one", "first")
        assert await witness.holders() == ["first"]

        # Frozen, so that it cannot give the lease back before the kubelet kills it.
        began = time.monotonic()
        await machine.signal("first", "init", signal.SIGSTOP)
        await installation.cluster.kubectl("delete", "pod", "first", "-n", namespace, "--force", "--grace-period=0")
        await written(installation, witness, "shop", "first", "second")
        record_property("statuses go on after a dead leader, s", time.monotonic() - began)
        assert await witness.holders() == ["first", "second"]
        assert vacancy(witness.leases) >= TIMING.duration
        await written(installation, witness, "two", "second")

        await start(installation, "third")
        began = time.monotonic()
        await installation.cluster.delete("Pod", namespace, "second")
        await written(installation, witness, "shop", "first", "second", "third")
        record_property("statuses go on after a leader that ended, s", time.monotonic() - began)
        assert await witness.holders() == ["first", "second", "", "third"]
        assert await witness.writers("one") == [ADDRESSES[name] for name in ("first", "second", "third")]
