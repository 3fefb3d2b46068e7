"""Leadership and what only a leader does: statuses, and events about objects."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping

from headgate.api import ConfigMap, Ingress, Kind, Service, TopLevel
from headgate.controller.kinds import CLAIMANTS
from headgate.dependents.certificates import CERTIFICATES
from headgate.dependents.keeper import DependentsKeeper
from headgate.dependents.records import RECORDS, UPSTREAM_RECORDS
from headgate.k8s import Client, LeaderElector, LeaseTiming
from headgate.options import Options
from headgate.problems import ObjectRef
from headgate.reporting.events import EventRecorder
from headgate.reporting.metrics import Metrics
from headgate.reporting.status import StatusWriter, address, addresses, ports
from headgate.reporting.status_forms import Exposure, Form
from headgate.reporting.verdicts import Verdict
from headgate.watch import DEPENDENTS, Watches


class Leadership:
    """Campaigns for the Lease if there is one to campaign for; while it is held, statuses and events are written."""

    def __init__(  # noqa: PLR0913 - what it reads, whom it tells, and another pace for tests
        self,
        options: Options,
        client: Client,
        watches: Watches,
        metrics: Metrics,
        events: EventRecorder,
        timing: LeaseTiming | None = None,
    ) -> None:
        """Prepare; nothing is asked before ``run``."""
        self._options = options
        self._watches = watches
        self._metrics = metrics
        self._events = events
        self._campaigning: asyncio.Task[None] | None = None
        self.status = StatusWriter(client, self._object, forms(options))
        made = {each.row.model for each in DEPENDENTS if each.wanted(options)}
        kinds = [kind for kind in (CERTIFICATES, RECORDS, UPSTREAM_RECORDS) if kind.model in made]
        self._dependents = (
            DependentsKeeper(client, watches, kinds, events.note, options.ingress_class) if kinds else None
        )
        if self._dependents:
            watches.follow_dependents(self._dependents)
        self._elector = self._campaign(client, timing) if options.enable_leader_election else None
        if self._elector is None:
            self._lead()
        else:
            events.follow()

    async def run(self) -> None:
        """Campaign and write for ever; cancellation gives the Lease back."""
        async with asyncio.TaskGroup() as tasks:
            if self._elector:
                self._campaigning = tasks.create_task(self._elector.run())
            tasks.create_task(self.status.run())
            if self._dependents:
                tasks.create_task(self._dependents.run())

    def leave(self) -> None:
        """Stop leading, while the rest goes on: another replica, perhaps with other flags, takes over at once."""
        if self._campaigning:
            self._campaigning.cancel()
        elif self._elector is None:
            self._follow()

    def report(self, verdict: Verdict) -> None:
        """Note what is to be reported on an object, for its status and for what is made for it."""
        self.status.report(verdict)
        if self._dependents:
            self._dependents.report(verdict)

    def forget(self, ref: ObjectRef) -> None:
        """Stop caring for an object that was deleted or went to another class."""
        self.status.forget(ref)
        if self._dependents:
            self._dependents.forget(ref)

    def look_at(self, keys: frozenset[ObjectRef]) -> None:
        """Compare what is made for the objects of a batch, which may have changed only in their labels."""
        if self._dependents:
            self._dependents.look_at(keys)

    def report_addresses(self, configured: str) -> None:
        """Look at the addresses that statuses show; *configured* is the ConfigMap's, which goes first.

        Called after a batch, so everything that may be read was read; what may not be read leaves statuses alone.
        """
        options, service, known = self._options, None, True
        if front_of := options.published_service:
            ref = Service.KIND.ref(front_of.namespace, front_of.name)
            service = self._watches.find(Service, ref)
            known = self._watches.listed(Service, ref)
        for named in options.config_maps:
            ref = ConfigMap.KIND.ref(named.namespace, named.name)
            known = known and self._watches.listed(ConfigMap, ref)
        front = service if isinstance(service, Service) else None
        found = addresses(front, configured) or tuple(map(address, options.publish_status_address))
        self.status.set_addresses(found, known=known, ports=ports(front))
        if self._dependents and (found or known):
            self._dependents.set_exposure(Exposure(found))

    def _campaign(self, client: Client, timing: LeaseTiming | None) -> LeaderElector:
        return LeaderElector(
            client,
            self._options.pod_namespace,
            self._options.leader_election_lock_name,
            self._options.pod_name or f"{socket.gethostname()}-{os.getpid()}",
            started=self._lead,
            stopped=self._follow,
            barred=self._speak,
            timing=timing,
        )

    def _lead(self) -> None:
        self._metrics.set_leader(leading=True)
        self._events.lead(self.leads)
        self.status.lead(self.leads)
        if self._dependents:
            self._dependents.lead(self.leads)

    def leads(self) -> bool:
        """Whether statuses and events are written here."""
        return self._elector is None or self._elector.is_leader

    def _speak(self) -> None:
        """Create events even if the role does not permit leader election: rather duplicates than none."""
        self._events.lead(lambda: self._elector is not None and self._elector.barred)

    def _follow(self) -> None:
        self._metrics.set_leader(leading=False)
        self._events.follow()
        self.status.follow()
        if self._dependents:
            self._dependents.follow()

    def _object(self, ref: ObjectRef) -> TopLevel | None:
        """Return an object, also one that does not decode: its status is still to be written."""
        kind = next((each for each in CLAIMANTS if each.model.KIND.includes(ref)), None)
        return self._watches.known(kind.model, ref) if kind else None


def forms(options: Options) -> Mapping[Kind, Form]:
    """Return what is written to statuses by kind; to Ingresses only with ``-report-ingress-status``."""
    return {
        each.model.KIND: each.status
        for each in CLAIMANTS
        if each.status and (options.report_ingress_status or each.model is not Ingress)
    }
