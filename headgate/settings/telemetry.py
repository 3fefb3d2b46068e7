"""Traces for OpenTelemetry (ngx_otel_module)."""

from __future__ import annotations

import re
from typing import Annotated

from headgate.settings.dialect import Scope
from headgate.settings.parsers import Unfit, accepts, choice, matching, number
from headgate.settings.registry import Settings, Where, setting
from headgate.settings.values import Duration, HeaderName, Quoted, plain_text

_ENDPOINT = re.compile(
    r"(?:(?P<scheme>https?)://)?"
    r"(?P<host>(?!-)[A-Za-z0-9\-]{1,63}(?:\.(?!-)[A-Za-z0-9\-]{1,63})*)(?::(?P<port>[0-9]{1,5}))?/?"
)


@accepts("`[http://|https://]HOST[:PORT]`", example="otel-collector.observability.svc:4317")
def endpoint(text: str) -> str:
    """Parse the address of an OTLP collector over gRPC; plain text and port 4317 (OTLP) unless it says otherwise."""
    parts = _ENDPOINT.fullmatch(text.strip())
    if not parts:
        raise Unfit(
            "not an endpoint; write a host with http:// or https:// and a port, such as http://otel.example:4317"
        )
    port = parts["port"] or "4317"
    number(1, 65535)(port)
    return f"{parts['scheme'] or 'http'}://{parts['host']}:{port}"


class TelemetrySettings(Settings):
    """Where traces go."""

    otel_exporter_endpoint: Annotated[
        str | None,
        setting(
            "otel-exporter-endpoint",
            "Collector that receives traces (OTLP over gRPC).",
            Scope.SERVER,
            Where.CONFIGMAP,
            parse=endpoint,
            directive="otel_exporter",
            differs="Requires ngx_otel_module, which Headgate's image does not contain; without it a warning is "
            "reported and no request is traced. docs/observability.md describes how to add it.",
        ),
    ] = None
    otel_exporter_header_name: Annotated[
        HeaderName | None,
        setting(
            "otel-exporter-header-name",
            "Header that is sent to the collector.",
            Scope.SERVER,
            Where.CONFIGMAP,
            requires="otel-exporter-header-value, otel-exporter-endpoint",
            directive="otel_exporter",
            example="X-Api-Token",
        ),
    ] = None
    otel_exporter_header_value: Annotated[
        Quoted | None,
        setting(
            "otel-exporter-header-value",
            "Value of that header.",
            Scope.SERVER,
            Where.CONFIGMAP,
            parse=plain_text,
            requires="otel-exporter-header-name, otel-exporter-endpoint",
            directive="otel_exporter",
            secret=True,
            example="secret",
        ),
    ] = None
    otel_service_name: Annotated[
        str | None,
        setting(
            "otel-service-name",
            "Name of the service in traces.",
            Scope.SERVER,
            Where.CONFIGMAP,
            requires="otel-exporter-endpoint",
            parse=matching(r"(?!.*\.\.)[A-Za-z0-9_.:/@\-]{1,255}", "a name of letters, digits and _ . : / @ -", "edge"),
        ),
    ] = None
    otel_trace_context: Annotated[
        str | None,
        setting(
            "otel-trace-context",
            "What of the trace of a client is read, and passed on.",
            Scope.SERVER,
            Where.NOWHERE,
            directive="otel_trace_context",
            parse=choice("extract", "inject", "propagate", "ignore"),
        ),
    ] = None
    otel_span_name: Annotated[
        str | None,
        setting(
            "otel-span-name",
            "Name of spans.",
            Scope.SERVER,
            Where.NOWHERE,
            directive="otel_span_name",
            parse=matching(r"[A-Za-z0-9_\-]{1,255}", "a name of letters, digits, _ and -"),
        ),
    ] = None
    otel_sampled_percent: Annotated[
        str | None,
        setting(
            "otel-sampled-percent",
            "Share of requests that are traced, where all would be.",
            Scope.SERVER,
            Where.NOWHERE,
            parse=matching(r"(?:100|[0-9]{1,2}(?:\.[0-9]{1,2})?)", "a number from 0 to 100 with two digits at most"),
        ),
    ] = None
    otel_parent_sampled: Annotated[
        bool,
        setting("otel-parent-sampled", "A request with a trace is sampled as that says.", Scope.SERVER, Where.NOWHERE),
    ] = False
    otel_exporter_interval: Annotated[
        Duration | None,
        setting("otel-exporter-interval", "Longest time between two exports.", Scope.SERVER, Where.NOWHERE),
    ] = None
    otel_exporter_batch_size: Annotated[
        int | None,
        setting("otel-exporter-batch-size", "Most spans in one export.", Scope.SERVER, Where.NOWHERE, parse=number(1)),
    ] = None
    otel_trace_in_http: Annotated[
        bool,
        setting(
            "otel-trace-in-http",
            "Trace every request.",
            Scope.SERVER,
            Where.CONFIGMAP,
            requires="otel-exporter-endpoint",
            directive="otel_trace",
        ),
    ] = False
