"""Two replicas: both serve, one writes statuses, and the other takes over when that one ends, dies or freezes."""

from __future__ import annotations

import asyncio
import signal

from headgate.k8s import LeaseTiming
from tests.e2e.cluster import Cluster
from tests.e2e.objects import config_map
from tests.e2e.place import Place, settled
from tests.e2e.replica import Replica
from tests.e2e.witness import Witness, vacancy, watching
from tests.waiting import eventually

FIRST, SECOND = "203.0.113.1", "203.0.113.2"
"""Each replica reports an address of its own, so that a status tells who wrote it."""
TIMING = LeaseTiming()


async def start(place: Place, name: str, address: str) -> Replica:
    await place.cluster.apply(config_map(place.name, name, {"external-status-address": address}))
    return await place.start("-report-ingress-status", f"-nginx-configmaps={place.name}/{name}", name=name)


async def pair(place: Place, witness: Witness) -> tuple[Replica, Replica]:
    """Start two replicas, of which the first leads and has written the status of ``shop``."""
    await place.add_ingress("shop")
    first = await start(place, "first", FIRST)
    await eventually(lambda: witness.writers("shop"), lambda found: found == [FIRST])
    second = await start(place, "second", SECOND)
    for replica, leads in ((first, 1), (second, 0)):
        await eventually(lambda asked=replica: asked.metric("headgate_leader"), lambda found, want=leads: found == want)
        assert (await replica.get("shop.test")).status == 502
    return first, second


async def test_a_leader_that_is_told_to_stop_hands_over_at_once(place: Place) -> None:
    async with watching(place) as witness:
        first, _ = await pair(place, witness)
        await first.stop()
        await eventually(lambda: witness.writers("shop"), lambda found: found == [FIRST, SECOND])
        assert await witness.holders() == ["first", "", "second"]
        await place.add_ingress("late")
        await eventually(lambda: witness.writers("late"), lambda found: found == [SECOND])


async def test_a_leader_that_dies_or_freezes_is_succeeded_when_its_lease_is_over(cluster: Cluster) -> None:
    async with settled(cluster) as one, settled(cluster) as other, asyncio.TaskGroup() as tasks:
        tasks.create_task(succession(one, signal.SIGKILL))
        tasks.create_task(succession(other, signal.SIGSTOP))


async def succession(place: Place, how: signal.Signals) -> None:
    async with watching(place) as witness:
        first, _ = await pair(place, witness)
        first.signal(how)
        await eventually(lambda: witness.writers("shop"), lambda found: found == [FIRST, SECOND])
        assert await witness.holders() == ["first", "second"]
        assert vacancy(witness.leases) >= TIMING.duration
        if how is signal.SIGSTOP:
            first.signal(signal.SIGCONT)
            await eventually(lambda: logged(first, "no longer leading"))
        await place.add_ingress("late")
        await eventually(lambda: witness.writers("late"))
        assert await witness.writers("late") == [SECOND]
        assert await witness.writers("shop") == [FIRST, SECOND]


async def logged(replica: Replica, message: str) -> bool:
    return bool(replica.logged(message))
