"""The cafe example, as its README applies it."""

from __future__ import annotations

import pytest

from tests.e2e.cafe_example import HOST, cafe
from tests.e2e.environment import Environment
from tests.e2e.objects import BALANCER, config_map, endpoint_slice, service
from tests.e2e.replica import Answer, Replica
from tests.waiting import eventually

BY_HAND = "203.0.113.8"


@pytest.fixture
async def serving(env: Environment, echo: None) -> Replica:
    """The example behind a load balancer, applied while Headgate runs."""
    balancer = service(env.name, "balancer", type="LoadBalancer")
    await env.cluster.apply(balancer, config_map(env.name, "settings", {}))
    shown = {"status": {"loadBalancer": {"ingress": [{"ip": BALANCER}]}}}
    await env.cluster.merge("Service", env.name, "balancer", shown, "status")
    replica = await env.start(
        "-report-ingress-status", "-external-service=balancer", f"-nginx-configmaps={env.name}/settings"
    )
    await env.cluster.kubectl_apply(*cafe(env.name, env.name))
    await env.cluster.apply(*(endpoint_slice(env.name, f"{drink}-svc", *env.backend) for drink in ("tea", "coffee")))
    for path in ("/tea", "/coffee"):
        await eventually(lambda wanted=path: replica.get(HOST, wanted, tls=True), lambda answer: answer.status == 200)
    return replica


async def test_traffic_flows_over_https_and_http_is_redirected(serving: Replica) -> None:
    assert await serving.get(HOST, "/tea/green", tls=True) == Answer(200, "GET /tea/green")
    assert await serving.get(HOST, "/coffee", tls=True) == Answer(200, "GET /coffee")
    assert (await serving.get(HOST, "/teapot", tls=True)).status == 404
    assert (await serving.get(HOST, "/tea")).status == 301
    assert (await serving.get("bakery.example.com", "/tea")).status == 404


async def test_status_shows_the_balancer_unless_the_config_map_names_an_address(
    serving: Replica, env: Environment
) -> None:
    async def addresses() -> list[str]:
        return await env.cluster.addresses(env.name, "cafe-ingress")

    await eventually(addresses, lambda found: found == [BALANCER])
    await env.cluster.apply(config_map(env.name, "settings", {"external-status-address": BY_HAND}))
    await eventually(addresses, lambda found: found == [BY_HAND])
    await env.cluster.apply(config_map(env.name, "settings", {}))
    await eventually(addresses, lambda found: found == [BALANCER])


async def test_events_are_counted_and_kubectl_describes_them(serving: Replica, env: Environment) -> None:
    for times, path in enumerate(("/mocha", "/latte"), 1):
        await eventually(lambda: told(env, "AddedOrUpdated"), lambda count, so_far=times: count == so_far)
        change = cafe(env.name, env.name)[-1]
        change["spec"]["rules"][0]["http"]["paths"][0]["path"] = path
        await env.cluster.kubectl_apply(change)
    await eventually(lambda: told(env, "AddedOrUpdated"), lambda count: count == 3)
    assert (await env.cluster.reasons(env.name, "cafe-ingress")).count("AddedOrUpdated") == 1
    if env.cluster.kubectl_path:
        described = await env.cluster.kubectl("describe", "ingress", "cafe-ingress", "-n", env.name)
        assert f"Configuration for {env.name}/cafe-ingress was added or updated\n" in described
        assert "(x3 over" in described


async def told(env: Environment, reason: str) -> int:
    """How often the Ingress was told *reason*."""
    events = await env.cluster.events(env.name, "cafe-ingress")
    return sum(event["count"] for event in events if event["reason"] == reason)


async def test_metrics_count_resources_and_reloads(serving: Replica, env: Environment) -> None:
    resources = "nginx_ingress_controller_ingress_resources_total"
    reloads = "nginx_ingress_controller_nginx_reloads_total"
    assert await serving.metric(resources, type="regular", **{"class": env.name}) == 1
    assert await serving.metric(reloads) > 1
    assert await serving.metric("nginx_ingress_controller_nginx_last_reload_status") == 1
    assert await serving.metric("nginx_ingress_nginx_connections_accepted") > 0
    await env.cluster.delete("Ingress", env.name, "cafe-ingress")
    await eventually(lambda: serving.metric(resources), lambda count: count == 0)
    await eventually(lambda: serving.get(HOST, "/tea"), lambda answer: answer.status == 404)


async def test_a_change_that_means_nothing_to_nginx_reloads_nothing(serving: Replica, env: Environment) -> None:
    await eventually(lambda: told(env, "AddedOrUpdated"), lambda times: times == 1)
    reloads, before = await serving.reloads(), await serving.batches()
    note = {"metadata": {"annotations": {"example.com/note": "to nobody"}}}
    await env.cluster.merge("Ingress", env.name, "cafe-ingress", note)
    await eventually(lambda: told(env, "AddedOrUpdated"), lambda times: times == 2)
    await eventually(serving.batches, lambda count: count > before)
    assert await serving.reloads() == reloads
