"""Controller: one batch at a time through all rooms, and back to those who asked."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol

from msgspec import structs

from headgate.controller.herald import Herald
from headgate.controller.rooms import Rooms, Walk
from headgate.ir import ApplyResult, FileSet, Outcome
from headgate.k8s import Batch, WorkQueue
from headgate.nginx.manager import Manager
from headgate.problems import ObjectRef
from headgate.render import BadTemplate

log = logging.getLogger(__name__)

STUCK_S = 900.0
"""No batch takes so long: every wait inside has a limit of its own, far below."""
WHOLE = ObjectRef("NGINX", "", "configuration")
"""The key under which an apply that failed as a whole is tried again."""


class Watcher(Protocol):
    """Somebody who measures the Controller."""

    def observe_queue(self, seconds: float) -> None:
        """Take the time that a key waited."""

    def observe_work(self, seconds: float) -> None:
        """Take the time that a batch took."""

    def observe_room(self, room: str, seconds: float) -> None:
        """Take the time spent in a room."""


class Controller:
    """Takes batches from the WorkQueue, for ever; nothing else changes Rooms or asks the Manager to apply."""

    def __init__(  # noqa: PLR0913 - the two shores, and how careful to be between them
        self,
        queue: WorkQueue,
        rooms: Rooms,
        manager: Manager,
        herald: Herald,
        watcher: Watcher,
        *,
        config_safety: bool = False,
    ) -> None:
        """Join the shores; nothing is done before ``run``.

        With *config_safety* the first readiness waits until some Ingress is served, if there is any.
        """
        self._config_safety = config_safety
        self._queue = queue
        self._rooms = rooms
        self._manager = manager
        self._herald = herald
        self._watcher = watcher
        self.unready = "the first configuration is not verified yet"
        """Why the Controller is not ready, empty once it is; the readiness probe says it."""
        self._busy_since: float | None = None
        self._started = False
        self._serving: FileSet | None = None
        self._result = ApplyResult(outcome=Outcome.UNCHANGED, version=0)

    def stuck(self) -> str:
        """Return why the process should be restarted: one batch has been worked on for ``STUCK_S``; else empty."""
        busy = time.monotonic() - self._busy_since if self._busy_since else 0.0
        return f"a batch is being worked on for {busy:.0f} s" if busy > STUCK_S else ""

    async def run(self) -> None:
        """Take batches for ever; the caller starts this when every Informer has synced.

        Cancellation during an apply leaves nginx with the files from before it or with the new ones, both
        complete.
        """
        while True:
            await self.sync(await self._queue.take())

    async def sync(self, batch: Batch) -> None:
        """Walk *batch* through the rooms, make nginx serve the outcome, and tell everybody."""
        began = self._busy_since = time.monotonic()
        for seconds in batch.waited.values():
            self._watcher.observe_queue(seconds)
        walk = await asyncio.to_thread(self._rooms.walk, frozenset(batch.keys), datetime.now(UTC))
        walked = time.monotonic()
        for room, seconds in walk.spent.items():
            self._watcher.observe_room(room, seconds)
        result, config_refusal = await self._apply(walk, frozenset(batch.keys))
        self._herald.tell(walk, result, frozenset(batch.keys), config_refusal)
        self._conclude(result)
        took = time.monotonic() - began
        self._busy_since = None
        self._watcher.observe_room("manager", time.monotonic() - walked)
        self._watcher.observe_work(took)
        # A busy cluster changes Services that no Ingress names all day long: no news.
        level = logging.INFO if walk.regenerated or walk.update.problems or not _idle(result) else logging.DEBUG
        log.log(level, "batch", extra={"fields": _summary(batch, walk, result, walked - began, took)})

    async def _apply(self, walk: Walk, keys: frozenset[ObjectRef]) -> tuple[ApplyResult, str]:
        """Apply the files; if a new ConfigMap is why nginx refuses them, apply them under the last good one.

        Returns:
            the result, and what nginx said against the ConfigMap if that was given up.
        """
        tried, before = self._rooms.in_force, self._result
        result = await self._bring(walk.files, walk.reason)
        files = await self._fall_back() if self._suspicious(result, before, keys) else None
        if files is None:
            return self._accepted(result), ""
        fallen = await self._bring(files, walk.reason)
        if result.outcome is Outcome.REFUSED:
            return fallen, result.error
        if saved := result.refused.keys() - fallen.refused.keys():
            return fallen, result.refused[min(saved)]
        files = await asyncio.to_thread(self._rooms.use, tried)
        return self._accepted(await self._bring(files, walk.reason)), ""

    def _suspicious(self, result: ApplyResult, before: ApplyResult, keys: frozenset[ObjectRef]) -> bool:
        """Whether nginx may have refused what the ConfigMap says: the whole, untouched objects, or all objects."""
        fresh = result.refused.keys() - before.refused.keys()
        everything = bool(fresh) and result.refused.keys() >= self._rooms.configuration.resources.keys()
        return result.outcome is Outcome.REFUSED or everything or not fresh <= keys

    async def _fall_back(self) -> FileSet | None:
        """Generate everything under the last good ConfigMap, unless that is in force or its templates now fail."""
        try:
            return await asyncio.to_thread(self._rooms.fall_back)
        except BadTemplate:
            return None

    def _accepted(self, result: ApplyResult) -> ApplyResult:
        """Take note that the ConfigMap in force is good, if *result* says so."""
        if result.ok:
            self._rooms.accept()
        return result

    async def _bring(self, files: FileSet, reason: str) -> ApplyResult:
        """Have the Manager serve *files*, unless they are the very ones that it serves."""
        if files is self._serving:
            kept = structs.replace(self._result, outcome=Outcome.UNCHANGED, reloaded=False, written=0, deleted=0)
            return structs.replace(kept, test_ms=0.0, reload_ms=0.0)
        if self._started:
            result = await self._manager.apply(files, reason="endpoints" if reason == "endpoints" else "other")
        else:
            result = await self._manager.start(files)
            self._started = result.ok
        self._serving, self._result = (files if result.ok else None), result
        return result

    def _conclude(self, result: ApplyResult) -> None:
        """Decide about readiness, and about another try of what failed."""
        if result.ok and self.unready:
            self.unready = self._doubt()
        if result.undecided or result.outcome is Outcome.FAILED or not self._started:
            self._serving = None
            self._queue.retry(WHOLE)
        elif result.ok:
            self._queue.forget(WHOLE)
        if not self._started:
            self.unready = f"nginx does not serve yet: {result.error}"

    def _doubt(self) -> str:
        """Say why traffic had better stay away from an nginx that serves, if there is a reason."""
        if not self._config_safety:
            return ""
        census = self._herald.census()
        if census.served or not census.refused:
            return ""
        return f"all {census.refused} Ingresses are refused (-enable-config-safety); their events say why"


def _idle(result: ApplyResult) -> bool:
    return result.outcome is Outcome.UNCHANGED and not result.written and not result.deleted


def _summary(batch: Batch, walk: Walk, result: ApplyResult, rooms: float, took: float) -> Mapping[str, object]:
    """Say one batch in one line; *rooms* are the seconds of rooms 3 to 6, *took* those of everything."""
    return {
        "keys": len(batch.keys),
        "changes": len(walk.update.changes),
        "generated": len(walk.regenerated),
        "problems": sum(map(len, walk.update.problems.values())),
        "written": result.written,
        "deleted": result.deleted,
        "outcome": result.outcome.value,
        "refused": len(result.refused),
        "version": result.version,
        **{f"{room}_ms": round(seconds * 1000, 1) for room, seconds in walk.spent.items()},
        "rooms_ms": round(rooms * 1000, 1),
        "test_ms": round(result.test_ms, 1),
        "reload_ms": round(result.reload_ms, 1),
        "took_ms": round(took * 1000, 1),
    }
