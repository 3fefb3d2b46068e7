"""Which backends EndpointSlices have while a test goes on."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from headgate.api import EndpointSlice
from headgate.k8s import Informer, Resources
from headgate.problems import ObjectRef
from tests.background import in_background
from tests.e2e.node.installation import Installation
from tests.e2e.node.load import Load
from tests.waiting import eventually

LONGEST_WINDOW = 5.0
"""Seconds in which every change of an EndpointSlice has reached nginx and its old workers, however slow the machine."""


class Endpoints:
    """Notes when each backend of a namespace was first ready in an EndpointSlice, and when it no longer was."""

    def __init__(self, installation: Installation) -> None:
        slices = Resources(
            installation.cluster.client,
            EndpointSlice,
            installation.namespace,
            label_selector="kubernetes.io/service-name=echo",
        )
        self._slices = Informer(slices, self._note, name="slices")
        self.run = self._slices.run
        self.came: dict[str, float] = {}
        self.left: dict[str, float] = {}
        self._none_ready: list[list[float]] = []
        """From when to when no backend was ready; the last one may go on."""

    def _note(self, _: ObjectRef) -> None:
        now = time.monotonic()
        endpoints = [at for found in self._slices.store.snapshot().values() for at in found.endpoints or ()]
        ready = {at.target_ref.name for at in endpoints if at.target_ref and at.conditions and at.conditions.ready}
        self.came |= dict.fromkeys(ready - self.came.keys(), now)
        self.left |= dict.fromkeys(self.came.keys() - ready - self.left.keys(), now)
        if not ready:
            self._none_ready.append([now, math.inf])
        elif self._none_ready:
            self._none_ready[-1][1] = min(now, self._none_ready[-1][1])

    def none_ready(self, since: float, until: float) -> bool:
        """Whether no backend was ready at some time from *since* to *until*, give or take what a change takes."""
        return any(start < until + LONGEST_WINDOW and since < end + LONGEST_WINDOW for start, end in self._none_ready)

    async def gone(self, count: int) -> None:
        """Wait until *count* Pods have left, and until nobody may ask them any more."""

        async def enough() -> bool:
            return len(self.left) >= count

        await eventually(enough)
        await asyncio.sleep(max(self.left.values()) + LONGEST_WINDOW - time.monotonic())

    def windows(self, traffic: Load) -> list[float]:
        """For each Pod that left: seconds from then to the last request that it was given, if there was one after."""
        return [max(0.0, traffic.last_answer_of(pod) - left) for pod, left in self.left.items()]

    def delays(self, traffic: Load) -> list[float]:
        """For each Pod: seconds from its being ready to the first request that it was given."""
        first: dict[str, float] = {}
        for request in sorted(traffic.requests, key=lambda request: request.sent):
            first.setdefault(request.pod, request.sent)
        return [max(0.0, first[pod] - came) for pod, came in self.came.items() if pod in first]


@asynccontextmanager
async def watched(installation: Installation) -> AsyncIterator[Endpoints]:
    found = Endpoints(installation)
    async with in_background(found.run()):
        yield found
