"""Controller: one batch at a time through the pipeline to nginx, and its outcome to the owners of the objects."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Protocol

from msgspec import structs

from headgate.api import ConfigMap
from headgate.configuration import Candidate, Standing
from headgate.controller import lines
from headgate.controller.none_served import counted, refused_words
from headgate.controller.progress import Progress
from headgate.controller.reporter import Reporter
from headgate.ir import ApplyResult, Outcome, Release
from headgate.ir.apply import APPLY_S
from headgate.k8s import Batch, WorkQueue
from headgate.nginx.manager import Manager, Reason
from headgate.pipeline import Changes, Generation, Pipeline, Ruling
from headgate.problems import ObjectRef
from headgate.resolve.key_sets import FetchedKeys, KeySource

log = logging.getLogger(__name__)

STUCK_S = 5 * APPLY_S
"""No part of a batch takes so long (seconds): one apply, with the work of the pipeline before and after it."""
WHOLE = ObjectRef("NGINX", "", "configuration")
"""The key of no object: by it the whole is looked at again, at the start, as time passes, and after a failed apply."""


class Measures(Protocol):
    """Where the Controller's times become metrics."""

    def observe_queue(self, seconds: float) -> None:
        """Take the time that a key waited."""

    def observe_work(self, seconds: float) -> None:
        """Take the time that a batch took."""

    def observe_stage(self, stage: str, seconds: float) -> None:
        """Take the time spent in a stage."""


class Objects(Protocol):
    """Where the newest versions of objects are."""

    def read(self, keys: Iterable[ObjectRef], /) -> Changes:
        """Return the newest version of each object that *keys* name, ``None`` for those that are gone."""
        ...

    async def know(self, objects: Iterable[object], /) -> Iterable[ObjectRef]:
        """Return the Pods and ConfigMaps that *objects* need and that were not known yet.

        Their changes are in batches from now on.
        """
        ...


class KeySets(Protocol):
    """Where key sets are fetched."""

    @property
    def fetched(self) -> Mapping[ObjectRef, FetchedKeys]:
        """What came of each set so far."""
        ...

    def want(self, sources: Mapping[ObjectRef, KeySource], /) -> None:
        """Fetch *sources* from now on, and no others."""


class Controller:
    """Takes batches from the WorkQueue; nothing else uses the Pipeline or the Manager's ``apply``."""

    def __init__(  # noqa: PLR0913 - what it reads, the two that it drives, whom it tells, and how careful it is
        self,
        queue: WorkQueue,
        objects: Objects,
        pipeline: Pipeline,
        manager: Manager,
        reporter: Reporter,
        measures: Measures,
        *,
        key_sets: KeySets | None = None,
        config_safety: bool = False,
        began: float | None = None,
    ) -> None:
        """Join the parts; nothing is done before ``run``.

        *key_sets* fetches those that Policies name. With *config_safety* the first readiness waits until some Ingress
        is served, if there is any. *began* is when the program started (``time.monotonic``), by default now.
        """
        self._config_safety = config_safety
        self._key_sets = key_sets
        self._queue = queue
        self._turn = asyncio.Lock()
        """Held while the Pipeline works."""
        self._objects = objects
        self._pipeline = pipeline
        self._manager = manager
        self._reporter = reporter
        self._measures = measures
        self.generation: Generation | None = None
        """The latest result of the Pipeline, for all readers."""
        self.unready = "the first configuration is not verified yet"
        """Why the Controller is not ready, empty once it is; the readiness probe says it."""
        self._began = time.monotonic() if began is None else began
        self.ready = asyncio.Event()
        """Set once nginx serves the first configuration."""
        self.progress = Progress()
        """What was done so far."""
        self.busy_since: float | None = None
        """When the work on the current batch began or last progressed (monotonic seconds), ``None`` without a batch."""
        self._behind_since: float | None = time.monotonic()
        self._started = False
        self._serving: Release | None = None
        self._result = ApplyResult(outcome=Outcome.UNCHANGED, version=0)
        self._retries: dict[ObjectRef, ObjectRef] = {}
        """The keys under which refused objects are tried again, and which objects those are."""

    def stuck(self) -> str:
        """Return why the process should be restarted: a batch made no progress for ``STUCK_S``; else empty."""
        busy = time.monotonic() - self.busy_since if self.busy_since else 0.0
        return f"a batch has made no progress for {busy:.0f} s" if busy > STUCK_S else ""

    def behind(self) -> float:
        """Return for how many seconds nginx has not served the newest configuration, 0 if it does."""
        return time.monotonic() - self._behind_since if self._behind_since else 0.0

    def look_again(self) -> None:
        """Ask the Manager what nginx serves though nothing changed: it was restarted, perhaps without some object."""
        self._serving = None
        self._queue.add(WHOLE)

    async def run(self) -> None:
        """Take batches for ever; the caller starts this when every Informer has synced.

        Cancellation during an apply leaves nginx with the files from before it or with the new ones, both
        complete.
        """
        while True:
            await self.sync(await self._queue.take())

    async def foresee(self, candidate: Candidate) -> Standing:
        """Say what other objects would have of what *candidate* claims if it was applied now, between two batches."""
        async with self._turn:
            return self._pipeline.foresee(candidate)

    async def sync(self, batch: Batch) -> None:
        """Take *batch* through the Pipeline, make nginx serve the answer, and report the outcome."""
        began = self.busy_since = time.monotonic()
        self._behind_since = self._behind_since or began
        for seconds in batch.waited.values():
            self._measures.observe_queue(seconds)
        retry = frozenset(self._retries[key] for key in batch.keys if key in self._retries)
        again = frozenset(filter(ConfigMap.KIND.includes, retry))
        changes = self._objects.read((*batch.keys, *again))
        if needed := tuple(await self._objects.know(changes.values())):
            changes = {**changes, **self._objects.read(needed)}
        async with self._turn:
            if self._key_sets:
                self._pipeline.know_key_sets(self._key_sets.fetched)
            generation = await asyncio.to_thread(self._pipeline.advance, changes, datetime.now(UTC))
        self._take(generation)
        if self._key_sets:
            self._key_sets.want(generation.key_sources)
        advanced = time.monotonic()
        result, ruling = await self._apply(generation, retry - again)
        generation = structs.replace(self.generation or generation, spent=generation.spent)
        if ruling.config_map is not None:
            self.generation = generation = structs.replace(generation, config_map=ruling.config_map)
        problems = self._reporter.report(generation, result, frozenset(batch.keys))
        unready = self.unready
        self._conclude(result)
        self._schedule(result, ruling, retry)
        took = time.monotonic() - began
        self.busy_since = None
        self.progress.note(generation, result, batch.keys, took)
        self._measures.observe_stage("manager", time.monotonic() - advanced)
        self._measures.observe_work(took)
        times = lines.Times(advanced - began, took)
        self._log(logging.DEBUG, lines.batch(batch.keys, generation, result, times, problems))
        if unready and not self.unready:
            seconds = time.monotonic() - self._began
            self._log(logging.INFO, lines.ready(generation, self._reporter.census(), seconds))
        elif line := lines.applied(batch.keys, generation, result, times):
            self._log(logging.INFO, line)

    def _log(self, level: int, line: lines.Line) -> None:
        log.log(level, line.message, extra=line.extra, stacklevel=2)

    async def _apply(self, generation: Generation, retry: frozenset[ObjectRef]) -> tuple[ApplyResult, Ruling]:
        """Have nginx serve *generation*, or what the Pipeline offers instead while nginx refuses.

        *retry* are refused objects that nginx may accept by now.

        Returns:
            the last result, and the ruling of the Pipeline on it.
        """
        while True:
            self.busy_since = time.monotonic()
            result = await self._bring(generation, retry)
            async with self._turn:
                ruling = await asyncio.to_thread(self._pipeline.judge, result)
            if ruling.again is None:
                return result, ruling
            generation, retry = ruling.again, frozenset()
            self._take(generation)

    def _take(self, generation: Generation) -> None:
        """Make *generation* the newest; say what went wrong inside it, and where time went."""
        self.generation = generation
        for stage, seconds in generation.spent.items():
            self._measures.observe_stage(stage, seconds)
        for bug in generation.bugs:
            log.error("internal error", extra={"fields": {"object": str(bug.ref), "trace": bug.trace}})

    async def _bring(self, generation: Generation, retry: frozenset[ObjectRef]) -> ApplyResult:
        """Have the Manager serve the files of *generation*, unless it already does and no object is to be retried."""
        release = generation.release
        if self._serving and release.is_that_of(self._serving) and not retry:
            kept = structs.replace(self._result, outcome=Outcome.UNCHANGED, reloaded=False, test_ms=0.0, reload_ms=0.0)
            return structs.replace(kept, written=0, deleted=0, pushed=0, pushed_hosts=0, pushed_guards=0)
        if self._started:
            reason: Reason = "endpoints" if generation.endpoints_only else "other"
            result = await self._manager.apply(release, reason=reason, retry=retry)
        else:
            result = await self._manager.start(release)
            self._started = result.ok
        self._serving, self._result = (release if result.ok else None), result
        return result

    def _conclude(self, result: ApplyResult) -> None:
        """Decide about readiness, and about another try of what failed."""
        if result.ok:
            self._behind_since = None
        if result.ok and self.unready and not result.undecided:
            self.unready = self._doubt()
            if not self.unready:
                self.ready.set()
        if result.outcome is Outcome.FAILED or result.passing or not self._started:
            self._serving = None
            self._queue.retry(WHOLE)
        elif result.ok:
            self._queue.forget(WHOLE)
        if not self._started:
            self.unready = f"nginx does not serve yet: {result.error}"

    def _schedule(self, result: ApplyResult, ruling: Ruling, retried: frozenset[ObjectRef]) -> None:
        """Have what is refused and may be accepted later tried again, each object after a back-off of its own."""
        origins = result.retry | ({ruling.retry} if ruling.retry else set())
        waiting = {retry_key(origin): origin for origin in origins} if result.ok else self._retries
        for key, origin in waiting.items():
            if key not in self._retries or origin in retried:
                self._queue.retry(key)
        for key in self._retries.keys() - waiting.keys():
            self._queue.forget(key)
        self._retries = waiting

    def _doubt(self) -> str:
        """Say why traffic had better stay away from an nginx that serves, if there is a reason."""
        if not self._config_safety:
            return ""
        census = self._reporter.census()
        if census.served or not census.refused:
            return ""
        refused = refused_words(counted(self._reporter.refused()))
        return f"nothing is served: {refused} (-enable-config-safety), see their events"


def retry_key(origin: ObjectRef) -> ObjectRef:
    """Return the key under which a refused object is tried again; its own would mean that the object changed."""
    return ObjectRef("NGINX", origin.namespace, f"{origin.kind} {origin.name}")
