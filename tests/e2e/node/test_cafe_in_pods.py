"""The cafe example as its README applies it, with Pods behind its Services, before Headgate's Pod."""

from __future__ import annotations

import asyncio

import pytest

from tests.e2e.cafe_example import HOST, cafe
from tests.e2e.node.backend import backend
from tests.e2e.node.installation import Installation
from tests.e2e.objects import BALANCER, config_map, service
from tests.waiting import eventually

LOG = {"log-format": "$host|$request_method|$uri|$status|$upstream_addr"}


@pytest.fixture
async def serving(installation: Installation) -> Installation:
    """The example behind a load balancer, which no cluster of these tests has: its address is written by hand."""
    cluster, namespace = installation.cluster, installation.namespace
    await cluster.apply(service(namespace, "balancer", type="LoadBalancer"), config_map(namespace, "settings", LOG))
    shown = {"status": {"loadBalancer": {"ingress": [{"ip": BALANCER}]}}}
    await cluster.merge("Service", namespace, "balancer", shown, "status")
    deployments = [backend(namespace, drink, installation.image)[0] for drink in ("tea", "coffee")]
    await cluster.kubectl_apply(*cafe(namespace, namespace), *deployments)
    await asyncio.gather(
        installation.install(
            "-report-ingress-status",
            "-external-service=balancer",
            "-nginx-configmaps=$(POD_NAMESPACE)/settings",
        ),
        installation.settled(1, "tea"),
        installation.settled(1, "coffee"),
    )
    for path in ("/tea", "/coffee"):
        await installation.serves(HOST, path, tls=True)
    return installation


async def test_the_cafe_example_is_served(serving: Installation) -> None:
    for drink in ("tea", "coffee"):
        (pod,) = await serving.pods(drink)
        answer = await serving.get(HOST, f"/{drink}/green", tls=True)
        assert answer.text == f"{pod['metadata']['name']} GET /{drink}/green"
    assert (await serving.get(HOST, "/teapot", tls=True)).status == 404
    assert (await serving.get(HOST, "/tea")).status == 301
    assert (await serving.get("bakery.example.com", "/tea")).status == 404
    await _shows_its_address_and_events(serving)
    await _counts(serving)
    await _logs_accesses_in_the_format_of_the_config_map(serving)


async def _shows_its_address_and_events(serving: Installation) -> None:
    cluster, namespace = serving.cluster, serving.namespace
    await eventually(lambda: cluster.addresses(namespace, "cafe-ingress"), lambda found: found == [BALANCER])
    await eventually(lambda: cluster.reasons(namespace, "cafe-ingress"), lambda found: "AddedOrUpdated" in found)
    if cluster.kubectl_path:
        described = await cluster.kubectl("describe", "ingress", "cafe-ingress", "-n", namespace)
        assert f"Configuration for {namespace}/cafe-ingress was added or updated" in described
        assert BALANCER in described


async def _counts(serving: Installation) -> None:
    resources = "nginx_ingress_controller_ingress_resources_total"
    assert await serving.metric(resources, type="regular", **{"class": serving.namespace}) == 1
    assert await serving.metric("nginx_ingress_controller_nginx_last_reload_status") == 1
    assert await serving.metric("nginx_ingress_nginx_connections_accepted") > 0


async def _logs_accesses_in_the_format_of_the_config_map(serving: Installation) -> None:
    (tea,) = await serving.pods("tea")
    log = (await serving.log(await serving.pod())).splitlines()
    assert f"{HOST}|GET|/tea/green|200|{tea['status']['podIP']}:8080" in log
    assert f"{HOST}|GET|/tea|301|-" in log
