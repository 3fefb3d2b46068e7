"""The cafe example, as its README applies it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.objects import config_map, endpoint_slice, service
from tests.e2e.place import Place
from tests.e2e.replica import Answer, Replica
from tests.waiting import eventually

CAFE = Path(__file__).parents[2] / "examples" / "cafe"
HOST = "cafe.example.com"
BALANCER, BY_HAND = "203.0.113.7", "203.0.113.8"


def cafe(place: Place) -> list[dict[str, Any]]:
    """The manifests of the example, with the place's namespace and class in place of ``default`` and ``nginx``."""
    documents: list[dict[str, Any]] = []
    for name in ("secret.yaml", "services.yaml", "cafe.yaml"):
        documents += yaml.safe_load_all((CAFE / name).read_text())
    for document in documents:
        document["metadata"]["namespace"] = place.name
        if document["kind"] == "Ingress":
            document["spec"]["ingressClassName"] = place.name
    return documents


@pytest.fixture
async def serving(place: Place, echo: None) -> Replica:
    """The example behind a load balancer, applied while Headgate runs."""
    balancer = service(place.name, "balancer", type="LoadBalancer")
    await place.cluster.apply(balancer, config_map(place.name, "settings", {}))
    shown = {"status": {"loadBalancer": {"ingress": [{"ip": BALANCER}]}}}
    await place.cluster.merge("Service", place.name, "balancer", shown, "status")
    replica = await place.start(
        "-report-ingress-status", "-external-service=balancer", f"-nginx-configmaps={place.name}/settings"
    )
    await place.cluster.kubectl_apply(*cafe(place))
    await place.cluster.apply(
        *(endpoint_slice(place.name, f"{drink}-svc", *place.backend) for drink in ("tea", "coffee"))
    )
    for path in ("/tea", "/coffee"):
        await eventually(lambda wanted=path: replica.get(HOST, wanted, tls=True), lambda answer: answer.status == 200)
    return replica


async def test_traffic_flows_over_https_and_http_is_redirected(serving: Replica) -> None:
    assert await serving.get(HOST, "/tea/green", tls=True) == Answer(200, "GET /tea/green")
    assert await serving.get(HOST, "/coffee", tls=True) == Answer(200, "GET /coffee")
    assert (await serving.get(HOST, "/teapot", tls=True)).status == 404
    assert (await serving.get(HOST, "/tea")).status == 301
    assert (await serving.get("bakery.example.com", "/tea")).status == 404


async def test_status_shows_the_balancer_unless_the_config_map_names_an_address(serving: Replica, place: Place) -> None:
    async def addresses() -> list[str]:
        return await place.cluster.addresses(place.name, "cafe-ingress")

    await eventually(addresses, lambda found: found == [BALANCER])
    await place.cluster.apply(config_map(place.name, "settings", {"external-status-address": BY_HAND}))
    await eventually(addresses, lambda found: found == [BY_HAND])
    await place.cluster.apply(config_map(place.name, "settings", {}))
    await eventually(addresses, lambda found: found == [BALANCER])


async def test_events_are_counted_and_kubectl_describes_them(serving: Replica, place: Place) -> None:
    for times, path in enumerate(("/mocha", "/latte"), 1):
        await eventually(lambda: told(place, "AddedOrUpdated"), lambda count, so_far=times: count == so_far)
        change = cafe(place)[-1]
        change["spec"]["rules"][0]["http"]["paths"][0]["path"] = path
        await place.cluster.kubectl_apply(change)
    await eventually(lambda: told(place, "AddedOrUpdated"), lambda count: count == 3)
    assert (await place.cluster.reasons(place.name, "cafe-ingress")).count("AddedOrUpdated") == 1
    if place.cluster.kubectl_path:
        described = await place.cluster.kubectl("describe", "ingress", "cafe-ingress", "-n", place.name)
        assert f"Configuration for {place.name}/cafe-ingress was added or updated\n" in described
        assert "(x3 over" in described


async def told(place: Place, reason: str) -> int:
    """How often the Ingress was told *reason*."""
    events = await place.cluster.events(place.name, "cafe-ingress")
    return sum(event["count"] for event in events if event["reason"] == reason)


async def test_metrics_count_resources_and_reloads(serving: Replica, place: Place) -> None:
    resources = "nginx_ingress_controller_ingress_resources_total"
    reloads = "nginx_ingress_controller_nginx_reloads_total"
    assert await serving.metric(resources, type="regular", **{"class": place.name}) == 1
    assert await serving.metric(reloads) > 1
    assert await serving.metric("nginx_ingress_controller_nginx_last_reload_status") == 1
    assert await serving.metric("nginx_ingress_nginx_connections_accepted") > 0
    await place.cluster.delete("Ingress", place.name, "cafe-ingress")
    await eventually(lambda: serving.metric(resources), lambda count: count == 0)
    await eventually(lambda: serving.get(HOST, "/tea"), lambda answer: answer.status == 404)


async def test_a_change_that_means_nothing_to_nginx_reloads_nothing(serving: Replica, place: Place) -> None:
    reloads, before = await serving.reloads(), await serving.batches()
    await eventually(lambda: told(place, "AddedOrUpdated"), lambda times: times == 1)
    note = {"metadata": {"annotations": {"example.com/note": "to nobody"}}}
    await place.cluster.merge("Ingress", place.name, "cafe-ingress", note)
    await eventually(lambda: told(place, "AddedOrUpdated"), lambda times: times == 2)
    await eventually(serving.batches, lambda count: count > before)
    assert await serving.reloads() == reloads
