"""The Pipeline works for one at a time: the webhook asks it between two batches."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from headgate.configuration import Standing
from headgate.controller.controller import WHOLE, Controller
from headgate.k8s import WorkQueue
from headgate.problems import ObjectRef


class Slow:
    """A Pipeline whose batch lasts until it is freed, and then fails; it is its own source of objects and measure."""

    def __init__(self) -> None:
        self.began, self.free = threading.Event(), threading.Event()
        self.working = False

    def advance(self, *_: object) -> object:
        self.working = True
        self.began.set()
        self.free.wait(30)
        self.working = False
        raise RuntimeError("the batch ends here")

    def foresee(self, _: object) -> Standing:
        assert not self.working
        return Standing(owner=ObjectRef("Ingress", "shop", "cafe"))

    def read(self, _: object) -> dict[ObjectRef, None]:
        return {}

    async def know(self, _: object) -> tuple[ObjectRef, ...]:
        return ()

    def observe_queue(self, _: float) -> None:
        """Measure nothing."""


async def test_an_object_is_compared_when_the_batch_is_through() -> None:
    slow, queue = Slow(), WorkQueue()
    parts: Any = slow
    controller = Controller(queue, parts, parts, parts, parts, parts)
    queue.add(WHOLE)
    batch = asyncio.create_task(controller.sync(await queue.take()))
    await asyncio.to_thread(slow.began.wait, 30)
    asked = asyncio.create_task(controller.foresee(parts))
    done, _ = await asyncio.wait({asked}, timeout=0.05)
    assert not done
    slow.free.set()
    assert (await asked).owner
    with pytest.raises(RuntimeError):
        await batch
