"""Rights that are taken away while Headgate runs, and given back: it says so once, serves on, and recovers by itself.

Three installations lose theirs at the same time, since each takes as long as the pause between two lists.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import yaml

from tests.e2e.environment import new_environment
from tests.e2e.node.installation import Installation
from tests.e2e.node.load import load
from tests.e2e.node.node_access import NodeAccess
from tests.e2e.node.recovery import failed_informers
from tests.e2e.objects import ADDRESS, Object, config_map, tls_secret
from tests.e2e.service_account import ROLE, may_list
from tests.k8s.certificates import Authority
from tests.waiting import eventually

HOST = "shop.test"
EVERYTHING = {"ingresses", "services", "endpointslices", "secrets"}

Note = Callable[[str, object], None]


@asynccontextmanager
async def another(installation: Installation) -> AsyncIterator[Installation]:
    """One more installation, in a namespace of its own and with a class of its own."""
    async with new_environment(installation.cluster) as env:
        yield Installation(env, installation.image, installation.node)


def rules(without: str = "") -> list[Object]:
    """The incumbent's rules but those for one resource."""
    found: list[Object] = yaml.safe_load(ROLE.read_text())["rules"]
    for rule in found:
        rule["resources"] = [name for name in rule["resources"] if name != without]
    return [rule for rule in found if rule["resources"]]


async def withdraw(shop: Installation, rules: list[Object], resource: str, group: str = "") -> None:
    """Leave the Pods only *rules*; a watch that is open is not asked for its rights again, and so it is cut."""
    node_access = NodeAccess(shop)
    await node_access.start()
    await shop.account(rules)
    await eventually(lambda: may_list(shop.env, resource, group), lambda allowed: not allowed)
    await node_access.cut(await shop.pod())


async def lacking(shop: Installation) -> set[str]:
    """The informers that said that they lack a right."""
    said = await shop.logged(await shop.pod(), "informer failed", error="the role lacks the verb list")
    return {entry["informer"] for entry in said}


async def repeated(shop: Installation) -> list[str]:
    """The warnings about the API server that were written more than once; those of a status are counted by object."""
    said = Counter(
        str({name: value for name, value in entry.items() if name not in {"time", "retry_seconds"}})
        for entry in await shop.lines(await shop.pod())
        if entry["level"] == "WARN"
    )
    return [line for line, times in said.items() if times > 1]


async def test_rights_that_were_withdrawn_are_used_again_when_granted(
    installation: Installation, authority: Authority, record_property: Note
) -> None:
    async with (
        another(installation) as one,
        another(installation) as other,
        asyncio.TaskGroup() as tasks,
    ):
        tasks.create_task(without_any_right(installation, record_property))
        tasks.create_task(without_secrets(one, authority))
        tasks.create_task(without_endpoints(other))


async def without_any_right(shop: Installation, record_property: Note) -> None:
    await shop.cluster.apply(config_map(shop.namespace, "settings", {"external-status-address": ADDRESS}))
    await shop.install("-report-ingress-status", f"-nginx-configmaps={shop.namespace}/settings")
    await shop.add_backend()
    await shop.env.add_ingress("shop")
    await eventually(lambda: shop.cluster.addresses(shop.namespace, "shop"), lambda found: found == [ADDRESS])
    pod, reloads = await shop.pod(), await shop.reloads()
    async with load(shop.plan(HOST, steady=1, fresh=1, pause=0.1)) as traffic:
        await withdraw(shop, [], "services")
        await eventually(lambda: lacking(shop), lambda found: found >= EVERYTHING)
        await eventually(lambda: shop.metric("headgate_leader"), lambda leads: leads == 0)
        await shop.settled(1)
        assert await shop.reloads() == reloads

        began = time.monotonic()
        await shop.account(rules())
        await shop.env.add_ingress("new")
        await eventually(lambda: shop.get("new.test"), lambda answer: answer.status == 200)
        await eventually(lambda: shop.cluster.addresses(shop.namespace, "new"), lambda found: found == [ADDRESS])
        record_property("all rights used again after s", time.monotonic() - began)
        await eventually(lambda: failed_informers(shop), lambda found: not found)
    assert traffic.failures() == []
    assert await repeated(shop) == []
    assert await shop.restarts(pod) == 0


async def without_secrets(shop: Installation, authority: Authority) -> None:
    await shop.install()
    await shop.add_backend()
    await shop.cluster.apply(tls_secret(shop.namespace, "shop-tls", *authority.issue(HOST)))
    await shop.env.add_ingress("shop", tls="shop-tls")
    await shop.serves(HOST, tls=True)
    async with load(shop.plan(HOST, tls=True, steady=1, fresh=1, pause=0.1)) as traffic:
        await withdraw(shop, rules(without="secrets"), "secrets")
        await shop.env.add_ingress("new")
        await eventually(lambda: shop.get("new.test"), lambda answer: answer.status == 200)
        await eventually(lambda: lacking(shop), lambda found: found == {"secrets"})

        await shop.cluster.apply(tls_secret(shop.namespace, "late-tls", *authority.issue("late.test")))
        await shop.env.add_ingress("late", tls="late-tls")
        await shop.account(rules())
        await shop.serves("late.test", tls=True)
    assert traffic.failures() == []
    assert await repeated(shop) == []


async def without_endpoints(shop: Installation) -> None:
    await shop.install()
    await shop.add_backend()
    await shop.env.add_ingress("shop")
    await shop.serves(HOST)
    async with load(shop.plan(HOST, steady=1, fresh=1, pause=0.1)) as traffic:
        await withdraw(shop, rules(without="endpointslices"), "endpointslices", "discovery.k8s.io")
        await shop.env.add_ingress("new")
        await eventually(lambda: shop.get("new.test"), lambda answer: answer.status == 200)
        await shop.scale(2, "echo")
        await shop.settled(2, "echo")
        await eventually(lambda: lacking(shop), lambda found: found == {"endpointslices"})
        assert len(traffic.pods()) == 1

        await shop.account(rules())

        async def asked() -> int:
            return len(traffic.pods())

        await eventually(asked, lambda pods: pods == 2)
    assert traffic.failures() == []
    assert await repeated(shop) == []
