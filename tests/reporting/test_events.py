"""Verdicts become core/v1 Events; the same said again raises the count."""

import asyncio
import logging
import re

import pytest

from headgate.api import Ingress
from headgate.problems import ObjectRef
from headgate.reporting.event_writer import LONGEST_MESSAGE
from headgate.reporting.events import EventRecorder, Limits
from headgate.reporting.verdicts import EventType, State, Subject, Verdict
from headgate.validation.text import name_fault
from tests.background import in_background
from tests.reporting.in_memory_api import InMemoryApi
from tests.waiting import eventually

FAST = Limits(retry=0.001)
POD = ObjectRef("Pod", "ours", "headgate-0")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def verdict(message: str = "was added", *, name: str = "cafe", uid: str = "uid-1", namespace: str = "shop") -> Verdict:
    subject = Subject(Ingress.KIND.ref(namespace, name), uid, "networking.k8s.io/v1")
    return Verdict(subject, State.VALID, "AddedOrUpdated", EventType.NORMAL, message)


@pytest.fixture
def api() -> InMemoryApi:
    return InMemoryApi()


async def record_one_by_one(recorder: EventRecorder, api: InMemoryApi, *verdicts: Verdict) -> None:
    """Record one at a time, each sent before the next."""
    for each in verdicts:
        before = len(api.requests)
        recorder.record(each)
        await eventually(lambda seen=before: len(api.requests) > seen and not api.in_flight)


@pytest.mark.parametrize("name", ["n" * 253, "n" * 235 + "-." * 9, ".".join(["n" * 62] * 4)])
async def test_an_event_of_a_long_name_is_called_so_that_the_api_server_takes_it(api: InMemoryApi, name: str) -> None:
    recorder = EventRecorder(api)
    async with in_background(recorder.run()):
        recorder.record(verdict(name=name))
        await eventually(api.events)
    (event,) = api.events()
    called = event["metadata"]["name"]
    assert name_fault(called) == ""
    assert called.startswith(name[:230])
    assert event["involvedObject"]["name"] == name


async def test_an_event_has_the_form_of_client_go(api: InMemoryApi) -> None:
    recorder = EventRecorder(api, pod=POD)
    async with in_background(recorder.run()):
        recorder.record(verdict())
        await eventually(api.events)
    (event,) = api.events()
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


async def test_the_same_again_raises_the_count_of_the_same_event(api: InMemoryApi) -> None:
    recorder = EventRecorder(api)
    async with in_background(recorder.run()):
        await record_one_by_one(recorder, api, verdict(), verdict(), verdict())
    (event,) = api.events()
    assert event["count"] == 3
    assert [verb for verb, _ in api.requests] == ["create", "patch", "patch"]


async def test_what_waits_is_counted_in_one_request(api: InMemoryApi) -> None:
    recorder = EventRecorder(api)
    for _ in range(5):
        recorder.record(verdict())
    async with in_background(recorder.run()):
        await eventually(api.events)
    assert [event["count"] for event in api.events()] == [5]


@pytest.mark.parametrize("other", [verdict("was rejected"), verdict(uid="uid-2"), verdict(name="bar")])
async def test_anything_else_is_another_event(api: InMemoryApi, other: Verdict) -> None:
    recorder = EventRecorder(api)
    async with in_background(recorder.run()):
        await record_one_by_one(recorder, api, verdict(), other)
    assert [event["count"] for event in api.events()] == [1, 1]


async def test_an_event_that_expired_is_made_anew(api: InMemoryApi) -> None:
    recorder = EventRecorder(api, limits=FAST)
    async with in_background(recorder.run()):
        await record_one_by_one(recorder, api, verdict())
        api.objects.clear()
        recorder.record(verdict())
        await eventually(api.events)
    assert [event["count"] for event in api.events()] == [1]
    assert [verb for verb, _ in api.requests] == ["create", "patch", "create"]


async def test_events_about_cluster_scoped_objects_are_in_default(api: InMemoryApi) -> None:
    recorder = EventRecorder(api)
    async with in_background(recorder.run()):
        recorder.record(verdict(namespace=""))
        await eventually(api.events)
    assert api.events()[0]["metadata"]["namespace"] == "default"


@pytest.mark.parametrize("status", [0, 429, 500])
async def test_a_passing_failure_is_tried_again(api: InMemoryApi, status: int) -> None:
    api.refusals = [status, status]
    recorder = EventRecorder(api, limits=FAST)
    async with in_background(recorder.run()):
        recorder.record(verdict())
        await eventually(api.events)
    assert api.count("create") == 3
    assert recorder.dropped == 0


@pytest.mark.parametrize(("refusals", "tries"), [([403], 1), ([500] * 9, 4)])
async def test_an_event_that_is_not_accepted_is_dropped_and_logged(
    api: InMemoryApi, caplog: pytest.LogCaptureFixture, refusals: list[int], tries: int
) -> None:
    api.refusals = refusals.copy()
    recorder = EventRecorder(api, limits=FAST)
    async with in_background(recorder.run()):
        recorder.record(verdict())
        await eventually(lambda: recorder.dropped)
        api.refusals = []
        recorder.record(verdict(name="other"))
        await eventually(api.events)
    assert [event["involvedObject"]["name"] for event in api.events()] == ["other"]
    assert api.count("create") == tries + 1
    (said,) = (record for record in caplog.records if record.message == "event not sent")
    assert said.fields["why"] == f"scripted {refusals[0]}"


async def test_a_missing_rule_is_logged_once_per_namespace_until_it_is_granted(
    api: InMemoryApi, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = EventRecorder(api, limits=FAST)
    async with in_background(recorder.run()):
        api.refusals = [403] * 4
        for number, namespace in enumerate(("shop", "shop", "blog", "shop")):
            await record_one_by_one(recorder, api, verdict(name=f"cafe-{number}", namespace=namespace))
        await record_one_by_one(recorder, api, verdict(name="heard"))
        api.refusals = [403]
        await record_one_by_one(recorder, api, verdict(name="taken-away"))
        await eventually(lambda: recorder.dropped == 5)
    said = [record.fields["object"] for record in caplog.records if record.message == "event not sent"]
    assert said == ["Ingress shop/cafe-0", "Ingress blog/cafe-2", "Ingress shop/taken-away"]


async def test_one_object_has_a_burst_then_one_per_five_minutes(api: InMemoryApi) -> None:
    clock = Clock()
    recorder = EventRecorder(api, clock=clock)
    async with in_background(recorder.run()):
        for number in range(30):
            recorder.record(verdict(f"message {number}"))
        await eventually(lambda: (recorder.dropped, api.count("create")) == (5, 25))
        await record_one_by_one(recorder, api, verdict("of another object", name="other"))
        clock.now += 299
        recorder.record(verdict("too early"))
        await eventually(lambda: recorder.dropped == 6)
        clock.now += 2
        await record_one_by_one(recorder, api, verdict("in time"))
        recorder.record(verdict("too early again"))
        await eventually(lambda: recorder.dropped == 7)
    assert api.count("create") == 27


async def test_too_many_events_are_dropped(api: InMemoryApi) -> None:
    recorder = EventRecorder(api, limits=Limits(waiting=8, workers=4))
    for number in range(100):
        recorder.record(verdict(name=f"cafe-{number}"))
    assert recorder.dropped >= 92
    async with in_background(recorder.run()):
        await eventually(lambda: len(api.events()) == 100 - recorder.dropped)


async def test_remembered_event_names_are_limited(api: InMemoryApi) -> None:
    recorder = EventRecorder(api, limits=Limits(remembered=2, workers=1))
    async with in_background(recorder.run()):
        await record_one_by_one(
            recorder, api, verdict("a"), verdict("b"), verdict("a"), verdict("c"), verdict("a"), verdict("b")
        )
        await eventually(lambda: [event["count"] for event in api.events()] == [3, 2, 1])
    known = ["create", "create", "patch", "create", "patch"]
    assert [verb for verb, _ in api.requests] == [*known, "create", "patch", "patch"], "a name that was forgotten"


async def test_a_long_message_is_cut_at_a_character(api: InMemoryApi) -> None:
    recorder = EventRecorder(api)
    async with in_background(recorder.run()):
        recorder.record(verdict("ü" * 2000))
        await eventually(api.events)
    message = api.events()[0]["message"]
    assert len(message.encode()) <= LONGEST_MESSAGE
    assert message == "ü" * (len(message) - 1) + "…"


def warning(message: str = "has no endpoints", *, passing: bool = True) -> Verdict:
    subject = verdict().subject
    reason = "AddedOrUpdatedWithWarning"
    return Verdict(subject, State.WARNING, reason, EventType.WARNING, message, passing=passing)


def about_pod(message: str = "nginx died") -> Verdict:
    return Verdict(Subject(POD), State.WARNING, "NginxRestarted", EventType.WARNING, message)


def messages(api: InMemoryApi) -> list[str]:
    return [event["message"] for event in api.events()]


async def test_a_follower_writes_events_about_its_own_pod_only(
    api: InMemoryApi, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    recorder = EventRecorder(api, pod=POD)
    recorder.follow()
    async with in_background(recorder.run()):
        recorder.record(verdict())
        recorder.record(about_pod())
        await eventually(api.events)
    assert messages(api) == ["nginx died"]
    assert recorder.dropped == 0
    assert [record.message for record in caplog.records] == ["event", "event"], "each replica's log has them all"


async def test_a_new_leader_writes_current_events_and_no_others(api: InMemoryApi) -> None:
    recorder = EventRecorder(api, pod=POD)
    recorder.follow()
    async with in_background(recorder.run()):
        recorder.record(verdict("was added"))
        recorder.record(verdict("was rejected"))
        recorder.record(verdict("key one", name="config"), verdict("key two", name="config"))
        recorder.record(verdict(name="deleted"))
        recorder.forget(verdict(name="deleted").ref)
        recorder.lead()
        await eventually(lambda: len(api.events()) == 3)
    assert sorted(messages(api)) == ["key one", "key two", "was rejected"]


async def test_an_event_of_another_replica_is_counted_up(api: InMemoryApi) -> None:
    old, new = EventRecorder(api), EventRecorder(api)
    new.follow()
    async with in_background(old.run()), in_background(new.run()):
        await record_one_by_one(old, api, verdict(), verdict())
        new.record(verdict())
        old.follow()
        new.lead()
        await eventually(lambda: api.count("create") == 2 and not api.in_flight)
        assert [event["count"] for event in api.events()] == [2]
        new.record(verdict())
        await eventually(lambda: [event["count"] for event in api.events()] == [3])
        await record_one_by_one(new, api, verdict())
        await eventually(lambda: [event["count"] for event in api.events()] == [4])
    assert api.count("create") == 2


async def test_a_restarted_process_counts_up_earlier_events(api: InMemoryApi) -> None:
    for _ in range(2):
        recorder = EventRecorder(api, limits=FAST)
        async with in_background(recorder.run()):
            await record_one_by_one(recorder, api, verdict())
            await eventually(lambda: not api.in_flight)
    await eventually(lambda: [event["count"] for event in api.events()] == [2])


async def test_events_of_a_leader_that_ended_early_are_written_by_the_next(api: InMemoryApi) -> None:
    old, new = EventRecorder(api), EventRecorder(api)
    new.follow()
    api.hold = asyncio.Event()
    async with in_background(old.run()):
        old.record(verdict("one"))
        old.record(verdict("two", name="other"))
        new.record(verdict("one"))
        new.record(verdict("two", name="other"))
        await eventually(lambda: api.in_flight)
    api.hold = None
    async with in_background(new.run()):
        new.lead()
        await eventually(lambda: sorted(messages(api)) == ["one", "two"])


async def test_expired_leadership_writes_no_event(api: InMemoryApi) -> None:
    good = True
    recorder = EventRecorder(api, pod=POD)
    recorder.lead(lambda: good)
    recorder.record(verdict())
    good = False
    async with in_background(recorder.run()):
        recorder.record(about_pod())
        await eventually(api.events)
    assert messages(api) == ["nginx died"]


async def test_a_temporary_warning_is_written_if_it_lasts(api: InMemoryApi) -> None:
    recorder = EventRecorder(api, limits=Limits(moment=0.001))
    async with in_background(recorder.run()):
        recorder.record(warning())
        assert not recorder._standing
        await eventually(lambda: messages(api) == ["has no endpoints"])


async def test_a_temporary_warning_that_ends_soon_is_never_written(api: InMemoryApi) -> None:
    recorder = EventRecorder(api, limits=Limits(moment=3600))
    async with in_background(recorder.run()):
        recorder.record(warning())
        (held,) = recorder._held.values()
        recorder.record(warning())
        assert list(recorder._held.values()) == [held], "counted from the first time"
        recorder.record(verdict())
        await eventually(api.events)
        assert held.timer.cancelled()
        recorder.record(warning())
        recorder.record(verdict())
        recorder.record(verdict("of another object", name="other"))
        await eventually(lambda: len(api.events()) == 2)
        recorder.record(warning())
        recorder.forget(warning().ref)
        assert not recorder._held
    assert messages(api) == ["was added", "of another object"]
    assert [event["count"] for event in api.events()] == [1, 1], "nothing happened to it"


async def test_a_warning_that_stays_is_not_held_back(api: InMemoryApi) -> None:
    recorder = EventRecorder(api, limits=Limits(moment=3600))
    async with in_background(recorder.run()):
        recorder.record(warning())
        recorder.record(warning("the Secret is gone", passing=False))
        await eventually(api.events)
    assert messages(api) == ["the Secret is gone"]


async def test_an_object_with_the_longest_name_has_events(api: InMemoryApi) -> None:
    recorder = EventRecorder(api)
    name = f"{'x' * 235}-.{'y' * 16}"
    async with in_background(recorder.run()):
        recorder.record(verdict(name=name))
        recorder.record(verdict(name=f"{name[:-1]}z"))
        await eventually(lambda: len(api.events()) == 2)
    names = [event["metadata"]["name"] for event in api.events()]
    assert all(re.fullmatch(r"x{235}\.[0-9a-f]{16}", found) for found in names)
    assert len(set(names)) == 2


async def test_a_bug_is_logged_once_with_its_traceback_and_the_next_event_is_sent(
    api: InMemoryApi, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = EventRecorder(api, limits=FAST)
    api.bugs = {"broken"}
    async with in_background(recorder.run()):
        recorder.record(verdict(name="broken"))
        recorder.record(verdict(name="cafe"))
        await eventually(lambda: recorder.dropped and api.events())
    assert api.count("create") == 2
    assert [record.message for record in caplog.records if record.exc_info] == ["internal error"]


async def test_a_slow_object_does_not_hold_up_recording(api: InMemoryApi) -> None:
    api.hold = asyncio.Event()
    recorder = EventRecorder(api)
    async with in_background(recorder.run()):
        recorder.record(verdict())
        await eventually(lambda: api.in_flight)
        recorder.record(verdict())
        api.hold.set()
        await eventually(lambda: api.count("patch"))
    assert [event["count"] for event in api.events()] == [2]


async def test_without_an_api_server_events_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    recorder = EventRecorder(None)
    recorder.record(verdict())
    await recorder.run()
    (said,) = caplog.records
    about = {"object": "Ingress shop/cafe", "reason": "AddedOrUpdated", "message": "was added"}
    assert said.fields == {**about, "change": "added"}
