"""What the API server itself does to those who watch it: it forgets versions, and it restarts."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from headgate.api import ConfigMap
from headgate.k8s import ChangeType, Gone, Informer, Listing, Resources
from headgate.problems import ObjectRef
from tests.background import in_background
from tests.e2e.environment import Environment
from tests.e2e.objects import config_map
from tests.e2e.replica import Answer, Replica
from tests.waiting import eventually

pytestmark = pytest.mark.disruptive

RESTART = "E2E_RESTART_API_SERVER"
"""Shell command that ends the API server, starts it again and returns when it is ready."""

FORGOTTEN = "1"
"""A resource version that an API server no longer knows once it was restarted or has compacted its store."""


class OutdatedResources(Resources[ConfigMap]):
    """The real collection, whose first list is as old as a list can be."""

    lists = 0

    async def list(self) -> Listing[ConfigMap]:
        self.lists += 1
        if self.lists == 1:
            return Listing(FORGOTTEN, {})
        return await super().list()


async def restart() -> None:
    process = await asyncio.create_subprocess_shell(os.environ[RESTART], stdout=asyncio.subprocess.DEVNULL)
    assert await process.wait() == 0, f"{RESTART} failed"


@pytest.fixture
async def forgetful() -> None:
    """Have an API server that does not remember everything that it ever did, as one that just began does."""
    if os.environ.get(RESTART):
        await restart()


async def test_a_compacted_version_is_answered_410(env: Environment, forgetful: None) -> None:
    source = Resources(env.cluster.client, ConfigMap, env.name)

    async def changes() -> list[ChangeType]:
        return [change.type async for change in source.watch(FORGOTTEN)]

    with pytest.raises(Gone):
        await changes()


async def test_a_watch_from_before_a_compaction_lists_again_and_goes_on(env: Environment, forgetful: None) -> None:
    await env.cluster.apply(config_map(env.name, "before", {}))
    source = OutdatedResources(env.cluster.client, ConfigMap, env.name)
    changed: list[ObjectRef] = []
    informer: Informer[ConfigMap] = Informer(source, changed.append, name="configmaps")

    async def names() -> set[str]:
        return {ref.name for ref in informer.store} - {"kube-root-ca.crt"}

    async with in_background(informer.run()):
        await eventually(names, lambda found: found == {"before"})
        await env.cluster.apply(config_map(env.name, "after", {}))
        await eventually(names, lambda found: found == {"before", "after"})
        await env.cluster.delete("ConfigMap", env.name, "before")
        await eventually(names, lambda found: found == {"after"})
    assert source.lists == 2
    assert ObjectRef("ConfigMap", env.name, "after") in changed


class RepeatedRequests:
    """Asks for the same page again and again and keeps the answers that were not right."""

    def __init__(self, replica: Replica, host: str) -> None:
        self._replica, self._host = replica, host
        self.asked = 0
        self.wrong: list[Answer] = []

    async def run(self) -> None:
        while True:
            answer = await self._replica.get(self._host)
            self.asked += 1
            if answer != Answer(200, "GET /"):
                self.wrong.append(answer)
            await asyncio.sleep(0.02)


@pytest.fixture
async def visited(env: Environment, echo: None) -> AsyncIterator[tuple[Replica, RepeatedRequests]]:
    if not os.environ.get(RESTART):
        pytest.skip(f"{RESTART} is not set to a command that restarts the API server")
    await env.add_ingress("stays")
    await env.add_ingress("goes")
    replica = await env.start("-log-level=debug")
    assert (await replica.get("stays.test")).status == 200
    requests = RepeatedRequests(replica, "stays.test")
    visiting = asyncio.create_task(requests.run())
    yield replica, requests
    visiting.cancel()
    assert requests.asked > 0
    assert requests.wrong == []


async def test_a_restart_of_the_api_server_disturbs_no_traffic_and_reloads_nothing(
    visited: tuple[Replica, RepeatedRequests], env: Environment
) -> None:
    replica, _ = visited
    reloads = await replica.reloads()
    await restart()
    assert await replica.is_ready()
    assert await replica.reloads() == reloads
    await env.add_ingress("new")
    await eventually(lambda: replica.get("new.test"), lambda answer: answer.status == 200)
    await eventually(replica.reloads, lambda count: count == reloads + 1)


async def test_changes_while_the_watch_was_cut_are_seen_after_the_restart(
    visited: tuple[Replica, RepeatedRequests], env: Environment
) -> None:
    replica, _ = visited
    replica.signal(signal.SIGSTOP)
    # The first restart cuts the watches before anything happens that they could tell; what the second brings up
    # remembers nothing from before its start, so that they cannot be resumed.
    await restart()
    await env.add_ingress("new")
    await env.cluster.delete("Ingress", env.name, "goes")
    await restart()
    replica.signal(signal.SIGCONT)
    await eventually(lambda: replica.get("goes.test"), lambda answer: answer.status == 404)
    await eventually(lambda: replica.get("new.test"), lambda answer: answer.status == 200)
    assert replica.logged("listing again", informer="ingresses", why="too old resource version")
