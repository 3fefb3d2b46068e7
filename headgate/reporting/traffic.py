"""The series that nginx's workers count in Lua: by host, and by server of an upstream.

The names are those that the F5 controller has with NGINX Plus, where the meaning is the same. The lines are written
here, for there may be many: 28 for each server and status.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from headgate.reporting.exposition import labelled, number
from headgate.reporting.measured import UpstreamServer
from headgate.reporting.rows import CONTROLLER, PLUS, MetricRow

LATENCY_METRICS = "-enable-latency-metrics"
LATENCY = f"{CONTROLLER}upstream_server_response_latency_ms"
CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
_RESOURCE = ("resource_type", "resource_name", "resource_namespace")


def _of_hosts(name: str, doc: str, *more: str) -> MetricRow:
    labels = dict.fromkeys(("server_zone", *_RESOURCE, *more), ())
    return MetricRow(f"{PLUS}server_zone_{name}", "counter", doc, labels, optional=LATENCY_METRICS, live=True)


def _of_servers(name: str, kind: str, doc: str, *more: str) -> MetricRow:
    labels = dict.fromkeys(("upstream", "server", "service", *_RESOURCE, "pod_name", *more), ())
    return MetricRow(f"{PLUS}upstream_server_{name}", kind, doc, labels, optional=LATENCY_METRICS, live=True)


TRAFFIC_ROWS = (
    _of_hosts("requests", "Client requests by host; the host _ is the default server."),
    _of_hosts("responses", "Responses by host and class of status (2xx).", "code"),
    _of_hosts("discarded", "Requests that ended without a response, by host."),
    _of_hosts("received", "Bytes of requests, by host."),
    _of_hosts("sent", "Bytes of responses, by host."),
    _of_servers("requests", "counter", "Tries of an upstream server."),
    _of_servers("responses", "counter", "Responses of an upstream server by class of status (2xx).", "code"),
    _of_servers("fails", "counter", "Tries of an upstream server that got no response."),
    _of_servers("active", "gauge", "Requests that an upstream server has now."),
    _of_servers("limit", "gauge", "The limit of max-conns for an upstream server, 0 for none."),
    _of_servers(
        "header_time", "gauge", "Milliseconds until the header of a response, mean of the last one to two minutes."
    ),
    _of_servers(
        "response_time", "gauge", "Milliseconds until the end of a response, mean of the last one to two minutes."
    ),
    MetricRow(
        "headgate_http_retries_total",
        "counter",
        "Tries after the first of a request, by host and Service.",
        dict.fromkeys(("host", "service", *_RESOURCE), ()),
        optional=LATENCY_METRICS,
        live=True,
    ),
)
"""The metrics that exist only where workers count."""


class ServerZone(msgspec.Struct, frozen=True):
    """A host, and the object that has it; the fields are labels."""

    server_zone: str
    resource_type: str = ""
    resource_name: str = ""
    resource_namespace: str = ""


class HostCounts(msgspec.Struct):
    """Requests of a host; *responses* by class of status, 1xx first, *received* and *sent* in bytes."""

    responses: list[int]
    discarded: int = 0
    received: int = 0
    sent: int = 0


class StatusCounts(msgspec.Struct, frozen=True):
    """Tries that ended with one status.

    Attributes:
        buckets: those within each bound of the histogram, not cumulated, then those that took longer.
        total_ms: their milliseconds.
        failed: those of them that got no response.
        header_ms: milliseconds until the header of the others.
    """

    buckets: Sequence[int]
    total_ms: int
    failed: int
    header_ms: int = 0


class ServerCounts(msgspec.Struct):
    """Tries of a server; times are milliseconds, ``None`` if there is none; *untimed* is not in *codes*."""

    codes: dict[str, StatusCounts]
    untimed: int = 0
    active: int = 0
    limit: int = 0
    header_time: float | None = None
    response_time: float | None = None


class Retries(msgspec.Struct, frozen=True):
    """The labels of retries."""

    host: str
    service: str = ""
    resource_type: str = ""
    resource_name: str = ""
    resource_namespace: str = ""


class Counts(msgspec.Struct, frozen=True):
    """All that is exposed of it; *hosts_of* are the hosts of upstreams that have one host alone."""

    hosts: Mapping[ServerZone, HostCounts] = {}
    servers: Mapping[UpstreamServer, ServerCounts] = {}
    retries: Mapping[Retries, int] = {}
    hosts_of: Mapping[str, str] = {}


Line = tuple[str, str]
"""The name of a metric, and a line of the exposition."""


class _Labels:
    """The labels of several series; in their order, ``code`` and ``le`` are the second and the third."""

    def __init__(self, labels: ServerZone | UpstreamServer | Retries, ingress_class: str) -> None:
        self._head = labelled({"class": ingress_class})
        self._tail = labelled(msgspec.structs.asdict(labels))

    def line(self, name: str, value: float, more: str = "") -> Line:
        return name, f"{name}{{{self._head}{more},{self._tail}}} {number(value)}"

    def between(self, more: str) -> str:
        return f"{self._head}{more},{self._tail}"


def traffic_lines(counts: Counts, ingress_class: str, bounds: Iterable[float]) -> Mapping[str, Sequence[str]]:
    """Return the lines of *counts* by the name of their metric; *bounds* are those of the histogram of latencies."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    edges = [*map(number, bounds), "+Inf"]
    series = itertools.chain(
        *(_host_lines(_Labels(zone, ingress_class), each) for zone, each in counts.hosts.items()),
        *(_server_lines(_Labels(server, ingress_class), each, edges) for server, each in counts.servers.items()),
        (
            _Labels(labels, ingress_class).line("headgate_http_retries_total", value)
            for labels, value in counts.retries.items()
        ),
    )
    for name, line in series:
        found[name].append(line)
    return found


def _host_lines(labels: _Labels, counts: HostCounts) -> Iterator[Line]:
    prefix = f"{PLUS}server_zone_"
    yield labels.line(f"{prefix}requests", sum(counts.responses) + counts.discarded)
    for code, value in zip(CLASSES, counts.responses, strict=True):
        yield labels.line(f"{prefix}responses", value, f',code="{code}"')
    yield labels.line(f"{prefix}discarded", counts.discarded)
    yield labels.line(f"{prefix}received", counts.received)
    yield labels.line(f"{prefix}sent", counts.sent)


def _server_lines(labels: _Labels, counts: ServerCounts, edges: Sequence[str]) -> Iterator[Line]:
    prefix = f"{PLUS}upstream_server_"
    responses: Counter[str] = Counter()
    requests, failed = counts.untimed, 0
    for code, tries in counts.codes.items():
        total = sum(tries.buckets)
        requests, failed = requests + total, failed + tries.failed
        responses[f"{code[:1]}xx"] += total - tries.failed
        yield from _histogram_lines(labels, f',code="{code}"', tries, edges)
    yield labels.line(f"{prefix}requests", requests)
    for code in CLASSES:
        yield labels.line(f"{prefix}responses", responses[code], f',code="{code}"')
    for name, value in (
        ("fails", failed), ("active", counts.active), ("limit", counts.limit),
        ("header_time", counts.header_time), ("response_time", counts.response_time),
    ):  # fmt: skip
        if value is not None:
            yield labels.line(f"{prefix}{name}", value)


def _histogram_lines(labels: _Labels, code: str, tries: StatusCounts, edges: Sequence[str]) -> Iterator[Line]:
    below = 0
    for edge, count in zip(edges, tries.buckets, strict=True):
        below += count
        within = labels.between(f'{code},le="{edge}"')
        yield LATENCY, f"{LATENCY}_bucket{{{within}}} {below}"
    yield LATENCY, f"{LATENCY}_sum{{{labels.between(code)}}} {tries.total_ms}"
    yield LATENCY, f"{LATENCY}_count{{{labels.between(code)}}} {below}"
