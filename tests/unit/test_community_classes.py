"""Which Ingresses the flags of ingress-nginx choose, and what they keep from being served."""

from __future__ import annotations

import pytest
from msgspec import structs

from headgate.api import Ingress, IngressClass, Service
from headgate.problems import ObjectRef
from tests.simulated_cluster import SimulatedCluster
from tests.unit.pipeline.test_community_config_map import SHOP, ingress, ingress_class

INSTALLED = "--election-id=a"
"""A flag of ingress-nginx that says nothing else."""


def served(*objects: Ingress | IngressClass | Service, flags: tuple[str, ...]) -> dict[ObjectRef, str]:
    """Return the name of the dialect of each Ingress that is served in a cluster."""
    cluster = SimulatedCluster(flags)
    cluster.put(*objects)
    resources = cluster.process_batch().resources
    layers = {ref: found.wanted.table.hosts[0].settings for ref, found in resources.items()}
    return {ref: str(each[0].overrides.dialect and each[0].overrides.dialect.name) for ref, each in layers.items()}


def classless(name: str) -> Ingress:
    item = ingress(name)
    assert item.spec
    return structs.replace(item, spec=structs.replace(item.spec, ingress_class_name=None))


@pytest.mark.parametrize(
    ("flags", "controller", "dialect"),
    [
        ((INSTALLED,), "", "ingress-nginx"),
        ((), "", "nginx.org"),
        ((INSTALLED,), "nginx.org/ingress-controller", "nginx.org"),
        ((INSTALLED,), "example.com/other", None),
        ((INSTALLED, "--ingress-class-by-name"), "example.com/other", "ingress-nginx"),
        ((INSTALLED, "--controller-class=example.com/other"), "example.com/other", "ingress-nginx"),
    ],
)
def test_the_class(flags: tuple[str, ...], controller: str, dialect: str | None) -> None:
    classes = [ingress_class("nginx", controller)] if controller else []
    assert served(ingress("shop"), *classes, flags=flags).get(SHOP) == dialect


def test_an_ingress_without_a_class_is_served_if_a_flag_says_so() -> None:
    assert served(classless("shop"), flags=(INSTALLED,)) == {}
    assert served(classless("shop"), flags=("--watch-ingress-without-class",)) == {SHOP: "ingress-nginx"}


@pytest.mark.parametrize(("flags", "told"), [((INSTALLED,), False), (("--disable-svc-external-name",), True)])
def test_services_of_type_external_name(flags: tuple[str, ...], told: bool) -> None:
    cluster = SimulatedCluster(flags)
    spec = {"type": "ExternalName", "externalName": "192.0.2.7", "ports": [{"port": 80}]}
    cluster.put(ingress("shop"), Service.convert({"metadata": {"namespace": "default", "name": "shop"}, "spec": spec}))
    problems = cluster.process_batch().resources[SHOP].wanted.problems
    assert any("--disable-svc-external-name" in str(problem) for problem in problems) == told
