"""OpenTelemetry, for a binary that has the module; the nginx of the tests has not."""

from msgspec import structs

from headgate.api import ConfigMap
from headgate.ir import Capabilities
from tests.nginx_lexer import directives
from tests.simulated_cluster import CURRENT, SimulatedCluster, api_object

FLAGS = ("--manifests=.", "-nginx-configmaps=nginx-ingress/nginx-config")
ABLE = structs.replace(CURRENT, otel="/usr/lib/nginx/modules/ngx_otel_module.so")


def main(data: dict[str, str], capabilities: Capabilities = ABLE) -> tuple[list[str], list[str]]:
    """Return the directives of nginx.conf about telemetry, and what is said."""
    cluster = SimulatedCluster(FLAGS, capabilities)
    cluster.put(api_object(ConfigMap, metadata={"namespace": "nginx-ingress", "name": "nginx-config"}, data=data))
    problems = cluster.process_batch().config_map or ()
    found = directives(cluster.texts()["nginx.conf"].decode())
    telling = [" ".join((at.name, *at.arguments)) for at in found if "otel" in " ".join((at.name, *at.arguments)) or
               at.name in {"endpoint", "header"}]  # fmt: skip
    return telling, [str(problem) for problem in problems]


def test_a_collector_with_a_header() -> None:
    told, problems = main(
        {
            "otel-exporter-endpoint": "otel.observability.svc",
            "otel-exporter-header-name": "X-Api-Token",
            "otel-exporter-header-value": "a secret; really",
            "otel-service-name": "edge",
            "otel-trace-in-http": "true",
        }
    )
    assert told == [
        "load_module /usr/lib/nginx/modules/ngx_otel_module.so",
        "otel_exporter",
        "endpoint http://otel.observability.svc:4317",
        "header X-Api-Token a secret; really",
        "otel_service_name edge",
        "otel_trace on",
    ]
    assert problems == []


def test_an_endpoint_alone_traces_nothing_yet() -> None:
    told, _ = main({"otel-exporter-endpoint": "https://otel:443"})
    assert told[1:] == ["otel_exporter", "endpoint https://otel:443"]


def test_nothing_is_loaded_unless_it_is_asked_for() -> None:
    assert main({}) == ([], [])


def test_companions_are_needed() -> None:
    told, problems = main({"otel-exporter-header-name": "X-A", "otel-trace-in-http": "true"})
    assert told == []
    assert ["unless otel-exporter-header-value is set too" in problems[0], len(problems)] == [True, 2]
    assert "unless otel-exporter-endpoint is set too" in problems[1]


def test_a_binary_without_the_module_is_reported_for_each_key() -> None:
    told, problems = main({"otel-exporter-endpoint": "otel", "otel-trace-in-http": "true"}, CURRENT)
    assert told == []
    assert [problem.partition(":")[0] for problem in problems] == ["otel-exporter-endpoint", "otel-trace-in-http"]
    for problem in problems:
        assert (
            "needs ngx_otel_module, which this nginx does not have (it is left out, and no request is traced; "
            in problem
        )
        assert "docs/observability.md" in problem


def test_sampling_and_the_context_of_the_trace_are_snippets() -> None:
    """What docs/observability.md shows, beside the keys."""
    snippets = """split_clients $otel_trace_id $sampled { 10% on; * off; }
        otel_trace $sampled;
        otel_trace_context propagate;"""
    told, problems = main({"otel-exporter-endpoint": "otel", "http-snippets": snippets})
    assert problems == []
    assert [line for line in told if line.startswith("otel_trace")] == [
        "otel_trace $sampled",
        "otel_trace_context propagate",
    ]
