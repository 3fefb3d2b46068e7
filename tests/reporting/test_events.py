"""Verdicts become core/v1 Events; the same said again raises the count."""

import asyncio
import logging
import re

import pytest

from headgate.api import Ingress
from headgate.reporting.events import LONGEST_MESSAGE, EventRecorder, Limits
from headgate.reporting.verdicts import EventType, State, Subject, Verdict
from tests.reporting.reporting_cluster import Cluster, Running
from tests.waiting import eventually

FAST = Limits(retry=0.001)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def verdict(message: str = "was added", *, name: str = "cafe", uid: str = "uid-1", namespace: str = "shop") -> Verdict:
    subject = Subject(Ingress.KIND.ref(namespace, name), uid, "networking.k8s.io/v1")
    return Verdict(subject, State.VALID, "AddedOrUpdated", EventType.NORMAL, message)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


async def say(recorder: EventRecorder, cluster: Cluster, *verdicts: Verdict) -> None:
    """Record one at a time, each sent before the next."""
    for each in verdicts:
        before = len(cluster.requests)
        recorder.record(each)
        await eventually(lambda seen=before: len(cluster.requests) > seen and not cluster.flying)


async def test_an_event_as_client_go_writes_it(cluster: Cluster) -> None:
    recorder = EventRecorder(cluster, instance="headgate-0")
    async with Running(recorder.run):
        recorder.record(verdict())
        await eventually(cluster.events)
    (event,) = cluster.events()
    name, first = event["metadata"]["name"], event["firstTimestamp"]
    assert re.fullmatch(r"cafe\.[0-9a-f]{15,16}", name)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", first)
    assert event == {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": "shop"},
        "involvedObject": {
            "kind": "Ingress",
            "namespace": "shop",
            "name": "cafe",
            "uid": "uid-1",
            "apiVersion": "networking.k8s.io/v1",
        },
        "reason": "AddedOrUpdated",
        "message": "was added",
        "type": "Normal",
        "count": 1,
        "firstTimestamp": first,
        "lastTimestamp": first,
        "source": {"component": "nginx-ingress-controller"},
        "reportingComponent": "nginx-ingress-controller",
        "reportingInstance": "headgate-0",
    }


async def test_the_same_again_raises_the_count_of_the_same_event(cluster: Cluster) -> None:
    recorder = EventRecorder(cluster)
    async with Running(recorder.run):
        await say(recorder, cluster, verdict(), verdict(), verdict())
    (event,) = cluster.events()
    assert event["count"] == 3
    assert [verb for verb, _ in cluster.requests] == ["create", "patch", "patch"]


async def test_what_waits_is_counted_in_one_request(cluster: Cluster) -> None:
    recorder = EventRecorder(cluster)
    for _ in range(5):
        recorder.record(verdict())
    async with Running(recorder.run):
        await eventually(cluster.events)
    assert [event["count"] for event in cluster.events()] == [5]


@pytest.mark.parametrize("other", [verdict("was rejected"), verdict(uid="uid-2"), verdict(name="bar")])
async def test_anything_else_is_another_event(cluster: Cluster, other: Verdict) -> None:
    recorder = EventRecorder(cluster)
    async with Running(recorder.run):
        await say(recorder, cluster, verdict(), other)
    assert [event["count"] for event in cluster.events()] == [1, 1]


async def test_an_event_that_expired_is_made_anew(cluster: Cluster) -> None:
    recorder = EventRecorder(cluster, limits=FAST)
    async with Running(recorder.run):
        await say(recorder, cluster, verdict())
        cluster.objects.clear()
        recorder.record(verdict())
        await eventually(cluster.events)
    assert [event["count"] for event in cluster.events()] == [1]
    assert [verb for verb, _ in cluster.requests] == ["create", "patch", "create"]


async def test_cluster_scoped_objects_speak_in_default(cluster: Cluster) -> None:
    recorder = EventRecorder(cluster)
    async with Running(recorder.run):
        recorder.record(verdict(namespace=""))
        await eventually(cluster.events)
    assert cluster.events()[0]["metadata"]["namespace"] == "default"


@pytest.mark.parametrize("status", [0, 409, 429, 500])
async def test_a_passing_failure_is_tried_again(cluster: Cluster, status: int) -> None:
    cluster.refusals = [status, status]
    recorder = EventRecorder(cluster, limits=FAST)
    async with Running(recorder.run):
        recorder.record(verdict())
        await eventually(cluster.events)
    assert cluster.count("create") == 3
    assert recorder.dropped == 0


@pytest.mark.parametrize(("refusals", "tries"), [([403], 1), ([500] * 9, 4)])
async def test_what_is_not_taken_is_dropped_and_said(
    cluster: Cluster, caplog: pytest.LogCaptureFixture, refusals: list[int], tries: int
) -> None:
    cluster.refusals = refusals.copy()
    recorder = EventRecorder(cluster, limits=FAST)
    async with Running(recorder.run):
        recorder.record(verdict())
        await eventually(lambda: recorder.dropped)
        cluster.refusals = []
        recorder.record(verdict(name="other"))
        await eventually(cluster.events)
    assert [event["involvedObject"]["name"] for event in cluster.events()] == ["other"]
    assert cluster.count("create") == tries + 1
    (said,) = (record for record in caplog.records if record.message == "event not sent")
    assert said.fields["why"] == f"scripted {refusals[0]}"


async def test_a_missing_rule_is_said_once_a_namespace_until_it_is_there(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = EventRecorder(cluster, limits=FAST)
    async with Running(recorder.run):
        cluster.refusals = [403] * 4
        for number, namespace in enumerate(("shop", "shop", "blog", "shop")):
            await say(recorder, cluster, verdict(name=f"cafe-{number}", namespace=namespace))
        await say(recorder, cluster, verdict(name="heard"))
        cluster.refusals = [403]
        await say(recorder, cluster, verdict(name="taken-away"))
        await eventually(lambda: recorder.dropped == 5)
    said = [record.fields["object"] for record in caplog.records if record.message == "event not sent"]
    assert said == ["Ingress shop/cafe-0", "Ingress blog/cafe-2", "Ingress shop/taken-away"]


async def test_one_object_has_a_burst_then_one_per_five_minutes(cluster: Cluster) -> None:
    clock = Clock()
    recorder = EventRecorder(cluster, clock=clock)
    async with Running(recorder.run):
        for number in range(30):
            recorder.record(verdict(f"message {number}"))
        await eventually(lambda: recorder.dropped == 5)
        assert cluster.count("create") == 25
        await say(recorder, cluster, verdict("of another object", name="other"))
        clock.now += 299
        recorder.record(verdict("too early"))
        await eventually(lambda: recorder.dropped == 6)
        clock.now += 2
        await say(recorder, cluster, verdict("in time"))
        recorder.record(verdict("too early again"))
        await eventually(lambda: recorder.dropped == 7)
    assert cluster.count("create") == 27


async def test_a_flood_drops_rather_than_grows(cluster: Cluster) -> None:
    recorder = EventRecorder(cluster, limits=Limits(waiting=8, workers=4))
    for number in range(100):
        recorder.record(verdict(name=f"cafe-{number}"))
    assert recorder.dropped >= 92
    async with Running(recorder.run):
        await eventually(lambda: len(cluster.events()) == 100 - recorder.dropped)


async def test_names_are_remembered_within_bounds(cluster: Cluster) -> None:
    recorder = EventRecorder(cluster, limits=Limits(remembered=2, workers=1))
    async with Running(recorder.run):
        await say(recorder, cluster, verdict("a"), verdict("b"), verdict("a"), verdict("c"), verdict("a"), verdict("b"))
    assert [verb for verb, _ in cluster.requests] == ["create", "create", "patch", "create", "patch", "create"]


async def test_a_long_message_is_cut_at_a_character(cluster: Cluster) -> None:
    recorder = EventRecorder(cluster)
    async with Running(recorder.run):
        recorder.record(verdict("ü" * 2000))
        await eventually(cluster.events)
    message = cluster.events()[0]["message"]
    assert len(message.encode()) <= LONGEST_MESSAGE
    assert message == "ü" * (len(message) - 1) + "…"


async def test_a_bug_is_told_once_with_its_traceback_and_the_next_event_is_sent(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = EventRecorder(cluster, limits=FAST)
    cluster.bugs = {"broken"}
    async with Running(recorder.run):
        recorder.record(verdict(name="broken"))
        recorder.record(verdict(name="cafe"))
        await eventually(lambda: recorder.dropped and cluster.events())
    assert cluster.count("create") == 2
    assert [record.message for record in caplog.records if record.exc_info] == ["internal error"]


async def test_a_slow_object_does_not_hold_up_recording(cluster: Cluster) -> None:
    cluster.gate = asyncio.Event()
    recorder = EventRecorder(cluster)
    async with Running(recorder.run):
        recorder.record(verdict())
        await eventually(lambda: cluster.flying)
        recorder.record(verdict())
        cluster.gate.set()
        await eventually(lambda: cluster.count("patch"))
    assert [event["count"] for event in cluster.events()] == [2]


async def test_without_an_api_server_events_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    recorder = EventRecorder(None)
    recorder.record(verdict())
    await recorder.run()
    (said,) = caplog.records
    assert said.fields == {"object": "Ingress shop/cafe", "reason": "AddedOrUpdated", "message": "was added"}
