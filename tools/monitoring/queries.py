"""Queries over the table of metrics: how a metric is selected, and which rows a query reads."""

from __future__ import annotations

import re
from collections.abc import Iterator

from headgate.reporting.rows import CONTROLLER, NGINX, MetricRow
from headgate.reporting.table import TABLE

LATENCY = f"{CONTROLLER}upstream_server_response_latency_ms"
REQUESTS = "headgate_http_requests_total"
EXPIRY = "headgate_certificate_expiry_timestamp_seconds"
UP = f"{NGINX}up"
LEADER = "headgate_leader"
"""A metric that every Headgate always exports, also without a cluster, and the F5 controller does not."""
JOIN = " and on (job, instance) "
OURS = f"{JOIN}{LEADER}"
"""After a metric whose name the F5 controller uses too: only the series of Headgate, while both run."""

_ROWS = {row.name: row for row in TABLE}
_NAME = re.compile(r"\b(?:headgate|nginx_ingress)_\w+")
_SERIES = ("_bucket", "_sum", "_count")
WINDOW = "$__rate_interval"
"""Grafana's variable: a range that contains enough scrapes for ``rate``."""


class UnknownMetric(Exception):  # noqa: N818 - the message is the name
    """A query reads a metric that the table does not have."""


def rows_of(expr: str) -> Iterator[MetricRow]:
    """Yield the rows of the metrics that *expr* reads, each once.

    Raises:
        UnknownMetric: the table has no such metric.
    """
    for name in dict.fromkeys(_NAME.findall(expr)):
        parts = (name, *(name.removesuffix(end) for end in _SERIES if name.endswith(end)))
        row = next((_ROWS[part] for part in parts if part in _ROWS), None)
        if row is None or (row.name == name) is (row.kind == "histogram"):
            raise UnknownMetric(f"{name} in {expr}")
        yield row


def of_class(name: str, *more: str) -> str:
    """Select the series of *name* by the variables of the dashboard."""
    return _selected(name, 'class=~"$class"', 'instance=~"$instance"', *more)


def requests(*more: str) -> str:
    """Select requests by host and Service."""
    return of_class(REQUESTS, 'host=~"$host"', 'service=~"$service"', *more)


def latency(part: str, *more: str) -> str:
    """Select ``bucket``, ``sum`` or ``count`` of the latency of upstream servers by Service."""
    return of_class(f"{LATENCY}_{part}", 'service=~"$service"', *more)


def rate(series: str) -> str:
    """Return the increase each second."""
    return f"rate({series}[{WINDOW}])"


def total(series: str, *by: str) -> str:
    """Return the rate of *series*, summed by labels."""
    return f"sum{_by(by)} ({rate(series)})"


def quantile(share: float, *by: str) -> str:
    """Return a quantile of the latency of upstream servers, in milliseconds."""
    return f"histogram_quantile({share}, {total(latency('bucket'), *by, 'le')})"


def of_process(name: str) -> str:
    """Select a series of the controller's process, which has no class of its own."""
    return f"{name}{JOIN}{of_class(LEADER)}"


def _selected(name: str, *matchers: str) -> str:
    return f"{name}{{{','.join(matchers)}}}"


def _by(labels: tuple[str, ...]) -> str:
    return f" by ({', '.join(labels)})" if labels else ""
