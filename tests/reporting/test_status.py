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
from headgate.reporting.verdicts import EventType, State, Subject, Verdict
from tests.reporting.reporting_cluster import Cluster, Running
from tests.waiting import eventually

IP = LoadBalancerIngress(ip="203.0.113.7")
OTHER = LoadBalancerIngress(hostname="lb.example.com")
FAST = Pace(retry=0.001)


def verdict(name: str = "cafe", *, served: bool = True) -> Verdict:
    subject = Subject(Ingress.KIND.ref("shop", name))
    return Verdict(subject, State.VALID, "AddedOrUpdated", EventType.NORMAL, "", served)


class Site:
    """A cluster, a Store that sees it at once unless frozen, and a writer."""

    def __init__(self, pace: Pace = FAST) -> None:
        self.cluster = Cluster()
        self.frozen: Ingress | None = None
        self.writer = StatusWriter(self.cluster, self.current, pace=pace)

    def current(self, ref: ObjectRef) -> Ingress | None:
        found = self.cluster.objects.get(("ingresses", ref.namespace, ref.name))
        return self.frozen or (msgspec.convert(found, Ingress) if found else None)

    def put(self, name: str = "cafe", *shown: dict[str, Any]) -> None:
        status = {"loadBalancer": {"ingress": list(shown)} if shown else {}}
        metadata = {"name": name, "namespace": "shop", "managedFields": [{"kept": True}]}
        self.cluster.objects["ingresses", "shop", name] = {"metadata": metadata, "status": status}

    def shown(self, name: str = "cafe") -> Any:
        return self.cluster.objects["ingresses", "shop", name]["status"]["loadBalancer"].get("ingress")


@pytest.fixture
def site() -> Site:
    return Site()


async def test_a_served_ingress_shows_the_addresses(site: Site) -> None:
    site.put()
    site.writer.lead()
    site.writer.set_addresses((IP, OTHER))
    async with Running(site.writer.run):
        site.writer.report(verdict())
        await eventually(site.shown)
    assert site.shown() == [{"ip": "203.0.113.7"}, {"hostname": "lb.example.com"}]
    assert site.cluster.objects["ingresses", "shop", "cafe"]["metadata"]["managedFields"] == [{"kept": True}]


async def test_a_rejected_ingress_shows_none(site: Site) -> None:
    site.put("cafe", {"ip": "203.0.113.7", "ports": [{"port": 80}]})
    site.writer.lead()
    async with Running(site.writer.run):
        site.writer.report(verdict(served=False))
        await eventually(lambda: site.shown() is None)


async def test_what_is_there_already_costs_no_request(site: Site) -> None:
    site.put("cafe", {"ip": "203.0.113.7"})
    site.put("late")
    site.writer.lead()
    site.writer.set_addresses((IP,))
    async with Running(site.writer.run):
        site.writer.report(verdict())
        site.writer.report(verdict("late"))
        await eventually(lambda: site.shown("late"))
    assert {name for _, name in site.cluster.requests} == {"late"}


async def test_the_api_server_is_believed_over_an_old_store(site: Site) -> None:
    site.put("cafe", {"ip": "203.0.113.7"})
    site.frozen = Ingress()
    site.writer.lead()
    site.writer.set_addresses((IP,))
    async with Running(site.writer.run):
        site.writer.report(verdict())
        await eventually(lambda: site.cluster.count("get") and not site.cluster.flying)
    assert site.cluster.count("put") == 0


async def test_an_own_write_that_the_store_has_not_seen_is_remembered(site: Site) -> None:
    site.put("cafe", {"ip": "203.0.113.7"})
    site.writer.lead()
    site.writer.set_addresses((IP,))
    site.frozen = site.current(verdict().ref)
    async with Running(site.writer.run):
        site.writer.report(verdict(served=False))
        await eventually(lambda: site.shown() is None)
        site.writer.report(verdict(served=True))
        await eventually(site.shown)


async def test_a_follower_writes_nothing_until_it_leads(site: Site) -> None:
    leader = StatusWriter(site.cluster, site.current, pace=FAST)
    leader.lead()
    for name in ("a", "b", "of-the-leader"):
        site.put(name)
    for name in ("a", "b"):
        site.writer.report(verdict(name))
    site.writer.set_addresses((IP,))
    async with Running(site.writer.run), Running(leader.run):
        leader.report(verdict("of-the-leader"))  # in the time that this takes, the follower could have written
        leader.set_addresses((IP,))
        await eventually(lambda: site.shown("of-the-leader"))
        assert {name for _, name in site.cluster.requests} == {"of-the-leader"}
        site.writer.lead()
        await eventually(lambda: site.shown("a") and site.shown("b"))
        site.writer.follow()
        site.writer.set_addresses((OTHER,))
        site.writer.report(verdict("a"))
        site.writer.lead()
        await eventually(lambda: site.shown("a") == [{"hostname": "lb.example.com"}])


async def test_leadership_lost_in_flight_writes_nothing(site: Site) -> None:
    site.put()
    site.cluster.gate = asyncio.Event()
    site.writer.lead()
    site.writer.set_addresses((IP,))
    async with Running(site.writer.run):
        site.writer.report(verdict())
        await eventually(lambda: site.cluster.flying)
        site.writer.follow()
        site.cluster.gate.set()
        await eventually(lambda: not site.cluster.flying)
    assert site.cluster.count("put") == 0


async def test_leadership_that_ran_out_unnoticed_writes_nothing(site: Site) -> None:
    site.put()
    site.cluster.gate = asyncio.Event()
    good = True
    site.writer.lead(lambda: good)
    site.writer.set_addresses((IP,))
    async with Running(site.writer.run):
        site.writer.report(verdict())
        await eventually(lambda: site.cluster.flying)
        good = False
        site.cluster.gate.set()
        await eventually(lambda: not site.cluster.flying)
        assert site.cluster.count("put") == 0
        good = True
        site.writer.lead()
        await eventually(site.shown)


async def test_addresses_change_and_go(site: Site) -> None:
    site.put()
    site.writer.lead()
    site.writer.report(verdict())
    async with Running(site.writer.run):
        for found in ((IP,), (OTHER,), ()):
            site.writer.set_addresses(found)
            wanted = [msgspec.to_builtins(item) for item in found] or None
            await eventually(lambda expected=wanted: site.shown() == expected)


async def test_no_address_clears_what_an_earlier_installation_wrote(site: Site) -> None:
    site.put("cafe", {"ip": "203.0.113.7"})
    site.writer.report(verdict())
    site.writer.set_addresses(())
    site.writer.lead()
    async with Running(site.writer.run):
        await eventually(lambda: site.shown("cafe") is None)


async def test_an_address_that_cannot_be_read_any_more_stays(site: Site) -> None:
    site.put()
    site.put("bad", {"ip": "203.0.113.7"})
    site.writer.lead()
    site.writer.report(verdict())
    async with Running(site.writer.run):
        site.writer.set_addresses((IP,))
        await eventually(site.shown)
        site.writer.set_addresses((), known=False)
        site.writer.report(verdict("bad", served=False))
        await eventually(lambda: site.shown("bad") is None)
    assert site.shown() == [{"ip": "203.0.113.7"}]


async def test_an_unknown_address_at_the_start_clears_nothing(site: Site) -> None:
    site.put("cafe", {"ip": "203.0.113.7"})
    site.put("bad", {"ip": "203.0.113.7"})
    site.writer.lead()
    site.writer.set_addresses((), known=False)
    async with Running(site.writer.run):
        site.writer.report(verdict())
        site.writer.report(verdict("bad", served=False))
        await eventually(lambda: site.shown("bad") is None)
    assert site.shown("cafe") == [{"ip": "203.0.113.7"}]


async def test_a_failure_comes_back_and_holds_up_nobody() -> None:
    site = Site(Pace(workers=1, retry=0.001))
    site.put("bad")
    site.put("good")
    site.cluster.broken = {"bad"}
    site.writer.lead()
    site.writer.set_addresses((IP,))
    async with Running(site.writer.run):
        site.writer.report(verdict("bad"))
        site.writer.report(verdict("good"))
        await eventually(lambda: site.shown("good"))
        await eventually(lambda: site.cluster.requests.count(("get", "bad")) >= 3)
        site.cluster.broken.clear()
        await eventually(lambda: site.shown("bad"))


async def test_a_missing_rule_is_said_once_and_what_is_granted_later_works(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    names = [f"cafe-{number}" for number in range(5)]
    site.cluster.denied = {"put"}
    site.writer.lead()
    site.writer.set_addresses((IP,))
    async with Running(site.writer.run):
        for name in names:
            site.put(name)
            site.writer.report(verdict(name))
        await eventually(lambda: site.cluster.count("put") >= 3 * len(names))
        site.cluster.denied = set()
        await eventually(lambda: all(site.shown(name) for name in names))
    assert [record.message for record in caplog.records] == ["status not written"]


async def test_a_bug_is_told_once_with_its_traceback_and_not_tried_for_ever(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.put("bad")
    site.cluster.objects["ingresses", "shop", "bad"]["status"] = {"loadBalancer": {"ingress": "no list"}}
    site.frozen = Ingress()
    site.put("good")
    site.writer.lead()
    site.writer.set_addresses((IP,))
    async with Running(site.writer.run):
        site.writer.report(verdict("bad"))
        await eventually(lambda: caplog.records)
        assert not site.writer._timers
        site.writer.report(verdict("bad"))
        await eventually(lambda: site.cluster.requests.count(("get", "bad")) == 2 and not site.cluster.flying)
        site.writer.report(verdict("good"))
        await eventually(lambda: site.shown("good"))
    (said,) = (record for record in caplog.records if record.levelno >= logging.INFO)
    assert (said.message, said.levelno) == ("internal error", logging.ERROR)
    assert said.exc_info
    assert said.fields == {"object": "Ingress shop/bad", "doing": "its status"}


async def test_a_status_that_the_server_refuses_for_good_is_not_tried_again(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.put()
    site.put("other")
    site.cluster.refusals = [-1, 422]
    site.writer.lead()
    site.writer.set_addresses((IP,))
    async with Running(site.writer.run):
        site.writer.report(verdict())
        await eventually(lambda: caplog.records)
        assert not site.writer._timers
        site.writer.report(verdict("other"))
        await eventually(lambda: site.shown("other"))
    assert site.cluster.requests.count(("put", "cafe")) == 1


async def test_a_deleted_ingress_is_let_go(site: Site) -> None:
    site.frozen = Ingress()
    site.writer.lead()
    site.writer.set_addresses((IP,))
    async with Running(site.writer.run):
        site.writer.report(verdict())
        await eventually(lambda: site.cluster.count("get") == 1 and not site.cluster.flying)
        site.put("other")
        site.writer.report(verdict("other"))
        await eventually(lambda: site.shown("other"))
    assert site.cluster.requests.count(("get", "cafe")) == 1


async def test_forgetting_stops_the_retries(site: Site) -> None:
    site.put()
    site.cluster.broken = {"cafe"}
    site.writer.lead()
    site.writer.set_addresses((IP,))
    async with Running(site.writer.run):
        site.writer.report(verdict())
        await eventually(lambda: site.cluster.count("get") and not site.cluster.flying)
        site.writer.forget(verdict().ref)
        assert not site.writer._timers
        site.cluster.broken.clear()
        site.put("other")
        site.writer.report(verdict("other"))
        await eventually(lambda: site.shown("other"))
    assert site.shown() is None


async def test_a_change_during_a_write_is_written_after_it(site: Site) -> None:
    site.put()
    site.cluster.gate = asyncio.Event()
    site.writer.lead()
    site.writer.set_addresses((IP,))
    async with Running(site.writer.run):
        site.writer.report(verdict())
        await eventually(lambda: site.cluster.flying)
        site.writer.set_addresses((OTHER,))
        assert site.cluster.flying == 1
        site.cluster.gate.set()
        await eventually(lambda: site.shown() == [{"hostname": "lb.example.com"}])


async def test_ten_writes_at_a_time(site: Site) -> None:
    site.cluster.gate = asyncio.Event()
    site.writer.lead()
    site.writer.set_addresses((IP,))
    for number in range(50):
        site.put(f"cafe-{number}")
        site.writer.report(verdict(f"cafe-{number}"))
    async with Running(site.writer.run):
        await eventually(lambda: site.cluster.flying == 10)
        site.cluster.gate.set()
        await eventually(lambda: all(site.shown(f"cafe-{number}") for number in range(50)))
    assert site.cluster.most_flying == 10
