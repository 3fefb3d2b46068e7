"""Keys wait once each, and come out together."""

from __future__ import annotations

import asyncio

import pytest

from headgate.api import Ingress
from headgate.k8s import WorkQueue
from tests.waiting import DEADLINE_S

TEA, MILK, SUGAR = (Ingress.KIND.ref("default", name) for name in ("tea", "milk", "sugar"))


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> WorkQueue:
    return WorkQueue(clock=clock)


async def test_a_key_added_twice_is_handed_out_once(queue: WorkQueue) -> None:
    for ref in (TEA, MILK, TEA):
        queue.add(ref)
    assert queue.depth == 2
    batch = await queue.take()
    assert sorted(batch.keys) == [MILK, TEA]
    assert queue.depth == 0


async def test_the_oldest_key_comes_first_with_its_waiting_time(queue: WorkQueue, clock: Clock) -> None:
    queue.add(TEA)
    clock.now += 2
    queue.add(MILK)
    clock.now += 1
    queue.add(TEA)
    batch = await queue.take()
    assert batch.keys == (TEA, MILK)
    assert batch.waited == {TEA: 3.0, MILK: 1.0}
    assert max(batch.waited.values()) == 3.0


async def test_take_waits_for_the_first_key(queue: WorkQueue) -> None:
    taking = asyncio.ensure_future(queue.take())
    await asyncio.sleep(0)
    assert not taking.done()
    queue.add(TEA)
    assert (await taking).keys == (TEA,)


async def test_a_cancelled_take_loses_nothing(queue: WorkQueue) -> None:
    taking = asyncio.ensure_future(queue.take())
    await asyncio.sleep(0)
    queue.add(TEA)
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    assert (await queue.take()).keys == (TEA,)


async def test_a_delayed_key_is_not_ready_before_its_time(queue: WorkQueue, clock: Clock) -> None:
    queue.add_after(TEA, 5)
    queue.add(MILK)
    assert (await queue.take()).keys == (MILK,)
    clock.now += 5
    queue.add(SUGAR)
    assert set((await queue.take()).keys) == {TEA, SUGAR}


async def test_a_change_replaces_a_delayed_key(queue: WorkQueue) -> None:
    queue.add_after(TEA, 60)
    queue.add(TEA)
    assert (await queue.take()).keys == (TEA,)
    assert queue.depth == 0


async def test_a_delayed_key_wakes_take_by_itself() -> None:
    queue = WorkQueue()
    queue.add_after(TEA, 0.02)
    async with asyncio.timeout(DEADLINE_S):
        assert (await queue.take()).keys == (TEA,)


async def test_retries_of_one_key_double_up_to_a_minute(queue: WorkQueue, clock: Clock) -> None:
    waits = []
    for _ in range(9):
        began = clock.now
        queue.retry(TEA)
        while queue.depth:
            clock.now += 0.25
            queue.add(MILK)
            await queue.take()
        waits.append(clock.now - began)
    assert waits == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    queue.forget(TEA)
    queue.retry(TEA)
    clock.now += 0.5
    assert (await queue.take()).keys == (TEA,)
