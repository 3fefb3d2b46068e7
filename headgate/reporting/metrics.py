"""The methods that set the values of metrics (``table`` has their names).

All series with fixed labels exist from the first scrape.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import msgspec
from prometheus_client import CollectorRegistry, Histogram, Metric, ProcessCollector

from headgate.ir.check import ServerHealth
from headgate.reporting.community import Answered, CommunityMetrics, times_in, times_of
from headgate.reporting.exposition import exposition
from headgate.reporting.measured import Measured, Pool, Server, UpstreamServer
from headgate.reporting.rows import CONTROLLER, NGINX, MetricRow
from headgate.reporting.table import BOUNDS, CHECKS, FAILS, QUEUE, STATE, STATES, TABLE, UNHEALTHY
from headgate.reporting.traffic import LATENCY, Counts, traffic_lines

log = logging.getLogger(__name__)

_ROWS = {row.name: row for row in TABLE}


class Reloads(Protocol):
    """Counters of reloads since the start of the controller, which counts as one of ``other``."""

    @property
    def endpoints(self) -> int:
        """Verified reloads for changes of endpoints only."""
        ...

    @property
    def other(self) -> int:
        """Verified reloads for any other reason."""
        ...

    @property
    def errors(self) -> int:
        """Reloads that failed."""
        ...

    @property
    def last_ok(self) -> bool:
        """Whether the last one succeeded."""
        ...

    @property
    def last_ms(self) -> float:
        """Milliseconds that the last one took."""
        ...


class Connections(Protocol):
    """nginx's counters of connections."""

    @property
    def active(self) -> int:
        """Open now."""
        ...

    @property
    def accepted(self) -> int:
        """Accepted since the start of nginx."""
        ...

    @property
    def handled(self) -> int:
        """Handled since the start of nginx."""
        ...

    @property
    def requests(self) -> int:
        """Requests since the start of nginx."""
        ...

    @property
    def reading(self) -> int:
        """Reading a request header now."""
        ...

    @property
    def writing(self) -> int:
        """Being answered now."""
        ...

    @property
    def waiting(self) -> int:
        """Idle now."""
        ...


class Origin(msgspec.Struct, frozen=True):
    """The Service that answered, and the object that names it; empty where nginx answered by itself."""

    service: str = ""
    resource_type: str = ""
    resource_name: str = ""
    resource_namespace: str = ""


class Requests(msgspec.Struct, frozen=True):
    """The labels of a number of requests; *code* is a class, such as ``5xx``."""

    host: str
    code: str
    origin: Origin = Origin()


class Sessions(msgspec.Struct, frozen=True):
    """What is counted of sessions since the start, by class of status, upstream and server."""

    ended: Mapping[tuple[str, Pool], int]
    received: Mapping[Pool, int]
    sent: Mapping[Pool, int]
    failures: Mapping[UpstreamServer, int]


class Certificate(msgspec.Struct, frozen=True):
    """The certificate of a host; the fields are labels."""

    host: str
    secret_name: str
    secret_namespace: str


def _answered(key: Requests) -> Answered:
    origin = key.origin
    return Answered(key.host, origin.resource_name, origin.resource_namespace, origin.service, key.code)


class _Numbers:
    """Counters and gauges that are counted elsewhere; a collector of the values that were set last."""

    def __init__(self, rows: Iterable[MetricRow], ingress_class: str) -> None:
        self._rows = tuple(rows)
        self._values: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
        for row in self._rows:
            fixed = itertools.product(*([(name, value) for value in values] for name, values in row.labels.items()))
            self._values[row.name] = {(("class", ingress_class), *labels): 0.0 for labels in fixed}
        self._class = ingress_class

    def set(self, name: str, value: float, /, **labels: str) -> None:
        key = (("class", self._class), *labels.items())
        if key not in self._values[name]:
            raise KeyError(f"{name} has no series {labels}")
        self._values[name][key] = value

    def add(self, name: str, /, **labels: str) -> None:
        """Count one more, of a series with fixed labels."""
        self._values[name][("class", self._class), *labels.items()] += 1

    def replace(self, name: str, values: Iterable[tuple[Mapping[str, str], float]]) -> None:
        """Have exactly the series *values*, of a metric whose labels are not fixed."""
        self._values[name] = {(("class", self._class), *labels.items()): value for labels, value in values}

    def collect(self) -> Iterator[Metric]:
        for row in self._rows:
            metric = Metric(row.name, row.doc, row.kind)
            for labels, value in self._values[row.name].items():
                metric.add_sample(row.name, dict(labels), value)
            yield metric


class Metrics:
    """The metrics of one controller; ``exposition`` returns the text of a scrape."""

    def __init__(self, ingress_class: str, *, latency: bool = False, community: CommunityMetrics | None = None) -> None:
        """Create all series; *latency* adds those of ``-enable-latency-metrics``, and *community* its own."""
        self._class = ingress_class
        self.community = community
        self._registry = CollectorRegistry()
        self._sources: list[Callable[[], Awaitable[None]]] = []
        rows = [row for row in TABLE if latency or not row.optional]
        self._numbers = _Numbers((row for row in rows if row.kind != "histogram"), ingress_class)
        self._registry.register(self._numbers)
        self._histograms = {row.name: self._histogram(row) for row in rows if row.kind == "histogram"}
        self._measured = {
            name: Measured(histogram, ingress_class)
            for name, histogram in self._histograms.items()
            if "upstream" in _ROWS[name].labels
        }
        self._written: Mapping[str, Sequence[str]] = {}
        ProcessCollector(registry=self._registry)

    def _histogram(self, row: MetricRow) -> Histogram:
        names = ("class", *row.labels)
        histogram = Histogram(row.name, row.doc, names, buckets=row.buckets, registry=self._registry)
        for labels in itertools.product(*row.labels.values()):
            histogram.labels(self._class, *labels)
        return histogram

    def before_scrape(self, source: Callable[[], Awaitable[None]]) -> None:
        """Call *source* before each scrape to update values; an error of it is logged and does not fail the scrape."""
        self._sources.append(source)

    async def exposition(self, timeout: float = 5.0) -> bytes:  # noqa: ASYNC109 a limit per source, not for the whole
        """Call the sources, each for at most *timeout* seconds, and return the text of all series."""
        for source in self._sources:
            try:
                async with asyncio.timeout(timeout):
                    await source()
            except Exception as error:  # noqa: BLE001 a scrape returns what is available
                log.warning("metrics source failed", extra={"fields": {"error": repr(error)}})
        own = exposition(self._registry, self._written)
        if self.community and not self._written and LATENCY in self._histograms:
            self.community.set_times(times_in(self._histograms[LATENCY]), [bound / 1000 for bound in BOUNDS])
        return own + "".join(f"{line}\n" for line in self.community.lines()).encode() if self.community else own

    def set_reloads(self, found: Reloads) -> None:
        """Set the number of reloads, and the result of the last one."""
        self._numbers.set(f"{CONTROLLER}nginx_reloads_total", found.endpoints, reason="endpoints")
        self._numbers.set(f"{CONTROLLER}nginx_reloads_total", found.other, reason="other")
        self._numbers.set(f"{CONTROLLER}nginx_reload_errors_total", found.errors)
        self._numbers.set(f"{CONTROLLER}nginx_last_reload_status", float(found.last_ok))
        self._numbers.set(f"{CONTROLLER}nginx_last_reload_milliseconds", found.last_ms)
        if self.community:
            self.community.set_reloads(found.endpoints + found.other, found.errors, last_ok=found.last_ok)

    def set_live(self, *, changes: int, hosts: int, used: int, capacity: int) -> None:
        """Set how many upstreams were pushed, how many hosts are routed, and the bytes of nginx's memory for both."""
        self._numbers.set("headgate_routed_hosts", hosts)
        self._numbers.set("headgate_live_changes_total", changes)
        self._numbers.set("headgate_live_memory_bytes", used, state="used")
        self._numbers.set("headgate_live_memory_bytes", capacity, state="capacity")

    def set_checks(self, found: Mapping[UpstreamServer, ServerHealth]) -> None:
        """Set what health checks found about each server; the series of others are removed."""
        servers = [(msgspec.structs.asdict(server), health) for server, health in found.items()]
        self._numbers.replace(STATE, [(labels, STATES[health.state]) for labels, health in servers])
        self._numbers.replace(CHECKS, [(labels, health.checks) for labels, health in servers])
        self._numbers.replace(FAILS, [(labels, health.fails) for labels, health in servers])
        self._numbers.replace(UNHEALTHY, [(labels, health.unhealthy) for labels, health in servers])

    def set_workers(self, *, current: int, old: int) -> None:
        """Set the number of worker processes; *old* ones are shutting down."""
        self._numbers.set(f"{CONTROLLER}nginx_worker_processes_total", current, generation="current")
        self._numbers.set(f"{CONTROLLER}nginx_worker_processes_total", old, generation="old")

    def set_ingresses(self, *, regular: int, master: int, minion: int) -> None:
        """Set the number of Ingresses that are served, by role."""
        for role, count in (("regular", regular), ("master", master), ("minion", minion)):
            self._numbers.set(f"{CONTROLLER}ingress_resources_total", count, type=role)

    def set_virtual_servers(self, *, servers: int, routes: int) -> None:
        """Set the number of VirtualServers and of VirtualServerRoutes that are served."""
        self._numbers.set(f"{CONTROLLER}virtualserver_resources_total", servers)
        self._numbers.set(f"{CONTROLLER}virtualserverroute_resources_total", routes)

    def set_transport_servers(self, found: Mapping[str, int]) -> None:
        """Set the number of TransportServers that are served, by type."""
        for kind, count in found.items():
            self._numbers.set(f"{CONTROLLER}transportserver_resources_total", count, type=kind)

    def set_queue_depth(self, depth: int) -> None:
        """Set the number of keys that wait."""
        self._numbers.set(f"{CONTROLLER}workqueue_depth", depth, name=QUEUE)

    def observe_queue(self, seconds: float) -> None:
        """Count a key that waited *seconds*."""
        self._histograms[f"{CONTROLLER}workqueue_queue_duration_seconds"].labels(self._class, QUEUE).observe(seconds)

    def observe_work(self, seconds: float) -> None:
        """Count a batch that took *seconds*."""
        self._histograms[f"{CONTROLLER}workqueue_work_duration_seconds"].labels(self._class, QUEUE).observe(seconds)

    def observe_stage(self, stage: str, seconds: float) -> None:
        """Count a batch that spent *seconds* in *stage*."""
        self._histograms["headgate_batch_stage_seconds"].labels(self._class, stage).observe(seconds)

    def set_connections(self, found: Connections | None) -> None:
        """Set nginx's counters of connections; None if they could not be read, which keeps the last values."""
        self._numbers.set(f"{NGINX}up", float(found is not None))
        if found is None:
            return
        for name in ("active", "accepted", "handled", "reading", "writing", "waiting"):
            self._numbers.set(f"{NGINX}connections_{name}", getattr(found, name))
        self._numbers.set(f"{NGINX}http_requests_total", found.requests)
        if self.community:
            totals, now = (
                {state: getattr(found, state) for state in states}
                for states in (("accepted", "handled"), ("active", "reading", "writing", "waiting"))
            )
            self.community.set_connections(totals, now, found.requests)

    def set_leader(self, *, leading: bool) -> None:
        """Set whether this replica writes statuses."""
        self._numbers.set("headgate_leader", float(leading))
        if self.community:
            self.community.set_leader(leading=leading)

    def set_refused(self, objects: int) -> None:
        """Set the number of objects that are not served in their present form."""
        self._numbers.set("headgate_objects_refused", objects)

    def set_behind(self, seconds: float) -> None:
        """Set for how long nginx has not served the newest configuration."""
        self._numbers.set("headgate_configuration_behind_seconds", seconds)

    def set_watches_failing(self, watches: Mapping[str, int]) -> None:
        """Set the number of watches that fail, by resource, and 0 for those of which none does."""
        series = [({"resource": resource}, number) for resource, number in sorted(watches.items())]
        self._numbers.replace("headgate_watches_failing", series)

    def set_certificates(self, expiries: Mapping[Certificate, float]) -> None:
        """Set when the certificates in use expire, in seconds since 1970; others are removed."""
        series = [(msgspec.structs.asdict(certificate), end) for certificate, end in expiries.items()]
        self._numbers.replace("headgate_certificate_expiry_timestamp_seconds", series)
        if self.community:
            self.community.set_certificates(
                (each.host, each.secret_namespace, each.secret_name, end) for each, end in expiries.items()
            )

    def set_requests(self, counts: Mapping[Requests, int]) -> None:
        """Set the number of requests since the start; needs latency metrics."""
        series = [
            ({"host": key.host, "code": key.code, **msgspec.structs.asdict(key.origin)}, number)
            for key, number in counts.items()
        ]
        self._numbers.replace("headgate_http_requests_total", series)
        if self.community:
            self.community.set_requests({_answered(key): number for key, number in counts.items()})

    def set_traffic(self, counts: Counts | None) -> None:
        """Set what workers of nginx counted, in place of all before and of ``observe_latency``; ``None`` if none does.

        Needs latency metrics.
        """
        self._written = {} if counts is None else traffic_lines(counts, self._class, BOUNDS)
        if self.community and counts is not None:
            self.community.set_sizes(counts.hosts)
            self.community.set_times(times_of(counts), [bound / 1000 for bound in BOUNDS])
        if counts is not None and (measured := self._measured.get(LATENCY)):
            for upstream in measured:
                measured.keep(upstream, ())

    def set_events_dropped(self, events: int) -> None:
        """Set the number of Events that were not sent since the start."""
        self._numbers.set("headgate_events_dropped_total", events)

    def set_latency_unreadable(self, lines: int) -> None:
        """Set the number of latency lines that could not be parsed since the start."""
        self._numbers.set("headgate_latency_lines_unreadable_total", lines)

    def set_sessions(self, found: Sessions) -> None:
        """Set what was counted of sessions since the start; needs latency metrics."""
        ended = [
            ({"code": code, **msgspec.structs.asdict(pool)}, number) for (code, pool), number in found.ended.items()
        ]
        self._numbers.replace("headgate_stream_sessions_total", ended)
        for name, numbers in (
            ("received_bytes", found.received),
            ("sent_bytes", found.sent),
            ("upstream_failures", found.failures),
        ):
            series = [(msgspec.structs.asdict(labels), number) for labels, number in numbers.items()]
            self._numbers.replace(f"headgate_stream_{name}_total", series)

    def observe_latency(self, server: Server, milliseconds: float) -> None:
        """Count a response of *server* that took *milliseconds*; does nothing without latency metrics."""
        if measured := self._measured.get(LATENCY):
            measured.observe(server, milliseconds)

    def observe_session(self, pool: Pool, seconds: float) -> None:
        """Count a session that lasted *seconds*; does nothing without latency metrics."""
        if measured := self._measured.get("headgate_stream_session_seconds"):
            measured.observe(pool, seconds)

    def observe_connection(self, endpoint: UpstreamServer, seconds: float) -> None:
        """Count a connection that took *seconds* to make; does nothing without latency metrics."""
        if measured := self._measured.get("headgate_stream_upstream_connect_seconds"):
            measured.observe(endpoint, seconds)

    def count_admission(self, result: str) -> None:
        """Count a request to the admission webhook."""
        self._numbers.add("headgate_admission_requests_total", result=result)

    @property
    def measured(self) -> frozenset[str]:
        """The upstreams that have series of their own."""
        return frozenset(upstream for measured in self._measured.values() for upstream in measured)

    def keep_servers(self, upstream: str, servers: Collection[str] = ()) -> None:
        """Remove the series of *upstream* except those of *servers*: they end with their Pods."""
        for measured in self._measured.values():
            measured.keep(upstream, servers)
