"""Keys and annotations of ingress-nginx for modules that an nginx may have: OpenTelemetry."""

from __future__ import annotations

import pytest
from msgspec import structs

from headgate.api import ConfigMap, Ingress, IngressClass
from tests.simulated_cluster import CURRENT, SimulatedCluster, api_object

OTEL = "/usr/lib/nginx/modules/ngx_otel_module.so"
ABLE = structs.replace(CURRENT, otel=OTEL)
PREFIX = "nginx.ingress.kubernetes.io/"


def cluster(able: bool, annotations: dict[str, str] | None = None, **data: str) -> SimulatedCluster:
    found = SimulatedCluster(("--manifests=.", "--configmap=ours/config"), ABLE if able else CURRENT)
    said = {f"{PREFIX}{name}": text for name, text in (annotations or {}).items()}
    backend = {"service": {"name": "tea", "port": {"number": 80}}}
    rule = {"host": "a.test", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    keys = {name.replace("_", "-"): text for name, text in data.items()}
    found.put(
        api_object(IngressClass, metadata={"name": "nginx"}, spec={"controller": "k8s.io/ingress-nginx"}),
        api_object(ConfigMap, metadata={"namespace": "ours", "name": "config"}, data=keys),
        api_object(
            Ingress,
            metadata={"namespace": "shop", "name": "a", "annotations": said},
            spec={"ingressClassName": "nginx", "rules": [rule]},
        ),
    )
    found.process_batch()
    return found


def lines(found: SimulatedCluster, *words: str) -> list[str]:
    assert found.generation
    every = (file.data.decode() for name, file in found.generation.files.items() if name.endswith(".conf"))
    texts = [line.strip() for text in every for line in text.splitlines()]
    return [text for text in texts if any(word in text for word in words)]


def test_traces_are_sampled_and_named_as_the_keys_say() -> None:
    found = cluster(
        True, enable_opentelemetry="true", otlp_collector_host="otel.test", otlp_collector_port="4318",
        otel_service_name="edge", otel_sampler="TraceIdRatioBased", otel_sampler_ratio="0.25",
        opentelemetry_operation_name="shop", otel_schedule_delay_millis="100", otel_max_export_batch_size="9",
    )  # fmt: skip
    assert lines(found, "otel", "traced", "interval", "batch_size", "% on") == [
        f"load_module {OTEL};", "otel_exporter {", "endpoint http://otel.test:4318;", "interval 100ms;",
        "batch_size 9;", "otel_service_name edge;", "otel_trace_context propagate;", "otel_span_name shop;",
        "split_clients $otel_trace_id $headgate_traced_share {", "25% on;", "map $otel_parent_id $headgate_traced {",
        "default $otel_parent_sampled;", '"" $headgate_traced_share;', "otel_trace $headgate_traced;",
    ]  # fmt: skip


@pytest.mark.parametrize("able", [True, False])
def test_annotations_about_traces_need_a_collector(able: bool) -> None:
    said = {"enable-opentelemetry": "false", "opentelemetry-trust-incoming-span": "false"}
    without = cluster(able, said)
    assert lines(without, "otel_") == []
    with_collector = cluster(able, said, enable_opentelemetry="true", otlp_collector_host="otel.test")
    own = lines(with_collector, "otel_trace off", "otel_trace_context inject")
    assert own == (["otel_trace off;", "otel_trace_context inject;"] if able else [])
