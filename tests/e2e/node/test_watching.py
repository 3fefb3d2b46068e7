"""Which namespaces and classes Headgate serves, seen from Pods: by list, by label, two of them side by side."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.environment import new_environment
from tests.e2e.node.backend import backend
from tests.e2e.node.installation import Installation
from tests.e2e.objects import ingress, ingress_class
from tests.waiting import eventually


@pytest.fixture
async def neighbour(installation: Installation, cluster: Cluster) -> AsyncIterator[Installation]:
    """Another Headgate with a class and a namespace of its own."""
    async with new_environment(cluster) as env:
        yield Installation(env, installation.image, installation.node)


async def add_shops(installation: Installation, *namespaces: str) -> None:
    """A backend in each namespace, and an Ingress for a host of the namespace's name."""
    env = installation.env
    for namespace in namespaces:
        await env.cluster.apply(*backend(namespace, "echo", installation.image))
        await env.cluster.apply(ingress(namespace, "shop", env.name, host=f"{namespace}.test"))


async def serves(installation: Installation, *hosts: str, out_of: tuple[str, ...]) -> None:
    """Wait until of the hosts *out_of* exactly *hosts* are served."""

    async def served() -> tuple[str, ...] | None:
        statuses = {host: (await installation.get(f"{host}.test")).status for host in out_of}
        # A backend may not be ready yet; no answer at all is none.
        assert set(statuses.values()) <= {0, 200, 404, 502}, statuses
        return None if 0 in statuses.values() else tuple(host for host, status in statuses.items() if status != 404)

    await eventually(served, lambda found: found == hosts)


async def test_namespaces_are_selected_by_list_and_by_label(installation: Installation) -> None:
    env, cluster = installation.env, installation.cluster
    namespaces = first, second, third = tuple(f"{env.name}-{suffix}" for suffix in "abc")
    for namespace in namespaces:
        await env.add_namespace(namespace)
    await add_shops(installation, *namespaces)
    await installation.install(f"-watch-namespace={first},{second}")
    await serves(installation, first, second, out_of=namespaces)

    label = {"team": env.name}
    await cluster.merge("Namespace", "", third, {"metadata": {"labels": label}})
    await cluster.apply(installation.deployment(f"-watch-namespace-label=team={env.name}", revision="2"))
    await installation.settled(1)
    await serves(installation, third, out_of=namespaces)
    await cluster.merge("Namespace", "", first, {"metadata": {"labels": label}})
    await serves(installation, first, third, out_of=namespaces)
    await cluster.merge("Namespace", "", third, {"metadata": {"labels": {"team": None}}})
    await serves(installation, first, out_of=namespaces)


async def test_two_classes_are_served_side_by_side(installation: Installation, neighbour: Installation) -> None:
    here, there, env = installation, neighbour, installation.env
    hosts = ("shop", "other")
    # An IngressClass that nobody has made is taken to be the controller's own, and may come later.
    await there.cluster.delete("IngressClass", "", there.namespace)
    await env.add_ingress("shop")
    await env.cluster.apply(ingress(env.name, "other", there.namespace, host="other.test"))
    await here.install()
    await there.install()
    await serves(here, "shop", out_of=hosts)
    await serves(there, "other", out_of=hosts)

    await there.cluster.apply(ingress_class(there.namespace))
    await env.cluster.apply(ingress(env.name, "shop", there.namespace, host="shop.test"))
    await serves(there, "shop", "other", out_of=hosts)
    await serves(here, out_of=hosts)
    await env.cluster.apply(ingress(env.name, "other", env.name, host="other.test"))
    await serves(here, "other", out_of=hosts)
    await serves(there, "shop", out_of=hosts)
    # Each has a Lease of its own and leads.
    for side in (here, there):
        lease = await side.cluster.get("Lease", side.namespace, "nginx-ingress-leader-election")
        assert lease["spec"]["holderIdentity"] == await side.pod()
