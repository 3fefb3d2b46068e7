"""Which namespaces and which class a Headgate serves."""

from __future__ import annotations

import pytest

from tests.e2e.environment import Environment
from tests.e2e.objects import ingress, ingress_class
from tests.e2e.replica import Replica
from tests.waiting import eventually


async def is_served(replica: Replica, host: str) -> bool:
    return (await replica.get(host)).status == 200


async def test_only_the_listed_namespaces_are_served(env: Environment, echo: None) -> None:
    for suffix in ("a", "b", "c"):
        namespace = f"{env.name}-{suffix}"
        await env.add_namespace(namespace)
        await env.add_echo(namespace)
        await env.add_ingress(f"shop-{suffix}", namespace)
    replica = await env.start(f"-watch-namespace={env.name}-a,{env.name}-b")
    assert await is_served(replica, "shop-a.test")
    assert await is_served(replica, "shop-b.test")
    # What is not watched must not appear later either: an edit there is followed by one here that is seen.
    await env.add_ingress("other-c", f"{env.name}-c")
    await env.add_ingress("other-b", f"{env.name}-b")
    await eventually(lambda: is_served(replica, "other-b.test"))
    assert not await is_served(replica, "other-c.test")
    assert not await is_served(replica, "shop-c.test")


async def test_a_namespace_is_served_as_long_as_it_has_the_label(env: Environment, echo: None) -> None:
    label, namespace = {"team": env.name}, f"{env.name}-a"
    await env.add_namespace(namespace)
    await env.add_echo(namespace)
    await env.add_ingress("shop", namespace)
    await env.add_namespace(f"{env.name}-b", label)
    await env.add_echo(f"{env.name}-b")
    await env.add_ingress("steady", f"{env.name}-b")
    replica = await env.start(f"-watch-namespace-label=team={env.name}")
    assert await is_served(replica, "steady.test")
    assert not await is_served(replica, "shop.test")

    await env.cluster.merge("Namespace", "", namespace, {"metadata": {"labels": label}})
    await eventually(lambda: is_served(replica, "shop.test"))
    await env.cluster.merge("Namespace", "", namespace, {"metadata": {"labels": {"team": None}}})
    await eventually(lambda: replica.get("shop.test"), lambda answer: answer.status == 404)
    assert await is_served(replica, "steady.test")


async def test_an_ingress_moves_from_one_class_to_another(env: Environment, echo: None) -> None:
    other = f"{env.name}-other"
    env.discard_later("IngressClass", "", other)
    await env.cluster.apply(ingress_class(other))
    await env.add_ingress("shop")
    here, there = await env.start(), await env.start(f"-ingress-class={other}", "-enable-leader-election=false")
    assert await is_served(here, "shop.test")
    assert not await is_served(there, "shop.test")

    await env.cluster.apply(ingress(env.name, "shop", other, host="shop.test"))
    await eventually(lambda: is_served(there, "shop.test"))
    await eventually(lambda: is_served(here, "shop.test"), lambda served: not served)
    await env.add_ingress("shop")
    await eventually(lambda: is_served(here, "shop.test"))


@pytest.mark.parametrize("controller", ["example.com/another"])
async def test_a_class_of_another_controller_is_left_alone(env: Environment, echo: None, controller: str) -> None:
    await env.add_ingress("shop")
    replica = await env.start()
    assert await is_served(replica, "shop.test")
    # The controller of a class is immutable: whoever changes it makes the class anew.
    await env.cluster.delete("IngressClass", "", env.name)
    await env.cluster.apply(ingress_class(env.name, controller))
    await eventually(lambda: replica.get("shop.test"), lambda answer: answer.status == 404)
    await env.cluster.delete("IngressClass", "", env.name)
    await env.cluster.apply(ingress_class(env.name))
    await eventually(lambda: is_served(replica, "shop.test"))
