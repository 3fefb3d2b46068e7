"""The leader writes addresses to Ingresses, and only what differs."""

import asyncio
import logging
from typing import Any

import msgspec
import pytest

from headgate.api.core import LoadBalancerIngress
from headgate.api.networking import Ingress
from headgate.problems import ObjectRef
from headgate.reporting.status import Pace, StatusWriter
from headgate.reporting.status_forms import ingress_status
from headgate.reporting.verdicts import EventType, State, Subject, Verdict
from tests.background import in_background
from tests.reporting.in_memory_api import InMemoryApi
from tests.waiting import eventually

IP = LoadBalancerIngress(ip="203.0.113.7")
OTHER = LoadBalancerIngress(hostname="lb.example.com")
FORMS = {Ingress.KIND: ingress_status}
FAST = Pace(retry=0.001)


def verdict(name: str = "cafe", *, served: bool = True) -> Verdict:
    subject = Subject(Ingress.KIND.ref("shop", name))
    return Verdict(subject, State.VALID, "AddedOrUpdated", EventType.NORMAL, "", served)


class StatusWriterUnderTest:
    """A cluster, a Store that sees it at once unless frozen, and a writer."""

    def __init__(self, pace: Pace = FAST) -> None:
        self.api = InMemoryApi()
        self.frozen: Ingress | None = None
        self.writer = StatusWriter(self.api, self.current, FORMS, pace=pace)

    def current(self, ref: ObjectRef) -> Ingress | None:
        found = self.api.objects.get(("ingresses", ref.namespace, ref.name))
        return self.frozen or (msgspec.convert(found, Ingress) if found else None)

    def put(self, name: str = "cafe", *shown: dict[str, Any]) -> None:
        status = {"loadBalancer": {"ingress": list(shown)} if shown else {}}
        metadata = {"name": name, "namespace": "shop", "managedFields": [{"kept": True}]}
        self.api.objects["ingresses", "shop", name] = {"metadata": metadata, "status": status}

    def shown(self, name: str = "cafe") -> Any:
        return self.api.objects["ingresses", "shop", name]["status"]["loadBalancer"].get("ingress")


@pytest.fixture
def statuses() -> StatusWriterUnderTest:
    return StatusWriterUnderTest()


async def test_a_served_ingress_shows_the_addresses(statuses: StatusWriterUnderTest) -> None:
    statuses.put()
    statuses.writer.lead()
    statuses.writer.set_addresses((IP, OTHER))
    async with in_background(statuses.writer.run()):
        statuses.writer.report(verdict())
        await eventually(statuses.shown)
    assert statuses.shown() == [{"ip": "203.0.113.7"}, {"hostname": "lb.example.com"}]
    assert statuses.api.objects["ingresses", "shop", "cafe"]["metadata"]["managedFields"] == [{"kept": True}]


async def test_a_rejected_ingress_shows_none(statuses: StatusWriterUnderTest) -> None:
    statuses.put("cafe", {"ip": "203.0.113.7", "ports": [{"port": 80}]})
    statuses.writer.lead()
    async with in_background(statuses.writer.run()):
        statuses.writer.report(verdict(served=False))
        await eventually(lambda: statuses.shown() is None)


async def test_what_is_there_already_costs_no_request(statuses: StatusWriterUnderTest) -> None:
    statuses.put("cafe", {"ip": "203.0.113.7"})
    statuses.put("late")
    statuses.writer.lead()
    statuses.writer.set_addresses((IP,))
    async with in_background(statuses.writer.run()):
        statuses.writer.report(verdict())
        statuses.writer.report(verdict("late"))
        await eventually(lambda: statuses.shown("late"))
    assert {name for _, name in statuses.api.requests} == {"late"}


async def test_the_api_servers_object_is_used_over_an_older_store(statuses: StatusWriterUnderTest) -> None:
    statuses.put("cafe", {"ip": "203.0.113.7"})
    statuses.frozen = Ingress()
    statuses.writer.lead()
    statuses.writer.set_addresses((IP,))
    async with in_background(statuses.writer.run()):
        statuses.writer.report(verdict())
        await eventually(lambda: statuses.api.count("get") and not statuses.api.in_flight)
    assert statuses.api.count("put") == 0


async def test_an_own_write_that_the_store_has_not_seen_is_remembered(statuses: StatusWriterUnderTest) -> None:
    statuses.put("cafe", {"ip": "203.0.113.7"})
    statuses.writer.lead()
    statuses.writer.set_addresses((IP,))
    statuses.frozen = statuses.current(verdict().ref)
    async with in_background(statuses.writer.run()):
        statuses.writer.report(verdict(served=False))
        await eventually(lambda: statuses.shown() is None)
        statuses.writer.report(verdict(served=True))
        await eventually(statuses.shown)


async def test_a_follower_writes_nothing_until_it_leads(statuses: StatusWriterUnderTest) -> None:
    leader = StatusWriter(statuses.api, statuses.current, FORMS, pace=FAST)
    leader.lead()
    for name in ("a", "b", "of-the-leader"):
        statuses.put(name)
    for name in ("a", "b"):
        statuses.writer.report(verdict(name))
    statuses.writer.set_addresses((IP,))
    async with in_background(statuses.writer.run()), in_background(leader.run()):
        leader.report(verdict("of-the-leader"))  # in the time that this takes, the follower could have written
        leader.set_addresses((IP,))
        await eventually(lambda: statuses.shown("of-the-leader"))
        assert {name for _, name in statuses.api.requests} == {"of-the-leader"}
        statuses.writer.lead()
        await eventually(lambda: statuses.shown("a") and statuses.shown("b"))
        statuses.writer.follow()
        statuses.writer.set_addresses((OTHER,))
        statuses.writer.report(verdict("a"))
        statuses.writer.lead()
        await eventually(lambda: statuses.shown("a") == [{"hostname": "lb.example.com"}])


async def test_leadership_lost_during_a_request_writes_nothing(statuses: StatusWriterUnderTest) -> None:
    statuses.put()
    statuses.api.hold = asyncio.Event()
    statuses.writer.lead()
    statuses.writer.set_addresses((IP,))
    async with in_background(statuses.writer.run()):
        statuses.writer.report(verdict())
        await eventually(lambda: statuses.api.in_flight)
        statuses.writer.follow()
        statuses.api.hold.set()
        await eventually(lambda: not statuses.api.in_flight)
    assert statuses.api.count("put") == 0


async def test_expired_leadership_writes_no_status(statuses: StatusWriterUnderTest) -> None:
    statuses.put()
    statuses.api.hold = asyncio.Event()
    good = True
    statuses.writer.lead(lambda: good)
    statuses.writer.set_addresses((IP,))
    async with in_background(statuses.writer.run()):
        statuses.writer.report(verdict())
        await eventually(lambda: statuses.api.in_flight)
        good = False
        statuses.api.hold.set()
        await eventually(lambda: not statuses.api.in_flight)
        assert statuses.api.count("put") == 0
        good = True
        statuses.writer.lead()
        await eventually(statuses.shown)


async def test_statuses_follow_changed_and_removed_addresses(statuses: StatusWriterUnderTest) -> None:
    statuses.put()
    statuses.writer.lead()
    statuses.writer.report(verdict())
    async with in_background(statuses.writer.run()):
        for found in ((IP,), (OTHER,), ()):
            statuses.writer.set_addresses(found)
            wanted = [msgspec.to_builtins(item) for item in found] or None
            await eventually(lambda expected=wanted: statuses.shown() == expected)


async def test_no_address_clears_what_an_earlier_installation_wrote(statuses: StatusWriterUnderTest) -> None:
    statuses.put("cafe", {"ip": "203.0.113.7"})
    statuses.writer.report(verdict())
    statuses.writer.set_addresses(())
    statuses.writer.lead()
    async with in_background(statuses.writer.run()):
        await eventually(lambda: statuses.shown("cafe") is None)


async def test_an_address_that_cannot_be_read_any_more_stays(statuses: StatusWriterUnderTest) -> None:
    statuses.put()
    statuses.put("bad", {"ip": "203.0.113.7"})
    statuses.writer.lead()
    statuses.writer.report(verdict())
    async with in_background(statuses.writer.run()):
        statuses.writer.set_addresses((IP,))
        await eventually(statuses.shown)
        statuses.writer.set_addresses((), known=False)
        statuses.writer.report(verdict("bad", served=False))
        await eventually(lambda: statuses.shown("bad") is None)
    assert statuses.shown() == [{"ip": "203.0.113.7"}]


async def test_an_unknown_address_at_the_start_clears_nothing(statuses: StatusWriterUnderTest) -> None:
    statuses.put("cafe", {"ip": "203.0.113.7"})
    statuses.put("bad", {"ip": "203.0.113.7"})
    statuses.writer.lead()
    statuses.writer.set_addresses((), known=False)
    async with in_background(statuses.writer.run()):
        statuses.writer.report(verdict())
        statuses.writer.report(verdict("bad", served=False))
        await eventually(lambda: statuses.shown("bad") is None)
    assert statuses.shown("cafe") == [{"ip": "203.0.113.7"}]


async def test_a_failed_status_is_retried_and_delays_no_other() -> None:
    statuses = StatusWriterUnderTest(Pace(workers=1, retry=0.001))
    statuses.put("bad")
    statuses.put("good")
    statuses.api.broken = {"bad"}
    statuses.writer.lead()
    statuses.writer.set_addresses((IP,))
    async with in_background(statuses.writer.run()):
        statuses.writer.report(verdict("bad"))
        statuses.writer.report(verdict("good"))
        await eventually(lambda: statuses.shown("good"))
        await eventually(lambda: statuses.api.requests.count(("get", "bad")) >= 3)
        statuses.api.broken.clear()
        await eventually(lambda: statuses.shown("bad"))


async def test_a_missing_rule_is_logged_once_and_used_when_granted(
    statuses: StatusWriterUnderTest, caplog: pytest.LogCaptureFixture
) -> None:
    names = [f"cafe-{number}" for number in range(5)]
    statuses.api.denied = {"put"}
    statuses.writer.lead()
    statuses.writer.set_addresses((IP,))
    async with in_background(statuses.writer.run()):
        for name in names:
            statuses.put(name)
            statuses.writer.report(verdict(name))
        await eventually(lambda: statuses.api.count("put") >= 3 * len(names))
        statuses.api.denied = set()
        await eventually(lambda: all(statuses.shown(name) for name in names))
    assert [record.message for record in caplog.records] == ["status not written"]


async def test_a_bug_is_logged_once_with_its_traceback_and_not_retried_for_ever(
    statuses: StatusWriterUnderTest, caplog: pytest.LogCaptureFixture
) -> None:
    statuses.put("bad")
    statuses.api.bugs = {"bad"}
    statuses.frozen = Ingress()
    statuses.put("good")
    statuses.writer.lead()
    statuses.writer.set_addresses((IP,))
    async with in_background(statuses.writer.run()):
        statuses.writer.report(verdict("bad"))
        await eventually(lambda: caplog.records)
        assert not statuses.writer._timers
        statuses.writer.report(verdict("bad"))
        await eventually(lambda: statuses.api.requests.count(("get", "bad")) == 2 and not statuses.api.in_flight)
        statuses.writer.report(verdict("good"))
        await eventually(lambda: statuses.shown("good"))
    (said,) = (record for record in caplog.records if record.levelno >= logging.INFO)
    assert (said.message, said.levelno) == ("internal error", logging.ERROR)
    assert said.exc_info
    assert said.fields == {"object": "Ingress shop/bad", "doing": "its status"}


async def test_a_status_that_the_server_refuses_for_good_is_not_tried_again(
    statuses: StatusWriterUnderTest, caplog: pytest.LogCaptureFixture
) -> None:
    statuses.put()
    statuses.put("other")
    statuses.api.refusals = [-1, 422]
    statuses.writer.lead()
    statuses.writer.set_addresses((IP,))
    async with in_background(statuses.writer.run()):
        statuses.writer.report(verdict())
        await eventually(lambda: caplog.records)
        assert not statuses.writer._timers
        statuses.writer.report(verdict("other"))
        await eventually(lambda: statuses.shown("other"))
    assert statuses.api.requests.count(("put", "cafe")) == 1


async def test_a_deleted_ingress_is_not_retried(statuses: StatusWriterUnderTest) -> None:
    statuses.frozen = Ingress()
    statuses.writer.lead()
    statuses.writer.set_addresses((IP,))
    async with in_background(statuses.writer.run()):
        statuses.writer.report(verdict())
        await eventually(lambda: statuses.api.count("get") == 1 and not statuses.api.in_flight)
        statuses.put("other")
        statuses.writer.report(verdict("other"))
        await eventually(lambda: statuses.shown("other"))
    assert statuses.api.requests.count(("get", "cafe")) == 1


async def test_forgetting_stops_the_retries(statuses: StatusWriterUnderTest) -> None:
    statuses.put()
    statuses.api.broken = {"cafe"}
    statuses.writer.lead()
    statuses.writer.set_addresses((IP,))
    async with in_background(statuses.writer.run()):
        statuses.writer.report(verdict())
        await eventually(lambda: statuses.api.count("get") and not statuses.api.in_flight)
        statuses.writer.forget(verdict().ref)
        assert not statuses.writer._timers
        statuses.api.broken.clear()
        statuses.put("other")
        statuses.writer.report(verdict("other"))
        await eventually(lambda: statuses.shown("other"))
    assert statuses.shown() is None


async def test_a_change_during_a_write_is_written_after_it(statuses: StatusWriterUnderTest) -> None:
    statuses.put()
    statuses.api.hold = asyncio.Event()
    statuses.writer.lead()
    statuses.writer.set_addresses((IP,))
    async with in_background(statuses.writer.run()):
        statuses.writer.report(verdict())
        await eventually(lambda: statuses.api.in_flight)
        statuses.writer.set_addresses((OTHER,))
        assert statuses.api.in_flight == 1
        statuses.api.hold.set()
        await eventually(lambda: statuses.shown() == [{"hostname": "lb.example.com"}])


async def test_ten_statuses_are_written_at_a_time(statuses: StatusWriterUnderTest) -> None:
    statuses.api.hold = asyncio.Event()
    statuses.writer.lead()
    statuses.writer.set_addresses((IP,))
    for number in range(50):
        statuses.put(f"cafe-{number}")
        statuses.writer.report(verdict(f"cafe-{number}"))
    async with in_background(statuses.writer.run()):
        await eventually(lambda: statuses.api.in_flight == 10)
        statuses.api.hold.set()
        await eventually(lambda: all(statuses.shown(f"cafe-{number}") for number in range(50)))
    assert statuses.api.most_in_flight == 10
