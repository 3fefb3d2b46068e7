"""Pods behind a Service come and go while clients ask for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from tests.e2e.node.backend import AT_ONCE, backend
from tests.e2e.node.endpoints import LONGEST_WINDOW, watched
from tests.e2e.node.installation import Installation
from tests.e2e.node.load import Load, load
from tests.waiting import eventually

HOST = "shop.test"
BOTH = ("GET", "POST")
UNSERVED = 502
GRACE = 8
"""Seconds that backends answer after SIGTERM: longer than that, so that whoever asks a removed Pod is seen to."""
Note = Callable[[str, object], None]


async def shop(installation: Installation, **options: Any) -> Installation:
    """Install Headgate with one Ingress and its backend, and wait until it is served."""
    await installation.install()
    await installation.env.add_ingress("shop")
    await installation.add_backend(**options)
    await installation.serves(HOST)
    return installation


async def served_by(traffic: Load, count: int) -> None:
    """Wait until *count* Pods answer."""
    since = time.monotonic()

    async def pods() -> set[str]:
        return set(traffic.pods(since))

    await eventually(pods, lambda found: len(found) == count)


async def test_scaling_under_load_fails_no_request(installation: Installation, record_property: Note) -> None:
    await shop(installation, grace=GRACE)
    async with watched(installation) as endpoints, load(installation.plan(HOST, methods=BOTH)) as traffic:
        await installation.scale(5, "echo")
        await served_by(traffic, 5)
        delays = endpoints.delays(traffic)
        await installation.scale(2, "echo")
        await endpoints.gone(3)
        windows = endpoints.windows(traffic)
        await installation.scale(0, "echo")
        await eventually(lambda: installation.get(HOST), lambda answer: answer.status == UNSERVED)
        alone = max(endpoints.left.values())
        await installation.scale(2, "echo")
        await served_by(traffic, 2)
        back = max(endpoints.came.values()) + LONGEST_WINDOW
        await traffic.more()
    record_property("requests", len(traffic.requests))
    record_property("removed_asked_until_s", max(windows))
    record_property("new_asked_after_s", max(delays))
    assert max(windows) < LONGEST_WINDOW, "the grace is longer: they would have answered"
    assert [str(request) for request in traffic.requests if request.failure and not alone < request.sent < back] == []
    # Pods that end are asked as long as there are no others.
    served = [request for request in traffic.requests if alone < request.sent < alone + GRACE / 2]
    assert [f"{request.sent - alone:.2f} s: {request}" for request in served if request.failure] == []


async def test_rolling_update_and_deletion_of_graceful_backends_fail_no_request(
    installation: Installation, record_property: Note
) -> None:
    await shop(installation, replicas=2)
    busy = installation.plan(HOST, methods=BOTH)
    # Who comes back to a kept connection when the old Pods are dead finds it closed, or a worker that knows others.
    thoughtful = busy._replace(steady=30, fresh=0, pause=4)
    async with watched(installation) as endpoints, load(busy) as traffic, load(thoughtful) as visits:
        await roll(installation, 2, revision="2")
        (pod, *_) = await installation.pods("echo")
        await installation.cluster.delete("Pod", installation.namespace, pod["metadata"]["name"])
        await endpoints.gone(3)
        await installation.settled(2, "echo")
        await traffic.more()
    record_property("requests", len(traffic.requests) + len(visits.requests))
    record_property("removed_asked_until_s", max(endpoints.windows(traffic)))
    assert traffic.failures() + visits.failures() == []


async def roll(installation: Installation, replicas: int, **options: Any) -> None:
    """Replace all Pods of the backend, as a new image does."""
    await installation.cluster.apply(
        *backend(installation.namespace, "echo", installation.image, replicas=replicas, **options)
    )
    await installation.settled(replicas, "echo")


async def test_backends_that_die_at_once_fail_only_requests_in_flight(
    installation: Installation, record_property: Note
) -> None:
    await shop(installation, replicas=2, grace=AT_ONCE)
    plan = installation.plan(HOST, methods=("GET",))
    posting = plan._replace(methods=("POST",))
    async with watched(installation) as endpoints, load(plan) as gets, load(posting) as posts:
        await roll(installation, 2, revision="2", grace=AT_ONCE)
        await gets.more()
        await posts.more()
    for name, traffic in (("GET", gets), ("POST", posts)):
        failed = [request for request in traffic.requests if request.failure]
        record_property(f"{name}_lost", f"{len(failed)} of {len(traffic.requests)}")
        assert all(near(request.sent, endpoints.left) for request in failed), traffic.failures()


def near(moment: float, left: Mapping[str, float]) -> bool:
    """Whether *moment* is about the time at which some Pod left."""
    return any(abs(moment - time) < LONGEST_WINDOW for time in left.values())
