"""ConfigMaps, which are watched once an Ingress of ingress-nginx or its ConfigMap names one in a namespace."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from headgate.api import ConfigMap, Ingress, IngressClass, TopLevel
from headgate.configuration import ClassRule
from headgate.k8s import Forbidden, K8sError, Unreachable, WorkQueue
from headgate.k8s.informer import Change, Listing
from headgate.problems import ObjectRef
from headgate.settings import COMMUNITY
from headgate.watch import Selection, Watches
from headgate.watch.config_maps import config_maps_named
from headgate.watch.watches import PODS_S
from tests.simulated_cluster import api_object, flags

OWN, OTHER = ObjectRef("ConfigMap", "shop", "own"), ObjectRef("ConfigMap", "shop", "other")
MAIN = ObjectRef("ConfigMap", "ours", "main")


def named(kind: type[TopLevel], ref: ObjectRef, **more: object) -> TopLevel:
    return api_object(kind, metadata={"namespace": ref.namespace, "name": ref.name, **more})


SERVED = ClassRule(dialect=COMMUNITY)


def ingress(class_name: str = "nginx", **annotations: str) -> TopLevel:
    said = {f"nginx.ingress.kubernetes.io/{name.replace('_', '-')}": text for name, text in annotations.items()}
    metadata = {"namespace": "shop", "name": "cafe", "annotations": said}
    return api_object(Ingress, metadata=metadata, spec={"ingressClassName": class_name})


class Listed:
    """A source with two ConfigMaps of one namespace, which never change."""

    asked: list[tuple[str, str]]
    classes: list[TopLevel]
    ingresses: list[TopLevel]
    fault: K8sError | None

    def __init__(self, model: type[TopLevel], selection: Selection) -> None:
        if model is ConfigMap:
            self.asked.append((selection.namespace, selection.fields))
        maps = [named(ConfigMap, OWN), named(ConfigMap, OTHER)]
        self._model = model
        self._objects = {
            item.ref: item
            for item in {ConfigMap: maps, IngressClass: self.classes, Ingress: self.ingresses}.get(model, [])
            if model is IngressClass or item.ref.namespace == selection.namespace
        }

    async def list(self) -> Listing:
        if self._model is ConfigMap and self.fault:
            raise self.fault
        return Listing("1", self._objects)

    async def watch(self, version: str) -> AsyncIterator[Change]:
        del version
        await asyncio.Event().wait()
        yield  # type: ignore[misc]


@contextlib.asynccontextmanager
async def watching(*more: str) -> AsyncIterator[Watches]:
    watches = Watches(flags(("-watch-namespace=shop", *more)), Listed, WorkQueue())  # type: ignore[arg-type]
    running = asyncio.create_task(watches.run())
    await watches.synced()
    yield watches
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.fixture(autouse=True)
def nothing_is_there() -> None:
    Listed.asked, Listed.classes, Listed.ingresses, Listed.fault = [], [], [], None


COMMUNITY_CLASS = "--ingress-dialect=ingress-nginx"


async def test_a_namespace_is_watched_once_for_the_config_maps_that_are_named_there() -> None:
    async with watching(COMMUNITY_CLASS) as watches:
        assert [*await watches.know([ingress(auth_url="http://x.test")])] == []
        assert [*await watches.know([ingress(custom_headers="own")])] == [OWN]
        assert [*await watches.know([ingress(custom_headers="shop/own")])] == []
        assert [*await watches.know([ingress(custom_headers="elsewhere/own")])] == []
        assert [*await watches.know([ingress(fastcgi_params_configmap="other")])] == [OTHER]
        assert Listed.asked == [("shop", "")]
        assert watches.find(ConfigMap, OWN)


@pytest.mark.parametrize("more", [(), ("--ingress-dialect=nginx.org",), ("-ingress-class=else", COMMUNITY_CLASS)])
async def test_config_maps_of_ingresses_of_others_are_not_watched(more: tuple[str, ...]) -> None:
    async with watching(*more) as watches:
        assert [*await watches.know([ingress(custom_headers="own")])] == []
        assert Listed.asked == []


async def test_a_class_that_is_served_now_has_ingresses_that_name_config_maps() -> None:
    Listed.ingresses = [ingress(custom_headers="own")]
    made = api_object(IngressClass, metadata={"name": "nginx"}, spec={"controller": "k8s.io/ingress-nginx"})
    Listed.classes = [made]
    async with watching() as watches:
        assert [*await watches.know([made])] == [OWN]


@pytest.mark.parametrize("fault", [Forbidden(403, "Forbidden", "may not list"), Unreachable("no answer")])
async def test_a_namespace_that_cannot_be_listed_is_not_waited_for(fault: K8sError) -> None:
    Listed.fault = fault
    async with watching(COMMUNITY_CLASS) as watches:
        async with asyncio.timeout(PODS_S / 2):
            assert [*await watches.know([ingress(custom_headers="own")])] == [OWN]
        assert watches.find(ConfigMap, OWN) is None


def test_what_is_named() -> None:
    keys = {"add-headers": "shop/own", "proxy-set-headers": "other", "hide-headers": "x"}
    main = api_object(ConfigMap, metadata={"namespace": "ours", "name": "main"}, data=keys)
    assert config_maps_named([main, None], MAIN, SERVED) == {OWN, ObjectRef("ConfigMap", "ours", "other")}
    assert config_maps_named([main], None, SERVED) == frozenset()
    assert config_maps_named([ingress(custom_headers="a b", auth_proxy_set_headers="")], MAIN, SERVED) == frozenset()
