"""The dashboard and the alerts, asked of a real Prometheus that scrapes a real run with traffic and with errors."""

from __future__ import annotations

import itertools
import json
import math
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from monitoring.prometheus import Prometheus, QueryError, filled, installed
from monitoring.queries import rows_of
from showcase.ports import free_port, free_ports

from tests.live.headgate_process import LOOPBACK, ROOT, HeadgateProcess, StartHeadgate
from tests.live.json_objects import Json, ManifestFolder, ingress, path, service, tls_secret
from tests.live.stream_backends import (
    backend_objects,
    global_configuration,
    listener,
    over_tcp,
    tcp_backend,
    transport_server,
)
from tests.nginx_binaries import ANY_NGINX, BINARIES, LUA, capabilities
from tests.waiting import wait_until

DASHBOARD = ROOT / "charts" / "headgate" / "files" / "dashboard.json"
RULES = ROOT / "deploy" / "components" / "alerts" / "headgate.rules.yaml"
QUIET = {"HeadgateAbsent", "HeadgateScrapeFailing", "HeadgateNginxDown", "HeadgateReloadFailing",
         "HeadgateConfigurationNotApplied", "HeadgateWorkQueueStuck", "HeadgateWatchFailing",
         "HeadgateConnectionsDropped"}  # fmt: skip
"""Alerts that do not fire as long as all is well."""

pytestmark = [
    pytest.mark.skipif(not installed(), reason="prometheus is not installed (apt-get install prometheus)"),
    pytest.mark.skipif(not BINARIES or not capabilities(ANY_NGINX).stub_status, reason="this nginx has no stub_status"),
]


@pytest.fixture
def stream_ports() -> tuple[int, ...]:
    """The ports of the listeners of a Service that answers, and of one that does not."""
    return tuple(free_ports(2))


def checked(service: str, **check: Any) -> Json:
    """A VirtualServer whose servers are checked; until the first answer they are ``checking``."""
    health_check = {"enable": True, "interval": "100ms", "mandatory": True, **check}
    upstream = {"name": "all", "service": service, "port": 80, "healthCheck": health_check}
    routes = [{"path": "/", "action": {"pass": "all"}}]
    return {
        "apiVersion": "k8s.nginx.org/v1",
        "kind": "VirtualServer",
        "metadata": {"name": service, "namespace": "default"},
        "spec": {"host": f"{service}.test", "upstreams": [upstream], "routes": routes},
    }


@pytest.fixture
def headgate(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, stream_ports: tuple[int, ...]
) -> Iterator[HeadgateProcess]:
    """A Headgate with a Service that answers, one that does not, a certificate and a refused Ingress."""
    paths = {"cafe.test": [path("tea", "/tea"), path("empty", "/empty")]}
    manifests.put(
        service("empty"),
        tls_secret("cafe", "cafe.test"),
        ingress("cafe", paths, tls={"cafe": ["cafe.test"]}, ssl_redirect="false", max_conns="100"),
        ingress("bad", {"bad.test": [path("tea", "no/slash")]}),
        global_configuration(listener("app", stream_ports[0]), listener("empty", stream_ports[1])),
        transport_server("app", "app", "app"),
        transport_server("empty", "empty", "empty"),
    )
    with tcp_backend("app") as app, socket.create_server((LOOPBACK, 0)) as silent:
        manifests.put(*backend_objects("app", app), *backend_objects("silent", silent.getsockname()[1]))
        if LUA:
            checks = checked("tea"), checked("app"), checked("silent", **{"read-timeout": "60s"})
            manifests.put(*checks)  # healthy, unhealthy (not HTTP), without an answer
        yield serve_manifests("-enable-latency-metrics", nginx=LUA or ANY_NGINX)


@pytest.fixture
def prometheus(headgate: HeadgateProcess, directory: Path) -> Iterator[Prometheus]:
    target = f"{LOOPBACK}:{headgate.metrics_port}"
    with Prometheus(directory, free_port(), [target], interval="250ms", rules=RULES) as running:
        wait_until(running.ready)
        yield running


def queries() -> Iterator[tuple[str, str]]:
    """Yield the title of the panel and the expression of every query of the dashboard that has an answer here."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            if LUA or not any(row.live for row in rows_of(target["expr"])):
                yield panel["title"], target["expr"]


def test_every_query_of_the_dashboard_returns_series_and_every_alert_can_be_evaluated(
    headgate: HeadgateProcess, manifests: ManifestFolder, prometheus: Prometheus, stream_ports: tuple[int, ...]
) -> None:
    """Traffic and changes go on while it is scraped: a rate needs two values, and an average something to count."""
    uris = itertools.cycle(
        [("cafe.test", "/tea"), ("cafe.test", "/empty"), ("cafe.test", "/none"), ("other.test", "/")]
    )
    missing = set(queries())
    assert len(missing) > 40

    changing = ["cafe.test"]

    def unanswered() -> list[tuple[str, str]]:
        if headgate.get(changing[-1], "/tea").status == 200:
            changing.append(f"changing-{len(changing)}.test")
            manifests.put(ingress("changing", changing[-1]))
        for host, uri in itertools.islice(uris, 8):
            assert headgate.get(host, uri).status in {200, 404, 502}
        for port in stream_ports:
            over_tcp(port)
        for query in list(missing):
            found = prometheus.query(filled(query[1], "5s"))
            if any(math.isfinite(value) for series in found for _, value in series.points):
                missing.remove(query)
        return list(missing)

    wait_until(unanswered, lambda left: not left)
    # Not only present: what was asked is in it.
    (bad,) = prometheus.query('sum by (service) (headgate_http_requests_total{host="cafe.test",code="5xx"})')
    assert bad.labels == {"service": "empty"}
    assert bad.points[0][1] >= 2

    def evaluated() -> bool:
        return all(rule["health"] == "ok" for rule in prometheus.rules())

    wait_until(evaluated)
    states = {rule["name"]: rule["state"] for rule in prometheus.rules()}
    assert {name: states[name] for name in QUIET} == dict.fromkeys(QUIET, "inactive")
    assert states["HeadgateObjectsRefused"] == "pending"
    with pytest.raises(QueryError, match="parse error"):  # what is not valid would have been noticed
        prometheus.query("sum by (rate(")
