"""The numbers of Headgate under the names of ingress-nginx, for dashboards and alerts that were made for it.

Nothing is counted for them: each scrape writes what ``Metrics`` was given for its own names a second time.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec
from prometheus_client import Histogram

from headgate.reporting.exposition import labelled, number
from headgate.reporting.rows import CONTROLLER, MetricRow
from headgate.reporting.traffic import Counts, HostCounts, ServerZone

OTHERS: Final = "_"
"""The host of requests that no object has a host for."""
SOCKET: Final = ("host", "ingress", "namespace", "service", "canary", "status", "method", "path")
"""The labels of what is counted of requests."""
CLASSES: Final = ("1xx", "2xx", "3xx", "4xx", "5xx")
PROCESS: Final = f"{CONTROLLER}nginx_process_"


def _row(name: str, kind: str, doc: str, *labels: str) -> MetricRow:
    return MetricRow(f"{CONTROLLER}{name}", kind, doc, dict.fromkeys(labels, ()), optional="--enable-metrics")


COMMUNITY_TABLE: Final = (
    _row("build_info", "gauge", "1; the labels say which version this is.", "release", "build", "repository"),
    _row("config_last_reload_successful", "gauge", "1 if the last reload succeeded, else 0."),
    _row("config_last_reload_successful_timestamp_seconds", "gauge", "When the last reload succeeded, since 1970."),
    _row("success", "counter", "Reloads that succeeded."),
    _row("errors", "counter", "Reloads that failed."),
    _row("leader_election_status", "gauge", "1 if this replica leads, else 0.", "name"),
    _row(
        "ssl_expire_time_seconds", "gauge", "When the certificate of a host expires, since 1970.",
        "namespace", "class", "host", "secret_name", "identifier",
    ),
    _row("nginx_process_connections_total", "counter", "Connections that nginx accepted and handled.", "state"),
    _row("nginx_process_connections", "gauge", "Connections of nginx now.", "state"),
    _row("nginx_process_requests_total", "counter", "Requests to nginx."),
    _row("nginx_process_num_procs", "gauge", "Processes of nginx."),
    _row("nginx_process_cpu_seconds_total", "counter", "Seconds of processors in the kernel for nginx."),
    _row("nginx_process_read_bytes_total", "counter", "Bytes that nginx read."),
    _row("nginx_process_write_bytes_total", "counter", "Bytes that nginx wrote."),
    _row("nginx_process_resident_memory_bytes", "gauge", "Resident memory of nginx."),
    _row("nginx_process_virtual_memory_bytes", "gauge", "Virtual memory of nginx."),
    _row("nginx_process_oldest_start_time_seconds", "gauge", "When the oldest process of nginx started, since 1970."),
    _row("requests", "counter", "Requests of clients.", *SOCKET),
    _row("request_duration_seconds", "histogram", "Seconds that backends took to answer requests.", *SOCKET),
    _row("response_duration_seconds", "histogram", "Seconds that backends took to answer requests.", *SOCKET),
    _row("header_duration_seconds", "histogram", "Seconds until the header of the answer of a backend.", *SOCKET),
    _row("request_size", "histogram", "Bytes of requests.", *SOCKET),
    _row("response_size", "histogram", "Bytes of responses.", *SOCKET),
    _row("bytes_sent", "histogram", "Bytes of responses.", *SOCKET),
)  # fmt: skip
"""The metrics that exist, with the labels besides those of the controller."""
ALONE: Final = frozenset({"ssl_expire_time_seconds"})
"""Those without the labels of the controller."""
COMMUNITY_DIFFERS: Final[Mapping[str, str]] = {
    f"{CONTROLLER}ssl_expire_time_seconds": "each replica has it, and identifier is empty",
    f"{CONTROLLER}success": "endpoints that change without a reload are not among them",
    f"{CONTROLLER}requests": "status is the class (2xx); method, path and canary are empty",
    f"{CONTROLLER}request_duration_seconds": "as response_duration_seconds: without the time of the client",
    f"{CONTROLLER}response_duration_seconds": "of each try at a backend; the buckets are Headgate's",
    f"{CONTROLLER}header_duration_seconds": "has no buckets but +Inf; needs the live data plane",
    f"{CONTROLLER}request_size": "has no buckets but +Inf, and is by host; needs the live data plane",
    f"{CONTROLLER}response_size": "has no buckets but +Inf, and is by host; needs the live data plane",
    f"{CONTROLLER}bytes_sent": "has no buckets but +Inf, and is by host; needs the live data plane",
}
COMMUNITY_ABSENT: Final[Mapping[str, str]] = {
    f"{CONTROLLER}config_hash": "a configuration has no hash; see headgate_configuration_behind_seconds",
    f"{CONTROLLER}connect_duration_seconds": "the time of connecting is not measured; see response_duration_seconds",
    f"{CONTROLLER}check_*": "see headgate_admission_requests_total",
    f"{CONTROLLER}admission_*": "the webhook renders nothing; see headgate_admission_requests_total",
    f"{CONTROLLER}orphan_ingress": "events and `headgate status` name Services without endpoints",
    f"{CONTROLLER}ssl_certificate_info": "issuers are not exposed; see ssl_expire_time_seconds",
    "go_*": "Headgate is no Go program",
    "promhttp_*": "scrapes are not counted",
}
"""Why others do not exist; a star stands for any end of a name."""


def community_metrics_markdown() -> str:
    """Return the reference page of the metrics of ingress-nginx."""
    rows = (
        (row.name, row.kind, ", ".join(row.labels), row.doc, COMMUNITY_DIFFERS.get(row.name, ""))
        for row in COMMUNITY_TABLE
    )
    lines = [
        "# Metrics of ingress-nginx",
        "",
        "Served beside [those of Headgate](metrics.md) with `--enable-metrics`, with the flags of ingress-nginx. Every",
        "series but that of certificates has the labels `controller_namespace`, `controller_class` and",
        "`controller_pod`; `host` is there unless `--metrics-per-host=false`. `process_*` describe the controller's",
        "process.",
        "",
        "| Metric | Type | Labels | Meaning | Differs |",
        "|---|---|---|---|---|",
        *(f"| `{name}` | {' | '.join(rest)} |" for name, *rest in rows),
        "",
        "## Known and not there",
        "",
        "| Metric | Why |",
        "|---|---|",
        *(f"| `{name}` | {why} |" for name, why in COMMUNITY_ABSENT.items()),
        "",
    ]
    return "\n".join(lines)


class Who(msgspec.Struct, frozen=True, kw_only=True):
    """What is the same in all series, and what is wanted of them.

    Attributes:
        namespace: of the controller; ``pod`` is its Pod, ``controller_class`` the ``spec.controller`` of its classes.
        per_host: whether series have the label ``host`` (``--metrics-per-host``).
        undefined: whether hosts that no object has are counted, too (``--metrics-per-undefined-host``).
        classes: whether a status is a class of statuses everywhere (``--report-status-classes``).
        excluded: names that are left out (``--exclude-socket-metrics``), without ``nginx_ingress_controller_``.
    """

    namespace: str
    controller_class: str
    pod: str
    election: str
    release: str
    build: str
    per_host: bool = True
    undefined: bool = False
    classes: bool = False
    excluded: frozenset[str] = frozenset()


class Usage(msgspec.Struct, frozen=True):
    """What the processes of nginx use: *system_s* seconds of processors, bytes, and seconds since 1970."""

    processes: int
    system_s: float
    read: int
    written: int
    resident: int
    virtual: int
    oldest: float


class Times(msgspec.Struct):
    """Tries of one Service that ended with one status: by bucket, not cumulated, and seconds of all of them."""

    buckets: Sequence[int]
    seconds: float
    header_seconds: float = 0
    headers: int = 0
    below: dict[str, int] = msgspec.field(default_factory=dict)
    """Cumulated counts by bound, while a histogram is read."""

    def add(self, other: Times) -> None:
        """Add those of *other*."""
        self.buckets = [one + more for one, more in zip(self.buckets, other.buckets, strict=True)]
        self.seconds += other.seconds
        self.header_seconds += other.header_seconds
        self.headers += other.headers


class Answered(msgspec.Struct, frozen=True):
    """The labels of times and of requests."""

    host: str
    ingress: str
    namespace: str
    service: str
    status: str


def times_of(counts: Counts) -> dict[Answered, Times]:
    """Return the tries of *counts* by Service and status."""
    found: dict[Answered, Times] = {}
    for server, tries in counts.servers.items():
        host = counts.hosts_of.get(server.upstream, "")
        for code, each in tries.codes.items():
            key = Answered(host, server.resource_name, server.resource_namespace, server.service, code)
            answered = sum(each.buckets) - each.failed
            times = Times(each.buckets, each.total_ms / 1000, each.header_ms / 1000, answered)
            found.setdefault(key, Times([0] * len(each.buckets), 0)).add(times)
    return found


def times_in(histogram: Histogram) -> dict[Answered, Times]:
    """Return the same of *histogram*, whose times are milliseconds and which has no hosts."""
    found: dict[Answered, Times] = {}
    for sample in (sample for metric in histogram.collect() for sample in metric.samples):
        labels = sample.labels
        key = Answered("", labels["resource_name"], labels["resource_namespace"], labels["service"], labels["code"])
        times = found.setdefault(key, Times([], 0))
        if sample.name.endswith("_bucket"):
            times.below[labels["le"]] = times.below.get(labels["le"], 0) + int(sample.value)
        elif sample.name.endswith("_sum"):
            times.seconds += sample.value / 1000
    for times in found.values():
        below = list(times.below.values())
        times.buckets = [count - before for before, count in itertools.pairwise([0, *below])]
    return found


Series = tuple[Mapping[str, str], float]


class CommunityMetrics:
    """Writes the series of ingress-nginx; what was not set has none."""

    def __init__(self, who: Who, clock: Callable[[], float] = time.time) -> None:
        """Know nothing yet; *clock* has seconds since 1970."""
        self._who = who
        self._clock = clock
        self._all = {
            "controller_namespace": who.namespace, "controller_class": who.controller_class, "controller_pod": who.pod,
        }  # fmt: skip
        build = {"release": who.release, "build": who.build, "repository": ""}
        self._plain: dict[str, list[Series]] = {"build_info": [(build, 1)]}
        self._histograms: dict[str, list[str]] = {}
        self._done = 0
        self.set_leader(leading=False)

    def set_reloads(self, done: int, errors: int, *, last_ok: bool) -> None:
        """Set the number of reloads, and the result of the last one."""
        self._plain["config_last_reload_successful"] = [({}, float(last_ok))]
        self._plain["success"] = [({}, done)]
        self._plain["errors"] = [({}, errors)]
        if done != self._done:
            self._plain["config_last_reload_successful_timestamp_seconds"] = [({}, int(self._clock()))]
            self._done = done

    def set_leader(self, *, leading: bool) -> None:
        """Set whether this replica leads."""
        self._plain["leader_election_status"] = [({"name": self._who.election}, float(leading))]

    def set_certificates(self, found: Iterable[tuple[str, str, str, float]]) -> None:
        """Set when certificates expire: host, namespace and name of the Secret, seconds since 1970."""
        self._plain["ssl_expire_time_seconds"] = [
            (
                {"host": host, "namespace": namespace, "secret_name": name, "identifier": "",
                 "class": self._who.controller_class},
                end,
            )
            for host, namespace, name, end in found
        ]  # fmt: skip

    def set_connections(self, totals: Mapping[str, int], now: Mapping[str, int], requests: int) -> None:
        """Set nginx's counters of connections, by state."""
        self._plain["nginx_process_connections_total"] = [({"state": state}, value) for state, value in totals.items()]
        self._plain["nginx_process_connections"] = [({"state": state}, value) for state, value in now.items()]
        self._plain["nginx_process_requests_total"] = [({}, requests)]

    def set_usage(self, found: Usage | None) -> None:
        """Set what nginx uses; ``None`` if that is not known."""
        if found is None:
            return
        for name, value in (
            ("num_procs", found.processes), ("cpu_seconds_total", found.system_s), ("read_bytes_total", found.read),
            ("write_bytes_total", found.written), ("resident_memory_bytes", found.resident),
            ("virtual_memory_bytes", found.virtual), ("oldest_start_time_seconds", found.oldest),
        ):  # fmt: skip
            self._plain[f"nginx_process_{name}"] = [({}, value)]

    def set_requests(self, counts: Mapping[Answered, int]) -> None:
        """Set the number of requests."""
        found: Counter[Answered] = Counter()
        for key, value in counts.items():
            if self._is_wanted(key.host):
                found[self._labels(key)] += value
        self._plain["requests"] = [(self._socket(key), value) for key, value in found.items()]

    def set_times(self, times: Mapping[Answered, Times], bounds_s: Sequence[float]) -> None:
        """Set how long backends took; *bounds_s* are those of the buckets, in seconds."""
        found: dict[Answered, Times] = {}
        for key, value in times.items():
            into = found.setdefault(self._labels(key), Times([0] * len(value.buckets), 0))
            into.add(value)
        edges = [*map(number, bounds_s), "+Inf"]
        for name in ("request_duration_seconds", "response_duration_seconds"):
            self._histograms[name] = [
                line for key, each in found.items() for line in self._buckets(name, key, each, edges)
            ]
        name = "header_duration_seconds"
        self._histograms[name] = [
            line
            for key, each in found.items()
            if each.headers
            for line in self._whole(name, self._socket(key), each.headers, each.header_seconds)
        ]

    def set_sizes(self, hosts: Mapping[ServerZone, HostCounts]) -> None:
        """Set the bytes of requests and responses."""
        found: defaultdict[Answered, list[int]] = defaultdict(lambda: [0, 0, 0])
        for zone, counts in hosts.items():
            if self._is_wanted(zone.server_zone):
                key = Answered(zone.server_zone, zone.resource_name, zone.resource_namespace, "", "")
                sums = found[self._labels(key)]
                for i, value in enumerate((sum(counts.responses) + counts.discarded, counts.received, counts.sent)):
                    sums[i] += value
        for name, place in (("request_size", 1), ("response_size", 2), ("bytes_sent", 2)):
            self._histograms[name] = [
                line
                for key, sums in found.items()
                for line in self._whole(name, self._socket(key), sums[0], sums[place])
            ]

    def lines(self) -> Iterator[str]:
        """Yield all lines of the exposition."""
        for row in COMMUNITY_TABLE:
            name = row.name.removeprefix(CONTROLLER)
            if name in self._who.excluded:
                continue
            yield f"# HELP {row.name} {row.doc}"
            yield f"# TYPE {row.name} {row.kind}"
            for labels, value in self._plain.get(name, ()):
                around = {} if name in ALONE else self._all
                yield f"{row.name}{{{labelled({**around, **labels})}}} {number(value)}"
            yield from self._histograms.get(name, ())

    # --- parts --------------------------------------------------------------------------------------------

    def _is_wanted(self, host: str) -> bool:
        return host != OTHERS or self._who.undefined or not self._who.per_host

    def _labels(self, key: Answered) -> Answered:
        status = f"{key.status[:1]}xx" if self._who.classes and key.status[:1].isdigit() else key.status
        return msgspec.structs.replace(key, host=key.host if self._who.per_host else "", status=status)

    def _socket(self, key: Answered) -> dict[str, str]:
        found = {
            "ingress": key.ingress, "namespace": key.namespace, "service": key.service, "status": key.status,
            "canary": "", "method": "", "path": "",
        }  # fmt: skip
        return found | ({"host": key.host} if self._who.per_host else {})

    def _buckets(self, name: str, key: Answered, times: Times, edges: Sequence[str]) -> Iterator[str]:
        labels = labelled({**self._all, **self._socket(key)})
        below = itertools.accumulate(times.buckets)
        for edge, count in zip(edges, below, strict=True):
            yield f'{CONTROLLER}{name}_bucket{{{labels},le="{edge}"}} {count}'
        yield from self._ends(name, labels, sum(times.buckets), times.seconds)

    def _whole(self, name: str, socket: Mapping[str, str], count: int, total: float) -> Iterator[str]:
        labels = labelled({**self._all, **socket})
        yield f'{CONTROLLER}{name}_bucket{{{labels},le="+Inf"}} {count}'
        yield from self._ends(name, labels, count, total)

    @staticmethod
    def _ends(name: str, labels: str, count: int, total: float) -> Iterator[str]:
        yield f"{CONTROLLER}{name}_sum{{{labels}}} {number(total)}"
        yield f"{CONTROLLER}{name}_count{{{labels}}} {count}"
