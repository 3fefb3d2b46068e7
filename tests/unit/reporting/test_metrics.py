"""The series that dashboards and scripts look for."""

import asyncio
import csv
import re
from pathlib import Path

import msgspec
import pytest

from headgate.reporting.measured import Pool, Server, UpstreamServer
from headgate.reporting.metrics import Certificate, Metrics, Origin, Requests
from headgate.reporting.table import TABLE, metrics_markdown

PARITY = Path(__file__).parents[2] / "parity" / "nic-metrics.csv"
LATER = "resources_total; registered only with -enable-custom-resources"
LATENCY = "nginx_ingress_controller_upstream_server_response_latency_ms"


class StubStatus(msgspec.Struct):
    active: int = 1
    accepted: int = 20
    handled: int = 19
    requests: int = 300
    reading: int = 4
    writing: int = 5
    waiting: int = 6


class ReloadStats(msgspec.Struct):
    endpoints: int = 2
    other: int = 1
    errors: int = 3
    last_ok: bool = True
    last_ms: float = 61.5


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("nginx", latency=True)


async def series(metrics: Metrics) -> dict[str, str]:
    lines = (await metrics.exposition()).decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


async def test_fixed_series_are_there_from_the_start(metrics: Metrics) -> None:
    found = await series(metrics)
    for name in (
        'nginx_ingress_controller_nginx_reloads_total{class="nginx",reason="endpoints"}',
        'nginx_ingress_controller_nginx_reloads_total{class="nginx",reason="other"}',
        'nginx_ingress_controller_nginx_reload_errors_total{class="nginx"}',
        'nginx_ingress_controller_nginx_last_reload_status{class="nginx"}',
        'nginx_ingress_controller_nginx_last_reload_milliseconds{class="nginx"}',
        'nginx_ingress_controller_ingress_resources_total{class="nginx",type="master"}',
        'nginx_ingress_controller_ingress_resources_total{class="nginx",type="minion"}',
        'nginx_ingress_controller_ingress_resources_total{class="nginx",type="regular"}',
        'nginx_ingress_controller_transportserver_resources_total{class="nginx",type="passthrough"}',
        'nginx_ingress_controller_transportserver_resources_total{class="nginx",type="udp"}',
        'nginx_ingress_controller_nginx_worker_processes_total{class="nginx",generation="old"}',
        'nginx_ingress_controller_workqueue_depth{class="nginx",name="taskQueue"}',
        'nginx_ingress_controller_workqueue_queue_duration_seconds_count{class="nginx",name="taskQueue"}',
        'nginx_ingress_controller_workqueue_work_duration_seconds_bucket{class="nginx",le="0.1",name="taskQueue"}',
        'nginx_ingress_nginx_connections_accepted{class="nginx"}',
        'nginx_ingress_nginx_connections_active{class="nginx"}',
        'nginx_ingress_nginx_connections_handled{class="nginx"}',
        'nginx_ingress_nginx_up{class="nginx"}',
    ):
        assert found[name] == "0"
    assert int(found["process_resident_memory_bytes"]) > 0


def test_every_open_source_metric_of_the_incumbent_is_here() -> None:
    with PARITY.open(newline="") as table:
        rows = [row for row in csv.DictReader(table) if row["plus_only"] == "no" and LATER not in row["description"]]
    ours = {row.name: row for row in TABLE}
    later = {row["metric"] for row in rows if "-enable-custom-resources" in row["description"]}
    assert later == {
        f"nginx_ingress_controller_{kind}_resources_total"
        for kind in ("virtualserver", "virtualserverroute", "transportserver")
    }
    for row in rows:
        if row["metric"] in later:
            continue
        mine = ours[row["metric"]]
        assert row["type"].startswith(mine.kind)
        assert ["class", *mine.labels] == [re.sub(r"\(.*", "", label) for label in row["labels"].split(",")]


def test_latency_has_25_buckets() -> None:
    (row,) = (row for row in TABLE if row.name == LATENCY)
    assert (len(row.buckets), row.buckets[0], row.buckets[-1]) == (25, 1.0, 50_000.0)
    assert list(row.buckets) == sorted(row.buckets)


async def test_the_format_is_that_of_go(metrics: Metrics) -> None:
    metrics.set_reloads(ReloadStats())
    text = (await metrics.exposition()).decode()
    assert "# TYPE nginx_ingress_nginx_connections_accepted counter\n" in text
    assert "# TYPE nginx_ingress_controller_ingress_resources_total gauge\n" in text
    assert "# TYPE process_cpu_seconds_total counter\n" in text
    assert 'nginx_last_reload_status{class="nginx"} 1\n' in text
    assert 'nginx_last_reload_milliseconds{class="nginx"} 61.5\n' in text
    assert 'le="1",' in text
    assert "_created" not in text
    assert text.endswith("\n")


async def test_a_hostile_label_stays_one_label(metrics: Metrics) -> None:
    metrics.observe_latency(Server('a"} 1\nx{y="\\', "s", "200"), 1)
    text = (await metrics.exposition()).decode()
    assert 'upstream="a\\"} 1\\nx{y=\\"\\\\"' in text
    assert "\nx{" not in text


async def test_set_values_are_exposed(metrics: Metrics) -> None:
    metrics.set_reloads(ReloadStats())
    metrics.set_workers(current=2, old=4)
    metrics.set_ingresses(regular=5, master=1, minion=2)
    metrics.set_queue_depth(7)
    metrics.set_leader(leading=True)
    metrics.set_refused(8)
    metrics.set_events_dropped(9)
    metrics.set_latency_unreadable(10)
    found = {re.sub(r'class="nginx",?', "", name): value for name, value in (await series(metrics)).items()}
    assert found['nginx_ingress_controller_nginx_reloads_total{reason="endpoints"}'] == "2"
    assert found['nginx_ingress_controller_nginx_reloads_total{reason="other"}'] == "1"
    assert found["nginx_ingress_controller_nginx_reload_errors_total{}"] == "3"
    assert found['nginx_ingress_controller_nginx_worker_processes_total{generation="current"}'] == "2"
    assert found['nginx_ingress_controller_nginx_worker_processes_total{generation="old"}'] == "4"
    assert found['nginx_ingress_controller_ingress_resources_total{type="regular"}'] == "5"
    assert found['nginx_ingress_controller_ingress_resources_total{type="minion"}'] == "2"
    assert found['nginx_ingress_controller_workqueue_depth{name="taskQueue"}'] == "7"
    assert found["headgate_leader{}"] == "1"
    assert found["headgate_objects_refused{}"] == "8"
    assert found["headgate_events_dropped_total{}"] == "9"
    assert found["headgate_latency_lines_unreadable_total{}"] == "10"


async def test_series_with_labels_of_objects_end_with_the_objects(metrics: Metrics) -> None:
    cafe = Requests("cafe.test", "5xx", Origin("tea", "ingress", "cafe", "shop"))
    metrics.set_requests({cafe: 3, Requests("_", "4xx"): 1})
    metrics.set_certificates({Certificate("cafe.test", "cafe-tls", "shop"): 1_800_000_000.0})
    metrics.set_watches_failing({"secrets": 2, "ingresses": 0})
    found = await series(metrics)
    labels = 'resource_name="cafe",resource_namespace="shop",resource_type="ingress",service="tea"'
    assert found[f'headgate_http_requests_total{{class="nginx",code="5xx",host="cafe.test",{labels}}}'] == "3"
    expiry = "headgate_certificate_expiry_timestamp_seconds"
    labels = 'class="nginx",host="cafe.test",secret_name="cafe-tls",secret_namespace="shop"'
    assert found[f"{expiry}{{{labels}}}"] == "1800000000"
    assert found['headgate_watches_failing{class="nginx",resource="secrets"}'] == "2"
    metrics.set_requests({})
    metrics.set_certificates({})
    left = [name for name in await series(metrics) if "cafe" in name]
    assert left == []


async def test_durations_fall_into_buckets(metrics: Metrics) -> None:
    metrics.observe_queue(0.3)
    metrics.observe_work(0.05)
    metrics.observe_stage("render", 0.02)
    found = await series(metrics)
    queue = "nginx_ingress_controller_workqueue_queue_duration_seconds"
    assert found[f'{queue}_bucket{{class="nginx",le="0.1",name="taskQueue"}}'] == "0"
    assert found[f'{queue}_bucket{{class="nginx",le="0.5",name="taskQueue"}}'] == "1"
    assert found[f'{queue}_sum{{class="nginx",name="taskQueue"}}'] == "0.3"
    work = "nginx_ingress_controller_workqueue_work_duration_seconds"
    assert found[f'{work}_bucket{{class="nginx",le="0.1",name="taskQueue"}}'] == "1"
    assert found['headgate_batch_stage_seconds_count{class="nginx",stage="render"}'] == "1"


async def test_the_connections_of_nginx_are_exposed(metrics: Metrics) -> None:
    metrics.set_connections(StubStatus())
    metrics.set_connections(None)
    found = await series(metrics)
    numbers = {
        name.removeprefix("nginx_ingress_nginx_").removesuffix('{class="nginx"}'): value
        for name, value in found.items()
        if name.startswith("nginx_ingress_nginx_")
    }
    assert numbers == {
        "up": "0",
        "connections_active": "1",
        "connections_accepted": "20",
        "connections_handled": "19",
        "http_requests_total": "300",
        "connections_reading": "4",
        "connections_writing": "5",
        "connections_waiting": "6",
    }


async def test_latency_series_end_with_their_servers(metrics: Metrics) -> None:
    for server in ("10.0.0.1:80", "10.0.0.2:80"):
        metrics.observe_latency(Server("tea", server, "200", "tea-svc", "ingress", "cafe", "shop", "tea-1"), 12)
    found = await series(metrics)
    labels = (
        'class="nginx",code="200",pod_name="tea-1",resource_name="cafe",resource_namespace="shop",'
        'resource_type="ingress",server="10.0.0.2:80",service="tea-svc",upstream="tea"'
    )
    assert found[f"{LATENCY}_sum{{{labels}}}"] == "12"
    metrics.keep_servers("tea", ["10.0.0.2:80"])
    assert {re.search('server="(.*?)"', name)[1] for name in await series(metrics) if LATENCY in name} == {
        "10.0.0.2:80"
    }
    metrics.keep_servers("tea")
    assert not [name for name in await series(metrics) if LATENCY in name]


async def test_series_of_streams_end_with_their_servers_and_their_upstream(metrics: Metrics) -> None:
    metrics.observe_session(Pool("tea"), 12)
    for server in ("10.0.0.1:80", "10.0.0.2:80"):
        metrics.observe_connection(UpstreamServer("tea", server), 0.1)
    assert metrics.measured == {"tea"}

    async def left() -> int:
        return sum(name.startswith("headgate_stream") and "_count" in name for name in await series(metrics))

    assert await left() == 3
    metrics.keep_servers("tea", ["10.0.0.2:80"])
    assert await left() == 2
    metrics.keep_servers("tea")
    assert (await left(), metrics.measured) == (0, frozenset())


async def test_latency_is_not_there_without_its_flag() -> None:
    metrics = Metrics("nginx")
    metrics.observe_session(Pool("tea"), 12)
    metrics.observe_connection(UpstreamServer("tea", "10.0.0.1:80"), 12)
    assert "headgate_stream" not in (await metrics.exposition()).decode()
    metrics.observe_latency(Server("tea", "10.0.0.1:80", "200"), 12)
    metrics.keep_servers("tea")
    assert LATENCY not in (await metrics.exposition()).decode()


async def test_sources_are_asked_before_each_scrape(metrics: Metrics) -> None:
    asked = []

    async def broken() -> None:
        raise OSError("no socket")

    async def stuck() -> None:
        await asyncio.Event().wait()

    async def good() -> None:
        asked.append(1)
        metrics.set_queue_depth(len(asked))

    for source in (broken, stuck, good):
        metrics.before_scrape(source)
    for scrape in (1, 2):
        text = (await metrics.exposition(timeout=0.01)).decode()
        assert f'workqueue_depth{{class="nginx",name="taskQueue"}} {scrape}\n' in text


def test_the_reference_names_every_metric() -> None:
    page = metrics_markdown()
    for row in TABLE:
        assert f"| `{row.name}` | {row.kind}" in page
        assert row.doc in page
