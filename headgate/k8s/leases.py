"""Leader election over a Lease: of several replicas one writes statuses."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from headgate.api import Lease, LeaseSpec
from headgate.k8s.client import Client
from headgate.k8s.errors import Conflict, Forbidden, K8sError, NotFound
from headgate.k8s.failure_log import FailureLog
from headgate.k8s.jitter import jittered

log = logging.getLogger(__name__)


class LeaseTiming(msgspec.Struct, frozen=True):
    """Seconds; the defaults are the incumbent's.

    Attributes:
        duration: how long others wait after the last renewal they saw before they take over.
        deadline: how long a leader whose renewal failed goes on trying before it stops leading.
        retry: the pause between two attempts.
    """

    duration: float = 30.0
    deadline: float = 15.0
    retry: float = 7.5

    @property
    def lasts(self) -> float:
        """How long one renewal is good for: the pause until the next, and the time for trying that one.

        Shorter than ``duration``, so that the old leader has stopped before a new one begins.
        """
        return min(self.retry + self.deadline, self.duration)


class LeaderElector:
    """Campaigns for one Lease, for ever: a replica that lost it campaigns again.

    Whether a Lease expired is judged by how long *this* process has seen it unchanged; the times written
    in it come from another machine's clock and are for people. Only get, create and update are used.
    """

    def __init__(  # noqa: PLR0913 - the lock, the two calls, and what tests put in place of time
        self,
        client: Client,
        namespace: str,
        name: str,
        identity: str,
        *,
        started: Callable[[], None],
        stopped: Callable[[], None],
        barred: Callable[[], None] = lambda: None,
        timing: LeaseTiming | None = None,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Prepare; nothing is sent before ``run``.

        Args:
            client: the API server.
            namespace: of the Lease.
            name: of the Lease.
            identity: of this replica, the name of its Pod.
            started: called when this replica begins to lead; must not block.
            stopped: called when it ceases to.
            barred: called when the role turns out not to allow what an election needs.
            timing: see ``LeaseTiming``.
            clock: seconds that never run backwards.
            pause: how to wait.
        """
        self._client = client
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._started = started
        self._stopped = stopped
        self._tell_barred = barred
        self._timing = timing or LeaseTiming()
        self._clock = clock
        self._pause = pause
        self._leading = False
        self._renewed = 0.0
        self._seen: LeaseSpec | None = None
        self._seen_at = 0.0
        self._holder = ""
        self._failure_log = FailureLog(
            log, "leader election failed", "leader election recovered", {"lease": self._lease}
        )
        self.barred = False
        """Whether the role did not allow the last attempt."""

    @property
    def is_leader(self) -> bool:
        """Whether this replica leads, judged by its own clock: true only while its last renewal is good."""
        return self._leading and self._clock() - self._renewed < self._timing.lasts

    @property
    def holder(self) -> str:
        """The identity that held the Lease when it was last read; may be empty."""
        return self._holder

    async def run(self) -> None:
        """Campaign and lead for ever; ends only by cancellation, which gives the Lease back, even if it comes twice."""
        try:
            while True:
                await self._attempt()
                await self._pause(self._timing.retry if self._leading else jittered(self._timing.retry))
        finally:
            resigning = asyncio.ensure_future(self._resign())
            while not resigning.done():  # it has a time limit of its own
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.shield(resigning)

    async def _attempt(self) -> None:
        """Try once to get or renew the Lease, no longer than leadership would last without."""
        asked = self._clock()
        left = self._timing.deadline
        if self._leading:
            left = max(0.0, self._renewed + self._timing.lasts - asked)
        try:
            async with asyncio.timeout(left):
                held = await self._hold()
        except (K8sError, TimeoutError) as error:
            self._failure_log.failed(error, _say(error))
            self._note_barred(barred=isinstance(error, Forbidden))
            held = None
        else:
            self._failure_log.recovered()
            self._note_barred(barred=False)
        self._conclude(asked, held=held)

    def _note_barred(self, *, barred: bool) -> None:
        before, self.barred = self.barred, barred
        if barred and not before:
            self._tell_barred()

    def _conclude(self, asked: float, *, held: bool | None) -> None:
        """Draw the consequence; ``None`` is not known, which the leader bears while its last renewal is good."""
        if held:
            self._renewed = asked
        expired = self._clock() - self._renewed >= self._timing.lasts
        if held and not self._leading:
            self._leading = True
            log.info("leading", extra={"fields": {"lease": self._lease, "identity": self._identity}})
            self._started()
        elif self._leading and held is False:
            self._stop({"why": "another replica has the lease", "holder": self._holder})
        elif self._leading and held is None and expired:
            self._stop({"why": f"the lease could not be renewed for {self._timing.lasts:g} s"})

    def _stop(self, why: Mapping[str, str]) -> None:
        self._leading = False
        log.info("no longer leading", extra={"fields": {"lease": self._lease, "identity": self._identity, **why}})
        self._stopped()

    async def _hold(self) -> bool | None:
        """Create, take over or renew the Lease; return whether it is ours now, ``None`` if that must be asked again.

        Raises:
            K8sError: the API server could not be asked.
        """
        try:
            found = await self._client.get(Lease.KIND, self._namespace, self._name)
        except NotFound:
            return await self._create()
        spec = _spec(found)
        self._observe(spec)
        if not self._may_take(spec):
            return False
        return await self._write(found, self._claim(spec))

    def _observe(self, spec: LeaseSpec) -> None:
        """Note when this state of the Lease was first seen here."""
        if spec != self._seen:
            self._seen, self._seen_at = spec, self._clock()
        holder = spec.holder_identity or ""
        if holder != self._holder:
            self._holder = holder
            log.info("leader changed", extra={"fields": {"lease": self._lease, "holder": holder or "nobody"}})

    def _may_take(self, spec: LeaseSpec) -> bool:
        if not spec.holder_identity or spec.holder_identity == self._identity:
            return True
        lasts = spec.lease_duration_seconds or self._timing.duration
        return self._clock() - self._seen_at >= lasts

    def _claim(self, spec: LeaseSpec) -> LeaseSpec:
        """The Lease as it reads when we hold it; a renewal keeps the time of acquisition."""
        now = _now()
        mine = spec.holder_identity == self._identity
        return LeaseSpec(
            holder_identity=self._identity,
            lease_duration_seconds=max(1, round(self._timing.duration)),
            acquire_time=spec.acquire_time if mine and spec.acquire_time else now,
            renew_time=now,
            lease_transitions=(spec.lease_transitions or 0) + (0 if mine else 1),
        )

    async def _create(self) -> bool | None:
        claim = msgspec.structs.replace(self._claim(LeaseSpec()), lease_transitions=0)
        body = {
            "apiVersion": Lease.KIND.api_version,
            "kind": Lease.KIND.name,
            "metadata": {"namespace": self._namespace, "name": self._name},
            "spec": msgspec.to_builtins(claim),
        }
        try:
            await self._client.create(Lease.KIND, self._namespace, body)
        except Conflict:
            return None
        self._observe(claim)
        return True

    async def _write(self, found: dict[str, Any], spec: LeaseSpec) -> bool | None:
        """Write *spec* over the Lease as it was read; ``None`` if someone else, whoever it was, was faster."""
        body = {**found, "spec": {**(found.get("spec") or {}), **msgspec.to_builtins(spec)}}
        try:
            await self._client.replace(Lease.KIND, self._namespace, self._name, body)
        except Conflict:
            return None
        self._observe(spec)
        return True

    async def _resign(self) -> None:
        """Stop leading and clear the holder, so that a successor need not wait for the Lease to expire."""
        if not self._leading:
            return
        self._stop({"why": "stopping; the lease is given back"})
        try:
            async with asyncio.timeout(self._timing.retry):
                found = await self._client.get(Lease.KIND, self._namespace, self._name)
                spec = _spec(found)
                if spec.holder_identity == self._identity:
                    # client-go leaves one second as well: zero is not a valid duration.
                    freed = msgspec.structs.replace(spec, lease_duration_seconds=1, renew_time=_now())
                    await self._write(found, msgspec.structs.replace(freed, holder_identity=""))
        except (K8sError, TimeoutError) as error:
            log.warning("lease not given back", extra={"fields": {"lease": self._lease, "error": _say(error)}})

    @property
    def _lease(self) -> str:
        return f"{self._namespace}/{self._name}"


def _spec(found: dict[str, Any]) -> LeaseSpec:
    """Read what a Lease says; one that someone garbled counts as free."""
    try:
        return msgspec.convert(found.get("spec") or {}, LeaseSpec)
    except msgspec.ValidationError:
        return LeaseSpec()


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _say(error: Exception) -> str:
    return str(error) or "no answer in time"
