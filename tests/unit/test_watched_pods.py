"""Pods behind Services, which are watched once an upstream selects endpoints by their labels."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from headgate.api import Ingress, Pod, TopLevel
from headgate.api.nginx_org import VirtualServer
from headgate.k8s import WorkQueue
from headgate.k8s.informer import Change, Listing
from headgate.problems import ObjectRef
from headgate.watch import Selection, Watches
from headgate.watch.pods import ask_for_pods
from tests.simulated_cluster import api_object, flags


class Listed:
    """A source whose objects never change; Pods are the only ones."""

    def __init__(self, model: type[TopLevel], selection: Selection) -> None:
        del selection
        items = [api_object(Pod, metadata={"namespace": "shop", "name": "a"})] if model is Pod else []
        self._objects = {item.ref: item for item in items}

    async def list(self) -> Listing:
        return Listing("1", self._objects)

    async def watch(self, version: str) -> AsyncIterator[Change]:
        del version
        await asyncio.Event().wait()
        yield  # type: ignore[misc]


async def test_all_pods_are_in_one_batch_only() -> None:
    watches = Watches(flags(()), Listed, WorkQueue())  # type: ignore[arg-type]
    running = asyncio.create_task(watches.run())
    await watches.synced()
    assert [*await watches.know_pods()] == [ObjectRef("Pod", "shop", "a")]
    assert [*await watches.know_pods()] == []
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_pods_are_asked_for_by_a_subselector_and_by_checks_as_their_probes_say() -> None:
    def ingress(**annotations: str) -> TopLevel:
        return api_object(Ingress, metadata={"namespace": "shop", "name": "cafe", "annotations": annotations})

    def virtual_server(**upstream: object) -> TopLevel:
        return api_object(VirtualServer, metadata={"namespace": "shop", "name": "cafe"}, spec={"upstreams": [upstream]})

    assert not ask_for_pods([ingress(), virtual_server(name="tea"), None])
    assert not ask_for_pods([virtual_server(name="tea", healthCheck={"enable": True})])
    assert ask_for_pods([ingress(**{"nginx.com/health-checks": "true"})])
    assert ask_for_pods([virtual_server(name="tea", subselector={"version": "1"})])
