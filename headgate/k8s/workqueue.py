"""The keys that wait for the Controller, each at most once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import msgspec

from headgate.backoff import retry_delay
from headgate.problems import ObjectRef

RETRY_FIRST = 0.5
RETRY_LONGEST = 60.0
"""Seconds before a key that failed is ready again, after the first and after many failures."""


class Batch(msgspec.Struct, frozen=True):
    """All keys that were ready at one moment.

    Attributes:
        keys: in the order in which they became ready.
        waited: seconds that each key was ready before it was taken.
    """

    keys: tuple[ObjectRef, ...]
    waited: dict[ObjectRef, float]


class WorkQueue:
    """A set of keys, each with the time from which it is ready.

    It has keys only: the Controller reads the newest state from the Store, so ten changes of one object are handled
    once. A key that is added while its batch is being handled is in the next one.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin empty; *clock* returns monotonic seconds."""
        self._clock = clock
        self._ready_at: dict[ObjectRef, float] = {}
        self._failures: dict[ObjectRef, int] = {}
        self._added = asyncio.Event()

    @property
    def depth(self) -> int:
        """The number of keys, delayed ones included."""
        return len(self._ready_at)

    def add(self, ref: ObjectRef) -> None:
        """Make *ref* ready now."""
        self.add_after(ref, 0.0)

    def add_after(self, ref: ObjectRef, seconds: float) -> None:
        """Make *ref* ready in *seconds*; of several times the earliest is used."""
        at = self._clock() + seconds
        self._ready_at[ref] = min(at, self._ready_at.get(ref, at))
        self._added.set()

    def retry(self, ref: ObjectRef) -> None:
        """Make *ref* ready after its own back-off: 0.5 s doubling to 60 s with each retry until ``forget``."""
        self._failures[ref] = self._failures.get(ref, 0) + 1
        self.add_after(ref, retry_delay(self._failures[ref], first=RETRY_FIRST, longest=RETRY_LONGEST))

    def forget(self, ref: ObjectRef) -> None:
        """Reset the back-off of *ref*; a key that waits stays in the queue."""
        self._failures.pop(ref, None)

    async def take(self) -> Batch:
        """Wait until a key is ready, then return all that are; a cancellation removes none."""
        while True:
            self._added.clear()
            if batch := self._take_ready():
                return batch
            await self._wait()

    def _take_ready(self) -> Batch | None:
        now = self._clock()
        ready = sorted((at, ref) for ref, at in self._ready_at.items() if at <= now)
        if not ready:
            return None
        for _, ref in ready:
            del self._ready_at[ref]
        return Batch(keys=tuple(ref for _, ref in ready), waited={ref: now - at for at, ref in ready})

    async def _wait(self) -> None:
        """Return at the next addition, or when the earliest delayed key may be ready."""
        earliest = min(self._ready_at.values(), default=None)
        seconds = None if earliest is None else max(0.0, earliest - self._clock())
        try:
            async with asyncio.timeout(seconds):
                await self._added.wait()
        except TimeoutError:
            return
