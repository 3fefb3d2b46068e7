"""ConfigMaps, which are watched once an Ingress of ingress-nginx or its ConfigMap names one in a namespace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from headgate.api import ConfigMap, Ingress, TopLevel
from headgate.k8s import WorkQueue
from headgate.k8s.informer import Change, Listing
from headgate.problems import ObjectRef
from headgate.watch import Selection, Watches
from headgate.watch.config_maps import config_maps_named
from tests.simulated_cluster import api_object, flags

OWN, OTHER = ObjectRef("ConfigMap", "shop", "own"), ObjectRef("ConfigMap", "shop", "other")
MAIN = ObjectRef("ConfigMap", "ours", "main")


def named(kind: type[TopLevel], ref: ObjectRef, **more: object) -> TopLevel:
    return api_object(kind, metadata={"namespace": ref.namespace, "name": ref.name, **more})


def ingress(**annotations: str) -> TopLevel:
    said = {f"nginx.ingress.kubernetes.io/{name.replace('_', '-')}": text for name, text in annotations.items()}
    return named(Ingress, ObjectRef("Ingress", "shop", "cafe"), annotations=said)


class Listed:
    """A source with two ConfigMaps of one namespace, which never change."""

    asked: list[tuple[str, str]]

    def __init__(self, model: type[TopLevel], selection: Selection) -> None:
        if model is ConfigMap:
            self.asked.append((selection.namespace, selection.fields))
        found = [named(ConfigMap, OWN), named(ConfigMap, OTHER)] if model is ConfigMap else []
        self._objects = {item.ref: item for item in found if item.ref.namespace == selection.namespace}

    async def list(self) -> Listing:
        return Listing("1", self._objects)

    async def watch(self, version: str) -> AsyncIterator[Change]:
        del version
        await asyncio.Event().wait()
        yield  # type: ignore[misc]


async def test_a_namespace_is_watched_once_for_the_config_maps_that_are_named_there() -> None:
    Listed.asked = []
    queue = WorkQueue()
    watches = Watches(flags(("-watch-namespace=shop",)), Listed, queue)  # type: ignore[arg-type]
    running = asyncio.create_task(watches.run())
    await watches.synced()
    assert [*await watches.know([ingress(auth_url="http://x.test")])] == []
    assert [*await watches.know([ingress(custom_headers="own")])] == [OWN]
    assert [*await watches.know([ingress(custom_headers="shop/own")])] == []
    assert [*await watches.know([ingress(custom_headers="elsewhere/own")])] == []
    assert [*await watches.know([ingress(fastcgi_params_configmap="other")])] == [OTHER]
    assert Listed.asked == [("shop", "")]
    assert watches.find(ConfigMap, OWN)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_what_is_named() -> None:
    keys = {"add-headers": "shop/own", "proxy-set-headers": "other", "hide-headers": "x"}
    main = api_object(ConfigMap, metadata={"namespace": "ours", "name": "main"}, data=keys)
    assert config_maps_named([main, None], MAIN) == {OWN, ObjectRef("ConfigMap", "ours", "other")}
    assert config_maps_named([main], None) == frozenset()
    assert config_maps_named([ingress(custom_headers="a b", auth_proxy_set_headers="")], MAIN) == frozenset()
