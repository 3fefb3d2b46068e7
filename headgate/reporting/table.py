"""All metrics in one table, and their reference page.

Names and labels are those of the incumbent, for existing dashboards and alerts; those that begin with ``headgate_`` are
Headgate's own.
"""

from __future__ import annotations

from headgate.ir.latency import BUCKETS
from headgate.reporting.exposition import number
from headgate.reporting.measured import Pool, Server, UpstreamServer
from headgate.reporting.reference import ABSENT_METRICS, CHECK_METRICS, absent_table
from headgate.reporting.rows import CONTROLLER, NGINX, MetricRow
from headgate.reporting.traffic import LATENCY, LATENCY_METRICS, TRAFFIC_ROWS

QUEUE = "taskQueue"
"""The label ``name`` of the work queue's series, that of the incumbent."""

_SECONDS = (0.1, 0.5, 1.0, 5.0, 10.0, 50.0)
BOUNDS = tuple(map(float, BUCKETS))
_POOL_LABELS = dict.fromkeys(Pool.__struct_fields__, ())
_ENDPOINT_LABELS = dict.fromkeys(UpstreamServer.__struct_fields__, ())

STATE, CHECKS, FAILS, UNHEALTHY = CHECK_METRICS
STATES = {"up": 1, "checking": 5, "unhealthy": 6}
"""The numbers of states in NGINX Plus, of those that health checks can find."""


TABLE = (
    MetricRow(
        f"{CONTROLLER}nginx_reloads_total",
        "counter",
        "Verified reloads by cause; the start counts as other.",
        {"reason": ("endpoints", "other")},
    ),
    MetricRow(f"{CONTROLLER}nginx_reload_errors_total", "counter", "Reloads that failed."),
    MetricRow(f"{CONTROLLER}nginx_last_reload_status", "gauge", "1 if the last reload succeeded, else 0."),
    MetricRow(
        f"{CONTROLLER}nginx_last_reload_milliseconds",
        "gauge",
        "Milliseconds from the signal of the last reload to its verified version.",
    ),
    MetricRow(
        f"{CONTROLLER}nginx_worker_processes_total",
        "gauge",
        "Worker processes; old ones are shutting down.",
        {"generation": ("current", "old")},
    ),
    MetricRow(
        f"{CONTROLLER}ingress_resources_total",
        "gauge",
        "Ingresses that are served, by role.",
        {"type": ("regular", "master", "minion")},
    ),
    MetricRow(f"{CONTROLLER}virtualserver_resources_total", "gauge", "VirtualServers that are served."),
    MetricRow(f"{CONTROLLER}virtualserverroute_resources_total", "gauge", "VirtualServerRoutes that are served."),
    MetricRow(
        f"{CONTROLLER}transportserver_resources_total",
        "gauge",
        "TransportServers that are served, by what they pass on.",
        {"type": ("passthrough", "tcp", "udp")},
    ),
    MetricRow(f"{CONTROLLER}workqueue_depth", "gauge", "Keys that wait in the work queue.", {"name": (QUEUE,)}),
    MetricRow(
        f"{CONTROLLER}workqueue_queue_duration_seconds",
        "histogram",
        "Seconds that a key waits in the work queue.",
        {"name": (QUEUE,)},
        _SECONDS,
    ),
    MetricRow(
        f"{CONTROLLER}workqueue_work_duration_seconds",
        "histogram",
        "Seconds that a batch of keys takes.",
        {"name": (QUEUE,)},
        _SECONDS,
    ),
    MetricRow(
        LATENCY,
        "histogram",
        "Milliseconds that an upstream server took to answer.",
        dict.fromkeys(Server.__struct_fields__, ()),
        BOUNDS,
        LATENCY_METRICS,
    ),
    MetricRow(f"{NGINX}up", "gauge", "1 if nginx's status could be read for this scrape, else 0."),
    MetricRow(f"{NGINX}connections_active", "gauge", "Open client connections."),
    MetricRow(f"{NGINX}connections_accepted", "counter", "Client connections that were accepted."),
    MetricRow(
        f"{NGINX}connections_handled",
        "counter",
        "Client connections that were handled; fewer than accepted if a limit was reached.",
    ),
    MetricRow(f"{NGINX}connections_reading", "gauge", "Connections whose request header is being read."),
    MetricRow(f"{NGINX}connections_writing", "gauge", "Connections that are being answered."),
    MetricRow(f"{NGINX}connections_waiting", "gauge", "Idle keep-alive connections."),
    MetricRow(f"{NGINX}http_requests_total", "counter", "Client requests."),
    MetricRow("headgate_leader", "gauge", "1 if this replica writes statuses, else 0."),
    MetricRow(
        "headgate_objects_refused",
        "gauge",
        "Objects that are not served, or not in their present form, because of an error in them.",
    ),
    MetricRow(
        "headgate_configuration_behind_seconds",
        "gauge",
        "Seconds since the oldest change that nginx does not serve yet; 0 if it serves the newest configuration.",
    ),
    MetricRow(
        "headgate_watches_failing",
        "gauge",
        "Watches of the API server whose last request failed, by resource; what they knew before stays in use.",
        {"resource": ()},
    ),
    MetricRow(
        "headgate_certificate_expiry_timestamp_seconds",
        "gauge",
        "End of the certificate that a host is served with, in seconds since 1970; the host _ is the default server.",
        dict.fromkeys(("host", "secret_name", "secret_namespace"), ()),
    ),
    MetricRow(
        "headgate_http_requests_total",
        "counter",
        "Client requests by host, class of status (2xx) and the Service that answered, none if nginx did by itself.",
        dict.fromkeys(("host", "code", "service", "resource_type", "resource_name", "resource_namespace"), ()),
        optional=LATENCY_METRICS,
    ),
    MetricRow(
        "headgate_stream_sessions_total",
        "counter",
        "Sessions of TransportServers that have ended, by class of status (2xx).",
        {"code": (), **_POOL_LABELS},
        optional=LATENCY_METRICS,
    ),
    MetricRow(
        "headgate_stream_received_bytes_total",
        "counter",
        "Bytes from clients in sessions of TransportServers that have ended.",
        _POOL_LABELS,
        optional=LATENCY_METRICS,
    ),
    MetricRow(
        "headgate_stream_sent_bytes_total",
        "counter",
        "Bytes to clients in sessions of TransportServers that have ended.",
        _POOL_LABELS,
        optional=LATENCY_METRICS,
    ),
    MetricRow(
        "headgate_stream_session_seconds",
        "histogram",
        "Seconds that a session of a TransportServer lasted.",
        _POOL_LABELS,
        (0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0),
        LATENCY_METRICS,
    ),
    MetricRow(
        "headgate_stream_upstream_connect_seconds",
        "histogram",
        "Seconds until a server of a TransportServer was connected.",
        _ENDPOINT_LABELS,
        (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0),
        LATENCY_METRICS,
    ),
    MetricRow(
        "headgate_stream_upstream_failures_total",
        "counter",
        "Tries at a server of a TransportServer that did not lead to a connection.",
        _ENDPOINT_LABELS,
        optional=LATENCY_METRICS,
    ),
    MetricRow(
        "headgate_live_changes_total",
        "counter",
        "Upstreams whose servers were pushed to nginx without a reload; 0 with -data-plane=files.",
    ),
    MetricRow(
        "headgate_live_memory_bytes",
        "gauge",
        "Memory of nginx for the servers of upstreams and for routed hosts; 0 with -data-plane=files.",
        {"state": ("used", "capacity")},
    ),
    MetricRow(
        "headgate_routed_hosts",
        "gauge",
        "Hosts without a server block, which are routed at run time; 0 with -live-routes=false.",
    ),
    *TRAFFIC_ROWS,
    MetricRow(
        STATE,
        "gauge",
        "State of an upstream server with health checks: 1 is up, 5 checking, 6 unhealthy.",
        _ENDPOINT_LABELS,
    ),
    MetricRow(CHECKS, "counter", "Health checks of an upstream server.", _ENDPOINT_LABELS),
    MetricRow(FAILS, "counter", "Health checks that were not passed.", _ENDPOINT_LABELS),
    MetricRow(UNHEALTHY, "counter", "How often an upstream server became unhealthy.", _ENDPOINT_LABELS),
    MetricRow("headgate_events_dropped_total", "counter", "Events that were not sent."),
    MetricRow(
        "headgate_admission_requests_total",
        "counter",
        "Requests to the admission webhook by its answer; failed are those that could not be checked.",
        {"result": ("allowed", "denied", "failed")},
    ),
    MetricRow(
        "headgate_latency_lines_unreadable_total",
        "counter",
        "Latency lines of nginx that could not be parsed; lines lost at a full socket are not counted.",
        optional=LATENCY_METRICS,
    ),
    MetricRow(
        "headgate_batch_stage_seconds",
        "histogram",
        "Seconds that a batch spends in each stage.",
        {"stage": ("configuration", "resolve", "translate", "render", "manager")},
        (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0),
    ),
)
"""All metrics but those of the process itself (``process_*``)."""


def metrics_markdown() -> str:
    """Return the reference page of all metrics."""
    lines = [
        "# Metrics",
        "",
        "Served at `/metrics` of `-prometheus-metrics-listen-port` with `-enable-prometheus-metrics`.",
        "Every series has the label `class`, the IngressClass; `process_*` describe the controller's process.",
        "",
        "| Metric | Type | Labels | Meaning | Needs |",
        "|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *map(_row, TABLE), "", *absent_table(ABSENT_METRICS, "Metric"), ""])


def _row(row: MetricRow) -> str:
    labels = ", ".join(f"{name} ({', '.join(values)})" if values else name for name, values in row.labels.items())
    kind = f"{row.kind} ({', '.join(number(bound) for bound in row.buckets)})" if row.buckets else row.kind
    needs = f"`{row.optional}`" + ", `live` data plane" * row.live if row.optional else ""
    return f"| `{row.name}` | {kind} | {labels} | {row.doc} | {needs} |"
