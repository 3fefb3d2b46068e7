"""Which namespaces and which class a Headgate serves."""

from __future__ import annotations

import pytest

from tests.e2e.objects import ingress, ingress_class
from tests.e2e.place import Place
from tests.e2e.replica import Replica
from tests.waiting import eventually


async def is_served(replica: Replica, host: str) -> bool:
    return (await replica.get(host)).status == 200


async def test_only_the_listed_namespaces_are_served(place: Place, echo: None) -> None:
    for suffix in ("a", "b", "c"):
        namespace = f"{place.name}-{suffix}"
        await place.add_namespace(namespace)
        await place.add_echo(namespace)
        await place.add_ingress(f"shop-{suffix}", namespace)
    replica = await place.start(f"-watch-namespace={place.name}-a,{place.name}-b")
    assert await is_served(replica, "shop-a.test")
    assert await is_served(replica, "shop-b.test")
    # What is not watched must not appear later either: an edit there is followed by one here that is seen.
    await place.add_ingress("other-c", f"{place.name}-c")
    await place.add_ingress("other-b", f"{place.name}-b")
    await eventually(lambda: is_served(replica, "other-b.test"))
    assert not await is_served(replica, "other-c.test")
    assert not await is_served(replica, "shop-c.test")


async def test_a_namespace_is_served_as_long_as_it_has_the_label(place: Place, echo: None) -> None:
    label, namespace = {"team": place.name}, f"{place.name}-a"
    await place.add_namespace(namespace)
    await place.add_echo(namespace)
    await place.add_ingress("shop", namespace)
    await place.add_namespace(f"{place.name}-b", label)
    await place.add_echo(f"{place.name}-b")
    await place.add_ingress("steady", f"{place.name}-b")
    replica = await place.start(f"-watch-namespace-label=team={place.name}")
    assert await is_served(replica, "steady.test")
    assert not await is_served(replica, "shop.test")

    await place.cluster.merge("Namespace", "", namespace, {"metadata": {"labels": label}})
    await eventually(lambda: is_served(replica, "shop.test"))
    await place.cluster.merge("Namespace", "", namespace, {"metadata": {"labels": {"team": None}}})
    await eventually(lambda: replica.get("shop.test"), lambda answer: answer.status == 404)
    assert await is_served(replica, "steady.test")


async def test_an_ingress_moves_from_one_class_to_another(place: Place, echo: None) -> None:
    other = f"{place.name}-other"
    place.discard_later("IngressClass", "", other)
    await place.cluster.apply(ingress_class(other))
    await place.add_ingress("shop")
    here, there = await place.start(), await place.start(f"-ingress-class={other}", "-enable-leader-election=false")
    assert await is_served(here, "shop.test")
    assert not await is_served(there, "shop.test")

    await place.cluster.apply(ingress(place.name, "shop", other, host="shop.test"))
    await eventually(lambda: is_served(there, "shop.test"))
    await eventually(lambda: is_served(here, "shop.test"), lambda served: not served)
    await place.add_ingress("shop")
    await eventually(lambda: is_served(here, "shop.test"))


@pytest.mark.parametrize("controller", ["example.com/another"])
async def test_a_class_of_another_controller_is_left_alone(place: Place, echo: None, controller: str) -> None:
    await place.add_ingress("shop")
    replica = await place.start()
    assert await is_served(replica, "shop.test")
    # The controller of a class is immutable: whoever changes it makes the class anew.
    await place.cluster.delete("IngressClass", "", place.name)
    await place.cluster.apply(ingress_class(place.name, controller))
    await eventually(lambda: replica.get("shop.test"), lambda answer: answer.status == 404)
    await place.cluster.delete("IngressClass", "", place.name)
    await place.cluster.apply(ingress_class(place.name))
    await eventually(lambda: is_served(replica, "shop.test"))
