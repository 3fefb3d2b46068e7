"""Which replicas led and wrote statuses, as the API server saw it."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from headgate.api import Ingress, Lease, LeaseSpec
from headgate.k8s import Informer, Resources
from headgate.problems import ObjectRef
from tests.background import in_background
from tests.e2e.cluster import Cluster
from tests.e2e.environment import Environment


class LeadershipHistory:
    """Watches a namespace and notes every state of its Ingress statuses and of its Lease, in their order."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        client = cluster.client
        self._ingresses = Informer(Resources(client, Ingress, namespace), self._note_status, name="ingresses")
        self._leases = Informer(Resources(client, Lease, namespace), self._note_lease, name="leases")
        self.written: dict[str, list[str]] = {}
        """Name of an Ingress → the addresses that its status showed, one after the other."""
        self.leases: list[LeaseSpec] = []

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._ingresses.run())
            tasks.create_task(self._leases.run())

    def _note_status(self, ref: ObjectRef) -> None:
        ingress = self._ingresses.store.get(ref)
        balancer = ingress and ingress.status and ingress.status.load_balancer
        self.written.setdefault(ref.name, []).extend(item.ip or "" for item in (balancer and balancer.ingress) or ())

    def _note_lease(self, ref: ObjectRef) -> None:
        lease = self._leases.store.get(ref)
        if lease and lease.spec:
            self.leases.append(lease.spec)

    async def writers(self, name: str) -> list[str]:
        """Who wrote the status of an Ingress: each address once as long as it stays the same."""
        return [address for address, _ in itertools.groupby(self.written.get(name, []))]

    async def holders(self) -> list[str]:
        return [holder for holder, _ in itertools.groupby(spec.holder_identity or "" for spec in self.leases)]


@asynccontextmanager
async def leadership_history(env: Environment) -> AsyncIterator[LeadershipHistory]:
    """Record while the block runs."""
    history = LeadershipHistory(env.cluster, env.name)
    async with in_background(history.run()):
        yield history


def seconds_without_leader(leases: list[LeaseSpec]) -> float:
    """Seconds between the last renewal of one holder and the first of the next."""
    for before, after in itertools.pairwise(leases):
        if before.holder_identity != after.holder_identity:
            return (moment(after) - moment(before)).total_seconds()
    raise AssertionError("nobody took over")


def moment(lease: LeaseSpec) -> dt.datetime:
    assert lease.renew_time is not None
    return dt.datetime.fromisoformat(lease.renew_time)
