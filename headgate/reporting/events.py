"""Events: a Verdict becomes a core/v1 Event, and the same said again raises its ``count``.

The behaviour is that of client-go's recorder: names ``OBJECT.HEX``, aggregation by patch, and per object a burst of
25, then one per five minutes.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from headgate.api.core import Event, EventSource, ObjectMeta, ObjectReference
from headgate.backoff import retry_delay
from headgate.problems import ObjectRef
from headgate.reporting.api import ApiWriter, Denials, is_final, status_code
from headgate.reporting.verdicts import EventType, Verdict

log = logging.getLogger(__name__)

LONGEST_MESSAGE = 1024
"""Bytes of a message; the API server refuses more in events.k8s.io, through which the same objects are read."""

LONGEST_RETRY = 60.0
"""Seconds between two attempts to send one Event, at most."""

_NOT_FOUND = 404
_K = TypeVar("_K")
_V = TypeVar("_V")


class Limits(msgspec.Struct, frozen=True):
    """How much is said, remembered and tried.

    Attributes:
        burst: Events of one object that are sent at once.
        refill: seconds until one more may be sent.
        remembered: Events whose names are kept so that they can be counted up; also objects with a bucket.
        waiting: Events that may wait to be sent; more are dropped.
        tries: attempts to send one Event.
        retry: seconds before the second attempt; doubles each time.
        workers: requests in flight.
    """

    burst: int = 25
    refill: float = 300.0
    remembered: int = 4096
    waiting: int = 25_000
    tries: int = 4
    retry: float = 1.0
    workers: int = 4


class _Said(msgspec.Struct):
    """An Event that the API server knows."""

    name: str
    count: int


class _Bucket(msgspec.Struct):
    """The sends left for one object, and when they were counted."""

    tokens: float
    at: float


USUAL = Limits()

_Pending = OrderedDict[Verdict, int]


class EventRecorder:
    """Says Verdicts as Events of *component*; without *api* they are only logged.

    ``record`` never waits. ``run`` sends; cancelling it drops what waits and leaves nothing half-written.
    """

    def __init__(
        self,
        api: ApiWriter | None,
        *,
        component: str = "nginx-ingress-controller",
        instance: str = "",
        limits: Limits = USUAL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Remember who speaks (*component*, and *instance*: the Pod); *clock* counts seconds for the limits."""
        self._api = api
        self._component = component
        self._instance = instance
        self._limits = limits
        self._clock = clock
        self._shards: tuple[_Pending, ...] = tuple(OrderedDict() for _ in range(limits.workers))
        self._wakes = tuple(asyncio.Event() for _ in range(limits.workers))
        self._said: OrderedDict[Verdict, _Said] = OrderedDict()
        self._buckets: OrderedDict[ObjectRef, _Bucket] = OrderedDict()
        self._denials = Denials()
        self._last_id = 0
        self.dropped = 0
        """Events that were not sent: limits, a full queue or an API server that would not take them."""

    def record(self, verdict: Verdict) -> None:
        """Log *verdict* and queue its Event; one that waits already is counted up."""
        level = logging.INFO if verdict.type is EventType.NORMAL else logging.WARNING
        fields = {"object": str(verdict.ref), "reason": verdict.reason, "message": verdict.message}
        log.log(level, "event", extra={"fields": fields})
        if self._api is None:
            return
        # One object always meets the same worker, so that its Events keep their order and none is made twice.
        shard = hash(verdict.ref) % self._limits.workers
        pending = self._shards[shard]
        if verdict not in pending and len(pending) >= self._limits.waiting // self._limits.workers:
            self._drop(verdict, "too many Events are waiting")
            return
        pending[verdict] = pending.get(verdict, 0) + 1
        self._wakes[shard].set()

    async def run(self) -> None:
        """Send Events for ever; ends by cancellation."""
        if self._api is None:
            return
        async with asyncio.TaskGroup() as tasks:
            for pending, wake in zip(self._shards, self._wakes, strict=True):
                tasks.create_task(self._drain(self._api, pending, wake))

    async def _drain(self, api: ApiWriter, pending: _Pending, wake: asyncio.Event) -> None:
        while True:
            await wake.wait()
            wake.clear()
            while pending:
                verdict, times = pending.popitem(last=False)
                if self._admit(verdict.ref):
                    await self._deliver(api, verdict, times)
                else:
                    self._drop(verdict, "this object had too many Events lately", logging.DEBUG)

    def _admit(self, ref: ObjectRef) -> bool:
        """Take one token of *ref*'s bucket, if there is one."""
        now = self._clock()
        bucket = self._buckets.pop(ref, None) or _Bucket(float(self._limits.burst), now)
        bucket.tokens = min(self._limits.burst, bucket.tokens + (now - bucket.at) / self._limits.refill)
        bucket.at = now
        _remember(self._buckets, ref, bucket, self._limits.remembered)
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    async def _deliver(self, api: ApiWriter, verdict: Verdict, times: int) -> None:
        """Send, and try again while that can help."""
        for attempt in range(1, self._limits.tries + 1):
            try:
                await self._send(api, verdict, times)
            except api.failure as error:
                if is_final(error) or attempt == self._limits.tries:
                    self._drop(verdict, str(error), self._denials.level(_namespace(verdict.ref), error))
                    return
                await asyncio.sleep(retry_delay(attempt, first=self._limits.retry, longest=LONGEST_RETRY))
            except Exception:
                log.exception("internal error", extra={"fields": {"object": str(verdict.ref), "doing": "its event"}})
                self.dropped += 1
                return
            else:
                self._denials.over(_namespace(verdict.ref))
                return

    async def _send(self, api: ApiWriter, verdict: Verdict, times: int) -> None:
        """Count the Event up, or create it if it is new or the API server has forgotten it."""
        said = self._said.get(verdict)
        if said is not None:
            try:
                await self._count_up(api, verdict, said, times)
            except api.failure as error:
                if status_code(error) != _NOT_FOUND:
                    raise
                del self._said[verdict]
            else:
                return
        body = self._event(verdict, times)
        await api.create(Event.KIND, body["metadata"]["namespace"], body)
        _remember(self._said, verdict, _Said(body["metadata"]["name"], times), self._limits.remembered)

    async def _count_up(self, api: ApiWriter, verdict: Verdict, said: _Said, times: int) -> None:
        count = said.count + times
        change = {"count": count, "lastTimestamp": _now()}
        await api.patch(Event.KIND, _namespace(verdict.ref), said.name, change)
        said.count = count
        self._said.move_to_end(verdict)

    def _event(self, verdict: Verdict, times: int) -> dict[str, Any]:
        subject, now = verdict.subject, _now()
        event = Event(
            metadata=ObjectMeta(name=f"{subject.ref.name}.{self._next_id():x}", namespace=_namespace(subject.ref)),
            involved_object=ObjectReference(
                kind=subject.ref.kind,
                namespace=subject.ref.namespace,
                name=subject.ref.name,
                uid=subject.uid,
                api_version=subject.api_version,
            ),
            reason=verdict.reason,
            message=_cut(verdict.message),
            type=verdict.type.value,
            count=times,
            first_timestamp=now,
            last_timestamp=now,
            source=EventSource(component=self._component),
            reporting_component=self._component,
            reporting_instance=self._instance,
        )
        return event.builtins()

    def _next_id(self) -> int:
        """Return nanoseconds since 1970, never the same twice."""
        self._last_id = max(time.time_ns(), self._last_id + 1)
        return self._last_id

    def _drop(self, verdict: Verdict, why: str, level: int = logging.WARNING) -> None:
        self.dropped += 1
        fields = {"object": str(verdict.ref), "reason": verdict.reason, "why": why}
        log.log(level, "event not sent", extra={"fields": fields})


def _remember(kept: OrderedDict[_K, _V], key: _K, value: _V, most: int) -> None:
    """Put *key* last, and forget the oldest beyond *most*."""
    kept[key] = value
    while len(kept) > most:
        kept.popitem(last=False)


def _namespace(ref: ObjectRef) -> str:
    """Events of cluster-scoped objects live in ``default``."""
    return ref.namespace or "default"


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _cut(message: str) -> str:
    data = message.encode()
    if len(data) <= LONGEST_MESSAGE:
        return message
    return data[: LONGEST_MESSAGE - len("…".encode())].decode(errors="ignore") + "…"
