"""Fetcher: keeps the key sets that resources want up to date, and the last good ones for a while."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Final

from headgate.backoff import retry_delay
from headgate.key_sets.request import FetchError, fetch
from headgate.problems import ObjectRef
from headgate.resolve.jwk import read_key_set
from headgate.resolve.key_sets import FetchedKeys, KeySource

log = logging.getLogger(__name__)

FIRST_RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 60.0
SHORTEST_PERIOD_S: Final = 1.0
KEPT_S: Final = 24 * 3600.0
"""How long the last good set is used while it cannot be fetched again."""


class Fetcher:
    """One task for each set that is wanted; ``run`` ends by cancellation."""

    def __init__(self, changed: Callable[[ObjectRef], object], kept_s: float = KEPT_S) -> None:
        """Begin without sets; *changed* is called with each one of which something else came than before."""
        self._changed = changed
        self._kept_s = kept_s
        self._wanted: Mapping[ObjectRef, KeySource] = {}
        self._tasks: dict[ObjectRef, tuple[KeySource, asyncio.Task[None]]] = {}
        self._good: dict[ObjectRef, tuple[bytes, float]] = {}
        """The last usable answer for each set, and when it came."""
        self._news = asyncio.Event()
        self.fetched: Mapping[ObjectRef, FetchedKeys] = {}
        """What came of each set; another object after each change."""

    def want(self, sources: Mapping[ObjectRef, KeySource]) -> None:
        """Fetch *sources* from now on, and no others."""
        if sources is not self._wanted:
            self._wanted = sources
            self._news.set()

    async def run(self) -> None:
        """Fetch what is wanted until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._news.wait()
                self._news.clear()
                self._arrange(group)

    def _arrange(self, group: asyncio.TaskGroup) -> None:
        for ref, (source, task) in tuple(self._tasks.items()):
            wanted = self._wanted.get(ref)
            if wanted != source:
                task.cancel()
                del self._tasks[ref]
                if wanted is None or not wanted.same_keys(source):
                    self._good.pop(ref, None)
        self.fetched = {ref: found for ref, found in self.fetched.items() if ref in self._wanted}
        for ref, source in self._wanted.items():
            if ref not in self._tasks:
                self._tasks[ref] = source, group.create_task(self._keep(ref, source))

    async def _keep(self, ref: ObjectRef, source: KeySource) -> None:
        """Fetch one set again and again."""
        good: bytes | None
        good, at = self._good.get(ref, (None, 0.0))
        failures = 0
        while True:
            try:
                data = await _usable(source)
            except FetchError as error:
                failures += 1
                if good is not None and time.monotonic() - at > self._kept_s:
                    good = None
                self._note(ref, FetchedKeys(source, good, str(error)))
                delay = retry_delay(failures, first=FIRST_RETRY_S, longest=LONGEST_RETRY_S)
                await asyncio.sleep(min(delay, max(source.period, SHORTEST_PERIOD_S)))
                continue
            failures = 0
            good, at = data, time.monotonic()
            self._good[ref] = data, at
            self._note(ref, FetchedKeys(source, good))
            await asyncio.sleep(max(source.period, SHORTEST_PERIOD_S))

    def _note(self, ref: ObjectRef, found: FetchedKeys) -> None:
        """Keep what came of *ref*; log it if the outcome is another one."""
        before = self.fetched.get(ref)
        if before == found:
            return
        self.fetched = {**self.fetched, ref: found}
        if found.fault and (before is None or before.fault != found.fault):
            sentence = f"the key set of Policy {ref.key} cannot be fetched: {found.fault}"
            log.warning("key set", extra={"fields": {"policy": ref.key, "error": found.fault}, "sentence": sentence})
        elif not found.fault and (before is None or before.fault or before.data != found.data):
            sentence = f"the key set of Policy {ref.key} was fetched"
            log.info("key set", extra={"fields": {"policy": ref.key}, "sentence": sentence})
        self._changed(ref)


async def _usable(source: KeySource) -> bytes:
    """Return the answer for *source*.

    Raises:
        FetchError: there is none, or none with a key that can be used.
    """
    data = await fetch(source)
    if fault := read_key_set(data, secrets=False).error:
        raise FetchError(f"the answer {fault}")
    return data
