"""The status of a running controller, from those who know its parts."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from headgate.controller.checks import checked
from headgate.controller.controller import Controller
from headgate.controller.kinds import CLAIMANTS
from headgate.controller.reporter import Reporter
from headgate.ir.check import ServerHealth
from headgate.k8s import WorkQueue
from headgate.nginx.manager import LocalManager
from headgate.problems import ObjectRef, Problem
from headgate.reporting.verdicts import State, Verdict, refusal
from headgate.status import (
    Cluster,
    ConfigurationStatus,
    ControllerStatus,
    ObjectStatus,
    Serving,
    Status,
    WatchStatus,
    hosts,
    streams,
)
from headgate.status.objects import REFUSED, WARNING, faulty, ignored, in_order
from headgate.translate import http3_in_words
from headgate.watch import Watches
from headgate.watch.drained import Drained

_STATES = {State.INVALID: REFUSED, State.WARNING: WARNING}


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """What does not change while the controller runs: see ``ControllerStatus``."""

    version: str
    source: str
    nginx: str
    started: datetime


class RunningStatus:
    """Describes a running controller; to be asked from its event loop."""

    def __init__(  # noqa: PLR0913 - the parts that it asks
        self,
        identity: Identity,
        controller: Controller,
        queue: WorkQueue,
        manager: LocalManager,
        watches: Watches,
        drained: Drained,
        reporter: Reporter,
        unready: Callable[[], str],
        leads: Callable[[], bool] | None,
        faults: Callable[[], Sequence[Problem]],
        health: Callable[[], Awaitable[Sequence[ServerHealth]]],
    ) -> None:
        """Keep the parts.

        *unready* is the readiness probe, *leads* is ``None`` where there is no leader, *faults* are what is wrong
        with the files of a folder, and *health* asks what health checks found.
        """
        self._identity = identity
        self._controller = controller
        self._queue = queue
        self._manager = manager
        self._watches = watches
        self._drained = drained
        self._reporter = reporter
        self._unready = unready
        self._leads = leads
        self._faults = faults
        self._health = health

    def stamp(self) -> str:
        """Return a text that changes with what is served and with what fails."""
        failing = ";".join(f"{watch.name}={watch.error}" for watch in self._watching() if watch.error)
        return repr(
            (self._controller.progress.batches, self._manager.master_pid, self._unready(), self._leader(), failing,
             [*map(str, self._faults())])
        )  # fmt: skip

    async def read(self) -> Callable[[], Status]:
        """Return a function that makes the status of this moment; with thousands of hosts it takes half a second."""
        checks = await self._health()
        generation, controller = self._controller.progress.generation, self._describe()
        verdicts, others, now = self._reporter.verdicts(), self._reporter.ignored(), datetime.now(UTC)
        faults, slices = self._faults(), self._drained.slices()

        def status() -> Status:
            serving = {ref: _serving(verdict) for ref, verdict in verdicts.items()}
            cluster = Cluster.of(self._watches.known, slices, checked(generation, checks) if generation else None)
            kinds = [kind.model for kind in CLAIMANTS]
            found = hosts(generation, cluster, kinds, serving) if generation else ()
            passed = streams(generation, cluster, kinds, serving) if generation else ()
            objects = (*_objects(verdicts), *faulty(faults, verdicts), *ignored(others))
            return Status(now=now, hosts=found, streams=passed, objects=in_order(objects), controller=controller)

        return status

    def _describe(self) -> ControllerStatus:
        identity, generation = self._identity, self._controller.progress.generation
        return ControllerStatus(
            version=identity.version,
            pid=os.getpid(),
            started=identity.started,
            source=identity.source,
            nginx=identity.nginx,
            nginx_pid=self._manager.master_pid,
            unready=self._unready(),
            leader=self._leader(),
            configuration=self._configuration(),
            watches=tuple(self._watching()),
            drained=tuple(sorted(self._drained.names)),
            njs=self._manager.live_streams.njs,
            data_plane=generation.env.plane if generation else "",
            http3=http3_in_words(generation.env) if generation else "",
        )

    def _configuration(self) -> ConfigurationStatus:
        progress, stats, since = self._controller.progress, self._manager.stats, self._controller.busy_since
        result = progress.result
        return ConfigurationStatus(
            version=self._manager.version,
            applied=progress.applied,
            pending=self._queue.depth,
            busy_seconds=round(time.monotonic() - since, 3) if since else 0.0,
            error=result.error if result and not result.ok else "",
            last_reload=progress.reload,
            last_push=progress.push,
            reloads=stats.endpoints + stats.other,
            reload_errors=stats.errors,
        )

    def _leader(self) -> bool | None:
        return self._leads() if self._leads else None

    def _watching(self) -> Iterator[WatchStatus]:
        for informer in self._watches.informers():
            yield WatchStatus(informer.name, informer.synced.is_set(), len(informer.store), informer.error)


def _objects(verdicts: Mapping[ObjectRef, Verdict]) -> Iterator[ObjectStatus]:
    """Yield the objects that are refused or have a warning, by name."""
    for ref, verdict in sorted(verdicts.items()):
        if state := _STATES.get(verdict.state):
            message = refusal(verdict) or verdict.message
            yield ObjectStatus(str(ref), state, message, _serving(verdict))


def _serving(verdict: Verdict) -> Serving:
    if not verdict.served:
        return Serving.NONE
    return Serving.PREVIOUS if verdict.state is State.INVALID else Serving.CURRENT
