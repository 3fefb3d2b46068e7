"""Pods of Headgate itself come and go while clients ask: not ready, then the drain, then the end."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable

from tests.e2e.node.installation import Installation
from tests.e2e.node.load import Load, Plan, load
from tests.e2e.objects import tls_secret
from tests.k8s.certificates import Authority
from tests.waiting import eventually

HOST = "shop.test"
Note = Callable[[str, object], None]


@contextlib.asynccontextmanager
async def customers(plan: Plan) -> AsyncIterator[list[Load]]:
    """All kinds of clients at once: busy ones, those whose answers take 3 s, and those that think between requests."""
    busy = plan._replace(methods=("GET", "POST"), fresh=6)
    async with (
        load(busy) as traffic,
        load(plan._replace(query="?wait=3")) as slow,
        load(plan._replace(steady=20, fresh=0, pause=1.5)) as thoughtful,
    ):
        yield [traffic, slow, thoughtful]


async def answers(installation: Installation) -> set[int]:
    """Return the statuses of many requests, so that each replica answers some."""
    return {(await installation.get(HOST)).status for _ in range(20)}


async def test_a_rolling_update_fails_no_request(installation: Installation, record_property: Note) -> None:
    await installation.install(replicas=2)
    await installation.add_backend(replicas=2)
    await installation.env.add_ingress("shop")
    await eventually(lambda: answers(installation), lambda found: found == {200})
    await installation.serves(HOST)
    old = {pod["metadata"]["name"] for pod in await installation.pods()}
    async with customers(installation.plan(HOST)) as loads:
        await installation.cluster.apply(installation.deployment(replicas=2, revision="2"))
        await installation.settled(2)
        await loads[0].more()
    assert old.isdisjoint(pod["metadata"]["name"] for pod in await installation.pods())
    record_property("requests", sum(len(found.requests) for found in loads))
    assert [found.failures() for found in loads] == [[], [], []]


async def test_scaling_up_and_down_fails_no_https_request(
    installation: Installation, authority: Authority, record_property: Note
) -> None:
    await installation.install("--shutdown-grace-period=3")
    await installation.add_backend(replicas=2)
    await installation.cluster.apply(tls_secret(installation.namespace, "shop-tls", *authority.issue(HOST)))
    await installation.env.add_ingress("shop", tls="shop-tls")
    await installation.serves(HOST, tls=True)
    async with customers(installation.plan(HOST, tls=True)) as loads:
        for replicas in (3, 1):
            await installation.scale(replicas)
            await installation.settled(replicas)
            await loads[0].more()
    record_property("requests", sum(len(found.requests) for found in loads))
    assert [found.failures() for found in loads] == [[], [], []]
