"""Values that were written for ingress-nginx's chart: they render, and what has no meaning is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import chart
import pytest
import yaml

from headgate.community_flags import COMMUNITY_DECLINED
from headgate.options import DECLARED, NamespacedName
from tests.chart.helm import NAMESPACE, HelmError, nested, notes, render, template
from tests.chart.test_values import merge

TYPICAL = yaml.safe_load((Path(__file__).parent / "values" / "ingress-nginx.yaml").read_text())


def test_every_row_leads_somewhere() -> None:
    for row in chart.COMMUNITY:
        ways = row.keys() & {"to", "flag", "by", "note"}
        assert len(ways) == 1, row
        assert row.get("to", "controller.name") in chart.VALUES, row
        assert row.get("flag", "v") in DECLARED or row["flag"] in COMMUNITY_DECLINED, row
        assert row["value"] not in chart.VALUES, row
        assert ("default" in row) == ("note" in row), row


def test_a_typical_file_is_an_installation_of_its_kind() -> None:
    release = render(TYPICAL)
    options = release.options
    assert options.community
    assert options.configmap == NamespacedName(NAMESPACE, "headgate")
    assert options.tcp_services_configmap == NamespacedName(NAMESPACE, "headgate-tcp")
    assert options.controller_class == "k8s.io/ingress-edge"
    assert options.default_server_tls_secret == NamespacedName("edge", "default-tls")
    assert (options.reload_spacing, options.enable_tls_passthrough) == (2000, True)
    assert options.metrics_beside_probes
    assert (options.health_status, options.health_check_path) == (True, "/healthz")
    found = release.one("IngressClass")
    assert (found["metadata"]["name"], found["spec"]["controller"]) == ("edge", "k8s.io/ingress-edge")
    data = next(item["data"] for item in release.all("ConfigMap") if item["metadata"]["name"] == "headgate")
    assert data["hsts-max-age"] == "31536000"
    assert data["allow-snippet-annotations"] == "false"


def test_a_service_monitor_finds_a_service_unless_that_is_switched_off() -> None:
    metrics: dict[str, Any] = {"enabled": True, "serviceMonitor": {"enabled": True}}
    release = render({"controller": {"metrics": metrics}})
    labels = release.one("ServiceMonitor")["spec"]["selector"]["matchLabels"]
    assert [item for item in release.all("Service") if labels.items() <= item["metadata"]["labels"].items()]
    off = render({"controller": {"metrics": {**metrics, "service": {"enabled": False}}}})
    assert not [item for item in off.all("Service") if labels.items() <= item["metadata"]["labels"].items()]


def test_what_has_no_meaning_is_named(tmp_path: Path) -> None:
    told = [line for line in notes(tmp_path, TYPICAL).splitlines() if line.startswith("NOTE")]
    image, interval, *more = told
    assert "controller.image names the image of ingress-nginx and has no effect" in image
    assert "controller.metrics.serviceMonitor.scrapeInterval has no effect" in interval
    assert more == []


def test_defaults_without_meaning_are_taken_without_a_word(tmp_path: Path) -> None:
    values: dict[str, Any] = {}
    for row in chart.COMMUNITY:
        if "note" in row:
            merge(values, nested(row["value"], row["default"]))
    assert "NOTE" not in notes(tmp_path, values)


ARGUMENTS: dict[str, tuple[dict[str, Any], str, Any]] = {
    "a port": ({"http-port": 8080}, "default_http_listener_port", 8080),
    "a port of TLS": ({"https-port": "8443"}, "default_https_listener_port", 8443),
    "the port of health and metrics": ({"healthz-port": 9000}, "ready_status_port", 9000),
    "a switch": ({"update-status": "false"}, "report_ingress_status", False),
    "the Lease": ({"election-id": "edge"}, "leader_election_lock_name", "edge"),
    "namespaces": ({"watch-namespace": "shop"}, "watch_namespace", ("shop",)),
    "a Service": ({"publish-service": "edge/front"}, "published_service", NamespacedName("edge", "front")),
    "a flag without value": ({"enable-ssl-passthrough": ""}, "enable_tls_passthrough", True),
    "a number": ({"sync-rate-limit": 2}, "reload_spacing", 500),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_are_a_mapping(name: str) -> None:
    given, field, value = ARGUMENTS[name]
    release = render(nested("controller.extraArgs", given))
    assert getattr(release.options, field) == value
    assert release.options.community


def test_values_of_this_chart_alone_make_no_installation_of_its_kind() -> None:
    assert not render().options.community
    assert not render(
        nested("controller.admissionWebhooks", {"enabled": True, "patch": {"enabled": True}})
    ).options.community
    assert render(nested("controller.config", {"proxy-body-size": "1m"})).options.community
    assert render(nested("controller.kind", "Deployment")).options.community


def test_a_name_of_neither_chart_is_refused() -> None:
    with pytest.raises(HelmError, match="additional properties 'extraArguments' not allowed"):
        template(nested("controller.extraArguments", {}))
    with pytest.raises(HelmError, match=r"/controller/config/records"):
        template(nested("controller.config.records", {"http2": "true"}))
