"""Which Verdicts become Events, when, and in which replica.

The leader reports on objects, each replica on its own Pod. A repeated event increases the count of the
existing one. The limit for each object is a burst of 25, then one every five minutes, as in client-go's recorder. A
passing Verdict is delayed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from headgate.backoff import retry_delay
from headgate.problems import ObjectRef
from headgate.reporting import sentences
from headgate.reporting.api import ApiWriter, Denials, is_final
from headgate.reporting.event_writer import EventWriter, namespace, remember
from headgate.reporting.sentences import UNKNOWN, Occasion
from headgate.reporting.verdicts import EventType, Verdict

log = logging.getLogger(__name__)


LONGEST_RETRY = 60.0
"""Seconds between two attempts to send one Event, at most."""


class Limits(msgspec.Struct, frozen=True):
    """Limits of what is sent, remembered and tried.

    Attributes:
        burst: Events of one object that are sent at once.
        refill: seconds until one more may be sent.
        remembered: Events whose names are remembered to raise their count; also objects with a bucket.
        waiting: Events that may be queued; more are dropped.
        tries: attempts to send one Event.
        retry: seconds before the second attempt; doubles each time.
        workers: requests in flight.
        moment: seconds that a Verdict which may soon be over is held back.
    """

    burst: int = 25
    refill: float = 300.0
    remembered: int = 4096
    waiting: int = 25_000
    tries: int = 4
    retry: float = 1.0
    workers: int = 4
    moment: float = 15.0


class _Bucket(msgspec.Struct):
    """The token bucket of one object: its tokens at one moment."""

    tokens: float
    at: float


class _Held(msgspec.Struct):
    """Verdicts that are reported when the timer ends, unless their object has others by then."""

    verdicts: tuple[Verdict, ...]
    occasion: Occasion
    timer: asyncio.TimerHandle


USUAL = Limits()

_Pending = OrderedDict[Verdict, int]


def _for_good() -> bool:
    """Say that leadership does not end by itself."""
    return True


class EventRecorder:
    """Sends Verdicts as Events of *component*; without *api* they are only logged.

    ``record`` never waits. ``run`` sends; cancelling it drops what waits and leaves nothing half-written.
    It speaks about every object until ``follow`` is called.
    """

    def __init__(
        self,
        api: ApiWriter | None,
        *,
        component: str = "nginx-ingress-controller",
        pod: ObjectRef | None = None,
        limits: Limits = USUAL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Remember who speaks (*component*, and *pod*, its own); *clock* counts seconds for the limits."""
        self._writer = EventWriter(api, component, pod.name if pod else "", limits.remembered) if api else None
        self._failure = api.failure if api else Exception
        self._pod = pod
        self._limits = limits
        self._clock = clock
        self._leading = True
        self._still = _for_good
        self._standing: dict[ObjectRef, tuple[Verdict, ...]] = {}
        """The last verdict of each object, of any replica."""
        self._held: dict[ObjectRef, _Held] = {}
        self._shards: tuple[_Pending, ...] = tuple(OrderedDict() for _ in range(limits.workers))
        self._wakes = tuple(asyncio.Event() for _ in range(limits.workers))
        self._buckets: OrderedDict[ObjectRef, _Bucket] = OrderedDict()
        self._denials = Denials()
        self.dropped = 0
        """Events that were not sent because of limits, a full queue or an API server that refused them."""

    def record(self, *verdicts: Verdict, occasion: Occasion = UNKNOWN) -> None:
        """Log the Verdicts of one object and queue their Events, in place of earlier ones.

        If all are passing, they are reported only if the object has no other verdict until then.
        The log says on which *occasion*.
        """
        if not verdicts:
            return
        ref = verdicts[0].ref
        held = self._held.pop(ref, None)
        if all(verdict.passing for verdict in verdicts):
            self._hold(ref, verdicts, occasion, held)
            return
        if held:
            held.timer.cancel()
        if not held or verdicts != self._standing.get(ref):  # else what was held back came and went
            self._say(verdicts, occasion)

    def note(self, verdict: Verdict) -> None:
        """Log something that happened once, and queue its Event; what stands for its object stays."""
        level = logging.INFO if verdict.type is EventType.NORMAL else logging.WARNING
        fields = {"object": str(verdict.ref), "reason": verdict.reason, "message": verdict.message}
        log.log(level, "event", extra={"fields": fields, "sentence": f"{verdict.ref}: {verdict.message}"})
        self._queue(verdict, 1)

    def forget(self, ref: ObjectRef, why: str = "removed") -> None:
        """Forget an object that was deleted or moved to another class, and log *why* if it was reported before."""
        if self._standing.pop(ref, None):
            log.info("object gone", extra={"fields": {"object": str(ref), "change": why}, "sentence": f"{ref}: {why}"})
        if held := self._held.pop(ref, None):
            held.timer.cancel()

    def lead(self, still: Callable[[], bool] = _for_good) -> None:
        """Begin to report on objects, with the current verdict of each, which may not be reported yet.

        *still* is asked before each Event: a process that was frozen may have lost its leadership unnoticed.
        """
        self._leading, self._still = True, still
        for verdicts in self._standing.values():
            for verdict in verdicts:
                self._queue(verdict, 0)

    def follow(self) -> None:
        """Stop reporting on objects: another replica leads, and reports what is pending."""
        self._leading = False

    async def run(self) -> None:
        """Send Events for ever; ends by cancellation."""
        if self._writer is None:
            return
        try:
            async with asyncio.TaskGroup() as tasks:
                for pending, wake in zip(self._shards, self._wakes, strict=True):
                    tasks.create_task(self._drain(self._writer, pending, wake))
        finally:
            for held in self._held.values():
                held.timer.cancel()

    def _hold(self, ref: ObjectRef, verdicts: tuple[Verdict, ...], occasion: Occasion, held: _Held | None) -> None:
        """Report *verdicts* after a delay, counted from their first occurrence."""
        if held and held.verdicts == verdicts:
            self._held[ref] = held
            return
        if held:
            held.timer.cancel()
        timer = asyncio.get_running_loop().call_later(self._limits.moment, self._release, ref)
        self._held[ref] = _Held(verdicts, occasion, timer)

    def _release(self, ref: ObjectRef) -> None:
        held = self._held.pop(ref)
        self._say(held.verdicts, held.occasion)

    def _say(self, verdicts: tuple[Verdict, ...], occasion: Occasion) -> None:
        ref = verdicts[0].ref
        change = sentences.change(occasion, known=ref in self._standing)
        if ref != self._pod:
            self._standing[ref] = verdicts
        for verdict in verdicts:
            level = logging.INFO if verdict.type is EventType.NORMAL else logging.WARNING
            fields = {"object": str(ref), "reason": verdict.reason, "message": verdict.message}
            if change and ref != self._pod:
                fields["change"] = change
            sentence = verdict.message if ref == self._pod else sentences.sentence(verdict, change, occasion.hosts)
            extra = {"fields": fields, "sentence": sentence}
            log.log(logging.DEBUG if occasion.quiet else level, "event", extra=extra)
            self._queue(verdict, 1)

    def _queue(self, verdict: Verdict, times: int) -> None:
        """Have an Event sent; one that waits already is counted up."""
        if self._writer is None or not self._may_say(verdict.ref):
            return
        # An object always has the same worker, so that its Events keep their order and none is created twice.
        shard = hash(verdict.ref) % self._limits.workers
        pending = self._shards[shard]
        if verdict not in pending and len(pending) >= self._limits.waiting // self._limits.workers:
            self._drop(verdict, "too many Events are waiting")
            return
        pending[verdict] = pending.get(verdict, 0) + times
        self._wakes[shard].set()

    def _may_say(self, ref: ObjectRef) -> bool:
        """Whether this replica reports on *ref*."""
        return ref == self._pod or (self._leading and self._still())

    async def _drain(self, writer: EventWriter, pending: _Pending, wake: asyncio.Event) -> None:
        while True:
            await wake.wait()
            wake.clear()
            while pending:
                verdict, times = pending.popitem(last=False)
                if not self._may_say(verdict.ref):
                    continue
                if self._admit(verdict.ref):
                    await self._deliver(writer, verdict, times)
                else:
                    self._drop(verdict, "this object had too many Events lately", logging.DEBUG)

    def _admit(self, ref: ObjectRef) -> bool:
        """Take one token from the bucket of *ref*, if there is one."""
        now = self._clock()
        bucket = self._buckets.pop(ref, None) or _Bucket(float(self._limits.burst), now)
        bucket.tokens = min(self._limits.burst, bucket.tokens + (now - bucket.at) / self._limits.refill)
        bucket.at = now
        remember(self._buckets, ref, bucket, self._limits.remembered)
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    async def _deliver(self, writer: EventWriter, verdict: Verdict, times: int) -> None:
        """Send, and try again while that can help."""
        where = namespace(verdict.ref)
        for attempt in range(1, self._limits.tries + 1):
            try:
                await writer.write(verdict, times)
            except self._failure as error:
                if is_final(error) or attempt == self._limits.tries:
                    self._drop(verdict, str(error), self._denials.level(where, error))
                    return
                await asyncio.sleep(retry_delay(attempt, first=self._limits.retry, longest=LONGEST_RETRY))
            except Exception:
                log.exception("internal error", extra={"fields": {"object": str(verdict.ref), "doing": "its event"}})
                self.dropped += 1
                return
            else:
                self._denials.over(where)
                return

    def _drop(self, verdict: Verdict, why: str, level: int = logging.WARNING) -> None:
        self.dropped += 1
        fields = {"object": str(verdict.ref), "reason": verdict.reason, "why": why}
        log.log(level, "event not sent", extra={"fields": fields})
