"""Two replicas: both serve, one writes statuses, and the other takes over when that one ends, dies or freezes."""

from __future__ import annotations

import asyncio
import signal

from headgate.k8s import LeaseTiming
from tests.e2e.cluster import Cluster
from tests.e2e.environment import Environment, new_environment
from tests.e2e.leadership_history import LeadershipHistory, leadership_history, seconds_without_leader
from tests.e2e.objects import config_map
from tests.e2e.replica import Replica
from tests.waiting import eventually

FIRST, SECOND = "203.0.113.1", "203.0.113.2"
"""Each replica reports an address of its own, so that a status tells who wrote it."""
TIMING = LeaseTiming()


async def start(env: Environment, name: str, address: str) -> Replica:
    await env.cluster.apply(config_map(env.name, name, {"external-status-address": address}))
    return await env.start("-report-ingress-status", f"-nginx-configmaps={env.name}/{name}", name=name)


async def pair(env: Environment, history: LeadershipHistory) -> tuple[Replica, Replica]:
    """Start two replicas, of which the first leads and has written the status of ``shop``."""
    await env.add_ingress("shop")
    first = await start(env, "first", FIRST)
    await eventually(lambda: history.writers("shop"), lambda found: found == [FIRST])
    second = await start(env, "second", SECOND)
    for replica, leads in ((first, 1), (second, 0)):
        await eventually(lambda asked=replica: asked.metric("headgate_leader"), lambda found, want=leads: found == want)
        assert (await replica.get("shop.test")).status == 502
    return first, second


async def test_a_leader_that_is_stopped_releases_the_lease(env: Environment) -> None:
    async with leadership_history(env) as history:
        first, _ = await pair(env, history)
        await first.stop()
        await eventually(lambda: history.writers("shop"), lambda found: found == [FIRST, SECOND])
        assert await history.holders() == ["first", "", "second"]
        await env.add_ingress("late")
        await eventually(lambda: history.writers("late"), lambda found: found == [SECOND])


async def test_a_leader_that_dies_or_freezes_is_replaced_when_its_lease_expires(cluster: Cluster) -> None:
    async with new_environment(cluster) as one, new_environment(cluster) as other, asyncio.TaskGroup() as tasks:
        tasks.create_task(succession(one, signal.SIGKILL))
        tasks.create_task(succession(other, signal.SIGSTOP))


async def succession(env: Environment, how: signal.Signals) -> None:
    async with leadership_history(env) as history:
        first, _ = await pair(env, history)
        first.signal(how)
        await eventually(lambda: history.writers("shop"), lambda found: found == [FIRST, SECOND])
        assert await history.holders() == ["first", "second"]
        assert seconds_without_leader(history.leases) >= TIMING.duration
        if how is signal.SIGSTOP:
            first.signal(signal.SIGCONT)
            await eventually(lambda: logged(first, "no longer leading"))
        await env.add_ingress("late")
        await eventually(lambda: history.writers("late"))
        assert await history.writers("late") == [SECOND]
        assert await history.writers("shop") == [FIRST, SECOND]


async def logged(replica: Replica, message: str) -> bool:
    return bool(replica.logged(message))
