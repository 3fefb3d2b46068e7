"""Of several replicas one leads, by real requests to one Lease."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from headgate.k8s import Client, ClusterConfig, LeaderElector, LeaseTiming
from tests.background import in_background
from tests.k8s.apiserver import ApiServer
from tests.waiting import eventually

TIMING = LeaseTiming(duration=30, deadline=15, retry=7.5)


class Clock:
    """Virtual seconds: a pause ends when the time has come, not when it has passed."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def __call__(self) -> float:
        return self.now

    async def pause(self, seconds: float) -> None:
        event = asyncio.Event()
        self._sleepers.append((self.now + seconds, event))
        await event.wait()

    async def advance(self, seconds: float, *, sleepers: int) -> None:
        """Let time pass in small steps; after each, wait until all *sleepers* wait again."""
        end = self.now + seconds
        while self.now < end:
            await self.settled(sleepers)
            self.now = min(end, self.now + 0.5)
            for at, event in self._sleepers:
                if at <= self.now:
                    event.set()
            self._sleepers = [(at, event) for at, event in self._sleepers if not event.is_set()]
        await self.settled(sleepers)

    async def settled(self, sleepers: int) -> None:
        await eventually(lambda: len(self._sleepers) >= sleepers)

    def leave(self) -> None:
        self._sleepers.clear()


class Replica:
    def __init__(self, client: Client, name: str, clock: Clock) -> None:
        self.calls: list[str] = []
        self.barred = 0
        self.elector = LeaderElector(
            client,
            "ingress",
            "headgate-leader",
            name,
            started=lambda: self.calls.append("started"),
            stopped=lambda: self.calls.append("stopped"),
            barred=self.note_barred,
            timing=TIMING,
            clock=clock,
            pause=clock.pause,
        )

    def note_barred(self) -> None:
        self.barred += 1


@pytest.fixture
def clock() -> Clock:
    return Clock()


@asynccontextmanager
async def campaigning(server: ApiServer, name: str, clock: Clock) -> AsyncIterator[Replica]:
    async with Client(ClusterConfig(server=server.url)) as client:
        replica = Replica(client, name, clock)
        async with in_background(replica.elector.run()):
            yield replica


def lease(server: ApiServer) -> dict[str, object]:
    return server.get("Lease", "ingress", "headgate-leader")["spec"]


async def test_the_first_replica_creates_the_lease_and_leads(server: ApiServer, clock: Clock) -> None:
    async with campaigning(server, "one", clock) as one:
        await clock.settled(1)
        assert one.elector.is_leader
        assert one.calls == ["started"]
        spec = lease(server)
        assert (spec["holderIdentity"], spec["leaseDurationSeconds"], spec["leaseTransitions"]) == ("one", 30, 0)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", str(spec["renewTime"]))


async def test_the_second_waits_and_the_first_renews(server: ApiServer, clock: Clock) -> None:
    async with campaigning(server, "one", clock) as one:
        await clock.settled(1)
        acquired = lease(server)["acquireTime"]
        async with campaigning(server, "two", clock) as two:
            await clock.advance(120, sleepers=2)
            assert one.elector.is_leader
            assert not two.elector.is_leader
            assert two.elector.holder == "one"
            assert (one.calls, two.calls) == (["started"], [])
            assert lease(server)["acquireTime"] == acquired


async def test_a_leader_that_ends_releases_the_lease(server: ApiServer, clock: Clock) -> None:
    async with campaigning(server, "one", clock) as one:
        await clock.settled(1)
        two_context = campaigning(server, "two", clock)
        two = await two_context.__aenter__()
        await clock.settled(2)
    assert one.calls == ["started", "stopped"]
    assert lease(server)["holderIdentity"] == ""
    clock._sleepers = clock._sleepers[1:]
    await clock.advance(8, sleepers=1)
    assert two.elector.is_leader
    assert lease(server)["leaseTransitions"] == 1
    await two_context.__aexit__(None, None, None)


async def test_the_lease_is_given_back_though_the_leader_is_cancelled_once_more_meanwhile(
    server: ApiServer, clock: Clock
) -> None:
    async with Client(ClusterConfig(server=server.url)) as client:
        campaign = asyncio.ensure_future(Replica(client, "one", clock).elector.run())
        await clock.settled(1)
        server.fail("GET", "leases", where=lambda _: campaign.cancel() and False)
        campaign.cancel()
        await asyncio.wait([campaign])
    assert campaign.cancelled()
    assert lease(server)["holderIdentity"] == ""


async def test_a_leader_that_died_is_replaced_after_the_duration(server: ApiServer, clock: Clock) -> None:
    body = {"holderIdentity": "dead", "leaseDurationSeconds": 30, "renewTime": "2199-01-01T00:00:00.000000Z"}
    server.put({"kind": "Lease", "metadata": {"namespace": "ingress", "name": "headgate-leader"}, "spec": body})
    async with campaigning(server, "two", clock) as two:
        await clock.advance(29, sleepers=1)
        assert not two.elector.is_leader
        await clock.advance(9, sleepers=1)
        assert two.elector.is_leader
        assert lease(server)["holderIdentity"] == "two"


async def test_a_leader_that_cannot_renew_stops_at_the_deadline_and_tries_again(
    server: ApiServer, clock: Clock
) -> None:
    async with campaigning(server, "one", clock) as one:
        await clock.settled(1)
        server.fail("GET", "leases", status=503, times=2)
        await clock.advance(22, sleepers=1)
        assert one.elector.is_leader
        await clock.advance(0.5, sleepers=1)
        assert not one.elector.is_leader
        assert one.calls == ["started", "stopped"]
        await clock.advance(8, sleepers=1)
        assert one.calls == ["started", "stopped", "started"]


async def test_a_missing_rule_is_logged_once_until_it_is_granted(
    server: ApiServer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server.forbid("create", "leases")
    async with campaigning(server, "one", clock) as one:
        await clock.advance(60, sleepers=1)
        assert (one.elector.is_leader, one.elector.barred, one.barred) == (False, True, 1)
        server.allow("create", "leases")
        await clock.advance(10, sleepers=1)
        assert (one.elector.is_leader, one.elector.barred, one.barred) == (True, False, 1)
        said = [record.message for record in caplog.records if record.message.startswith("leader election")]
        assert said == ["leader election failed", "leader election recovered"]


async def test_one_failed_renewal_does_not_end_leadership(server: ApiServer, clock: Clock) -> None:
    async with campaigning(server, "one", clock) as one:
        await clock.settled(1)
        server.fail("PUT", "leases", status=409, reason="Conflict")
        await clock.advance(60, sleepers=1)
        assert one.calls == ["started"]


async def test_a_lease_that_another_replica_took_ends_leadership(server: ApiServer, clock: Clock) -> None:
    async with campaigning(server, "one", clock) as one:
        await clock.settled(1)
        thief = server.get("Lease", "ingress", "headgate-leader")
        server.put({**thief, "spec": {**thief["spec"], "holderIdentity": "thief"}})
        await clock.advance(8, sleepers=1)
        assert one.calls == ["started", "stopped"]
        assert not one.elector.is_leader


def ended(caplog: pytest.LogCaptureFixture) -> list[dict[str, str]]:
    """Return what was logged about each end of leadership, beside the Lease."""
    found = [record.fields for record in caplog.records if record.message == "no longer leading"]
    return [{key: value for key, value in fields.items() if key != "lease"} for fields in found]


async def test_the_end_of_leadership_names_the_new_holder_or_the_reason_and_never_itself(
    server: ApiServer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with campaigning(server, "one", clock):
        await clock.settled(1)
        server.fail("GET", "leases", status=503, times=3)
        await clock.advance(22.5, sleepers=1)
        assert ended(caplog) == [{"identity": "one", "why": "the lease could not be renewed for 22.5 s"}]
        await clock.advance(8, sleepers=1)
        thief = server.get("Lease", "ingress", "headgate-leader")
        server.put({**thief, "spec": {**thief["spec"], "holderIdentity": "thief"}})
        await clock.advance(8, sleepers=1)
        taken = {"identity": "one", "why": "another replica has the lease", "holder": "thief"}
        assert ended(caplog)[1:] == [taken]
        server.put({**thief, "spec": {**thief["spec"], "holderIdentity": ""}})
        await clock.advance(8, sleepers=1)
    assert ended(caplog)[2:] == [{"identity": "one", "why": "stopping; the lease is given back"}]


async def test_leadership_ends_by_the_local_clock(server: ApiServer, clock: Clock) -> None:
    async with campaigning(server, "one", clock) as one:
        await clock.settled(1)
        clock.now += 22.5
        assert not one.elector.is_leader


async def test_only_get_create_and_update_are_used(server: ApiServer, clock: Clock) -> None:
    async with campaigning(server, "one", clock):
        await clock.advance(20, sleepers=1)
    assert {method for method, _, _ in server.requests} == {"GET", "POST", "PUT"}


async def test_unknown_fields_survive_a_renewal(server: ApiServer, clock: Clock) -> None:
    async with campaigning(server, "one", clock):
        await clock.settled(1)
        found = server.get("Lease", "ingress", "headgate-leader")
        server.put({**found, "spec": {**found["spec"], "strategy": "kept"}})
        await clock.advance(8, sleepers=1)
        assert lease(server)["strategy"] == "kept"
