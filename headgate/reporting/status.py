"""Statuses: written by the leader, and only where they differ from the present ones.

What is written to an object is decided by the form of its kind (``status_forms``).
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from headgate.api.base import Kind, TopLevel
from headgate.api.core import LoadBalancerIngress, LoadBalancerStatus, Service, ServicePort
from headgate.backoff import retry_delay
from headgate.problems import ObjectRef
from headgate.reporting.api import ApiWriter, Denials, may_heal, status_code
from headgate.reporting.status_forms import Addresses, Exposure, Fields, Form, differs
from headgate.reporting.verdicts import Verdict

log = logging.getLogger(__name__)

_NOT_FOUND = 404


class Pace(msgspec.Struct, frozen=True):
    """The rate at which statuses are written.

    Attributes:
        workers: writes at the same time.
        retry: seconds before a failed write is repeated; doubles each time.
        longest: longest delay in seconds.
    """

    workers: int = 10
    retry: float = 1.0
    longest: float = 60.0


USUAL = Pace()


def addresses(service: Service | None, configured: str = "") -> Addresses:
    """Return the addresses to write.

    Args:
        service: the Service of ``-external-service``, None if there is none.
        configured: the ConfigMap's ``external-status-address``, which takes precedence; empty if it is not set.
    """
    if configured.strip():
        return (address(configured.strip()),)
    if service is None or service.spec is None:
        return ()
    if service.spec.type == "ExternalName":
        return (address(service.spec.external_name),) if service.spec.external_name else ()
    balancer = (service.status and service.status.load_balancer) or LoadBalancerStatus()
    given = balancer.ingress or () if service.spec.type == "LoadBalancer" else ()
    texts = [item.ip or item.hostname or "" for item in given] + list(service.spec.external_ips or ())
    return tuple(address(text) for text in dict.fromkeys(texts) if text)


def address(text: str) -> LoadBalancerIngress:
    """Return *text* as an IP if it is one, else as a host name."""
    try:
        return LoadBalancerIngress(ip=str(ipaddress.ip_address(text)))
    except ValueError:
        return LoadBalancerIngress(hostname=text)


def ports(service: Service | None) -> str:
    """Return the ports of *service* that lead to HTTP and HTTPS, as ``[80,443]``; empty if there are none."""
    declared = service.spec.ports or () if service and service.spec else ()
    found = [str(each.port) for each in declared if _leads_to_http(each)]
    return f"[{','.join(found)}]" if found else ""


def _leads_to_http(port: ServicePort) -> bool:
    return (port.target_port or port.port) in {80, 443, "80", "443", "http", "https"}


def _always() -> bool:
    """Return true: leadership does not end by itself."""
    return True


class StatusWriter:
    """Keeps the statuses of objects up to date.

    ``run`` writes; the other methods do not block. After a cancellation statuses that were not written yet stay as they
    are; the next leader writes them.
    """

    def __init__(
        self,
        api: ApiWriter,
        current: Callable[[ObjectRef], TopLevel | None],
        forms: Mapping[Kind, Form],
        *,
        pace: Pace = USUAL,
    ) -> None:
        """Write through *api* to objects of the kinds that have a form.

        *current* looks an object up in the Store, None if it is gone.
        """
        self._api = api
        self._forms = {(kind.group, kind.name): (kind, form) for kind, form in forms.items()}
        self._current = current
        self._pace = pace
        self._leading = False
        self._still = _always
        self._exposure: Exposure | None = None
        self._verdicts: dict[ObjectRef, Verdict] = {}
        self._written: dict[ObjectRef, Fields] = {}
        self._failures: dict[ObjectRef, int] = {}
        self._bugs: dict[ObjectRef, str] = {}
        self._denials = Denials()
        self._timers: dict[ObjectRef, asyncio.TimerHandle] = {}
        self._dirty: set[ObjectRef] = set()
        self._busy: set[ObjectRef] = set()
        self._queue: asyncio.Queue[ObjectRef] = asyncio.Queue()

    def report(self, verdict: Verdict) -> None:
        """Note what is to be reported on an object; its status is written later, if its kind has a form."""
        ref = verdict.ref
        if (ref.group, ref.kind) in self._forms:
            self._verdicts[ref] = verdict
            self._mark(ref)

    def forget(self, ref: ObjectRef) -> None:
        """Stop caring for an object that was deleted or went to another class."""
        for memory in (self._verdicts, self._written, self._failures, self._bugs):
            memory.pop(ref, None)
        if timer := self._timers.pop(ref, None):
            timer.cancel()

    def set_addresses(self, found: Addresses, *, known: bool = True, ports: str = "") -> None:
        """Change the addresses that statuses show, and their *ports*.

        No address clears statuses, also those of an earlier installation, unless it is not *known* whether there is
        one: the Service or the ConfigMap that would say it was not read yet, or may not be read.
        """
        exposure = Exposure(found, ports)
        if exposure == self._exposure or not (found or known):
            return
        self._exposure = exposure
        self._mark_all()

    def lead(self, still: Callable[[], bool] = _always) -> None:
        """Begin to write; every status is compared again.

        *still* is called before each write: a process that was paused may have lost its leadership without having
        noticed it yet.
        """
        self._leading, self._still = True, still
        self._written.clear()
        self._mark_all()

    def follow(self) -> None:
        """Stop writing: another replica leads."""
        self._leading = False

    async def run(self) -> None:
        """Write statuses until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(self._pace.workers):
                    tasks.create_task(self._work())
        finally:
            for timer in self._timers.values():
                timer.cancel()

    def _mark_all(self) -> None:
        for ref in self._verdicts:
            self._mark(ref)

    def _mark(self, ref: ObjectRef) -> None:
        """Queue *ref* once; if it is being written it is queued again afterwards."""
        if not self._leading or ref in self._dirty:
            return
        self._dirty.add(ref)
        if ref not in self._busy:
            self._queue.put_nowait(ref)

    async def _work(self) -> None:
        while True:
            ref = await self._queue.get()
            self._dirty.discard(ref)
            self._busy.add(ref)
            try:
                await self._settle(ref)
            finally:
                self._busy.discard(ref)
                if ref in self._dirty:
                    self._queue.put_nowait(ref)

    async def _settle(self, ref: ObjectRef) -> None:
        """Write one status if this replica leads and it differs; after a failure it is tried again later."""
        wanted, item = self._wanted(ref), self._current(ref)
        if wanted is None or item is None or self._is_current(ref, item, wanted):
            return
        kind, _ = self._forms[ref.group, ref.kind]
        try:
            await self._api.update_status(kind, ref.namespace, ref.name, self._change(ref))
        except self._api.failure as error:
            self._failed(ref, error)
        except Exception as error:  # noqa: BLE001 kept to this status; others must not wait
            self._broke(ref, error)
        else:
            self._failures.pop(ref, None)
            self._bugs.pop(ref, None)
            self._denials.over(ref.namespace)

    def _wanted(self, ref: ObjectRef) -> Fields | None:
        """Return the fields for *ref*; None if nothing is to be written."""
        verdict = self._verdicts.get(ref)
        if not (self._leading and self._still()) or verdict is None:
            return None
        _, form = self._forms[ref.group, ref.kind]
        return form(verdict, self._exposure)

    def _is_current(self, ref: ObjectRef, item: TopLevel, wanted: Fields) -> bool:
        """Whether the Store has *wanted*, and nothing else was written that the Store does not have yet."""
        status = msgspec.to_builtins(getattr(item, "status", None) or {})
        return not differs(status, wanted) and self._written.get(ref, wanted) == wanted

    def _change(self, ref: ObjectRef) -> Callable[[dict[str, Any]], dict[str, Any] | None]:
        """Return the change to the object of the API server; what is wanted is determined when it is called."""

        def change(found: dict[str, Any]) -> dict[str, Any] | None:
            wanted = self._wanted(ref)
            if wanted is None:
                return None
            self._written[ref] = wanted
            status = found.get("status") or {}
            return {**found, "status": {**status, **wanted}} if differs(status, wanted) else None

        return change

    def _failed(self, ref: ObjectRef, error: Exception) -> None:
        """Log it and retry later, unless the object was deleted or will be refused again."""
        self._written.pop(ref, None)
        if ref not in self._verdicts or status_code(error) == _NOT_FOUND:
            return
        if not may_heal(error):
            log.warning("status not written", extra={"fields": {"object": str(ref), "error": str(error)}})
            return
        failures = self._failures[ref] = self._failures.get(ref, 0) + 1
        delay = retry_delay(failures, first=self._pace.retry, longest=self._pace.longest)
        fields = {"object": str(ref), "error": str(error), "retry_seconds": delay}
        log.log(self._denials.level(ref.namespace, error), "status not written", extra={"fields": fields})
        if timer := self._timers.pop(ref, None):
            timer.cancel()
        self._timers[ref] = asyncio.get_running_loop().call_later(delay, self._again, ref)

    def _broke(self, ref: ObjectRef, error: Exception) -> None:
        """Log once that a bug prevents a status from being written; it is retried when something changes."""
        self._written.pop(ref, None)
        known, self._bugs[ref] = self._bugs.get(ref), repr(error)
        level = logging.DEBUG if known == repr(error) else logging.ERROR
        log.log(level, "internal error", exc_info=error, extra={"fields": {"object": str(ref), "doing": "its status"}})

    def _again(self, ref: ObjectRef) -> None:
        self._timers.pop(ref, None)
        self._mark(ref)
