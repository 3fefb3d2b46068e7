"""Series of hosts and servers in the text format: labels in their order, buckets that add up, nothing hostile."""

from __future__ import annotations

from headgate.reporting.measured import UpstreamServer
from headgate.reporting.metrics import Metrics
from headgate.reporting.table import TABLE
from headgate.reporting.traffic import (
    TRAFFIC_ROWS,
    Counts,
    HostCounts,
    Retries,
    ServerCounts,
    ServerZone,
    StatusCounts,
)

BUCKETS = next(row.buckets for row in TABLE if row.name.endswith("latency_ms"))
SHOP = ("ingress", "shop", "default")
COUNTS = Counts(
    hosts={ServerZone("shop.test", *SHOP): HostCounts([0, 3, 0, 1, 0], 2, 500, 900)},
    servers={
        UpstreamServer("teas", "10.0.0.1:80", "tea", *SHOP, "tea-0"): ServerCounts(
            {
                "200": StatusCounts((1, 2, *[0] * (len(BUCKETS) - 2), 1), 90_000, 0),
                "502": StatusCounts((4, *[0] * len(BUCKETS)), 0, 4),
            },
            untimed=1, active=2, limit=9, header_time=1.5, response_time=2.5,
        )
    },
    retries={Retries("shop.test", "tea", *SHOP): 4},
)  # fmt: skip


async def series(counts: Counts) -> dict[str, str]:
    metrics = Metrics("nginx", latency=True)
    metrics.set_traffic(counts)
    lines = [line for line in (await metrics.exposition()).decode().splitlines() if not line.startswith("#")]
    assert len({line.rpartition(" ")[0] for line in lines}) == len(lines)
    return dict(line.rsplit(" ", 1) for line in lines)


async def test_a_host_has_its_requests_responses_and_bytes() -> None:
    found = await series(COUNTS)
    labels = 'resource_name="shop",resource_namespace="default",resource_type="ingress",server_zone="shop.test"'
    for name, value in (("requests", "6"), ("discarded", "2"), ("received", "500"), ("sent", "900")):
        assert found[f'nginx_ingress_nginxplus_server_zone_{name}{{class="nginx",{labels}}}'] == value
    for code, value in (("1xx", "0"), ("2xx", "3"), ("4xx", "1")):
        assert found[f'nginx_ingress_nginxplus_server_zone_responses{{class="nginx",code="{code}",{labels}}}'] == value


async def test_a_server_has_its_tries_responses_and_times() -> None:
    found = await series(COUNTS)
    labels = (
        'pod_name="tea-0",resource_name="shop",resource_namespace="default",resource_type="ingress",'
        'server="10.0.0.1:80",service="tea",upstream="teas"'
    )
    prefix = "nginx_ingress_nginxplus_upstream_server"
    for name, value in (
        ("requests", "9"), ("fails", "4"), ("active", "2"), ("limit", "9"), ("header_time", "1.5"),
        ("response_time", "2.5"),
    ):  # fmt: skip
        assert found[f'{prefix}_{name}{{class="nginx",{labels}}}'] == value
    assert found[f'{prefix}_responses{{class="nginx",code="2xx",{labels}}}'] == "4"
    assert found[f'{prefix}_responses{{class="nginx",code="5xx",{labels}}}'] == "0"
    latency = "nginx_ingress_controller_upstream_server_response_latency_ms"
    for edge, value in (("1", "1"), ("2", "3"), ("50000", "3"), ("+Inf", "4")):
        assert found[f'{latency}_bucket{{class="nginx",code="200",le="{edge}",{labels}}}'] == value
    assert found[f'{latency}_sum{{class="nginx",code="200",{labels}}}'] == "90000"
    assert found[f'{latency}_count{{class="nginx",code="502",{labels}}}'] == "4"


async def test_a_hostile_name_stays_one_label() -> None:
    found = await series(Counts(hosts={ServerZone('a"} 1\nx{y="\\'): HostCounts([0] * 5)}))
    assert any('server_zone="a\\"} 1\\nx{y=\\"\\\\"' in name for name in found)
    assert not any(name.startswith("x{") for name in found)


async def test_series_are_replaced_and_need_latency_metrics() -> None:
    assert not [name for name in await series(Counts()) if "nginxplus" in name or "latency_ms" in name]
    text = (await Metrics("nginx").exposition()).decode()
    assert not any(row.name in text for row in TRAFFIC_ROWS)
