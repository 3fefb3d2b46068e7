"""The numbers that a scrape asks for: gathered from those who know them, at that moment."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import msgspec

from headgate.api import Ingress, VirtualServer, VirtualServerRoute
from headgate.controller.checks import found_by_checks, series
from headgate.controller.counted import Counting
from headgate.controller.reporter import Reporter
from headgate.controller.traffic import OTHERS, StreamTraffic, Traffic, pool_of, server_of
from headgate.ir import Layout
from headgate.ir.http import Upstream
from headgate.k8s import WorkQueue
from headgate.nginx.latency import LatencyReceiver, Request, Session
from headgate.nginx.manager import LocalManager
from headgate.nginx.procfs import usage
from headgate.nginx.stats import status
from headgate.pipeline import Generation
from headgate.reporting.community import Usage
from headgate.reporting.events import EventRecorder
from headgate.reporting.measured import Server
from headgate.reporting.metrics import Certificate, Metrics, Requests
from headgate.routes import Protocol, SecretReference
from headgate.settings import Role
from headgate.watch import Watches


class Gauges:
    """Sets the Metrics that nobody tells on their own."""

    def __init__(
        self,
        metrics: Metrics,
        generation: Callable[[], Generation | None],
        manager: LocalManager,
        queue: WorkQueue,
        watches: Watches,
    ) -> None:
        """Keep the sources; *generation* returns the latest result of the pipeline."""
        self._metrics = metrics
        self._generation = generation
        self._manager = manager
        self._queue = queue
        self._watches = watches
        self._traffic = Traffic()
        self._streams = StreamTraffic()
        self._counting = Counting(time.monotonic)
        self._counted: Mapping[Requests, int] = {}

    async def gather(
        self,
        layout: Layout,
        reporter: Reporter,
        events: EventRecorder,
        latency: LatencyReceiver | None,
        behind: Callable[[], float],
    ) -> None:
        """Set every number; nginx is asked over its status socket in *layout*."""
        metrics, workers = self._metrics, self._manager.generations()
        metrics.set_reloads(self._manager.stats)
        live = self._manager.live
        if generation := self._generation():
            metrics.set_checks(series(generation, await found_by_checks(layout, generation)))
        hosts = len(generation.live.hosts) if generation and generation.live else 0
        metrics.set_live(changes=self._manager.stats.pushed, hosts=hosts, used=live.used, capacity=live.capacity)
        metrics.set_workers(current=workers.current, old=workers.leaving)
        metrics.set_queue_depth(self._queue.depth)
        metrics.set_ingresses(**count_roles(self._generation()))
        metrics.set_virtual_servers(**count_virtual_servers(self._generation()))
        metrics.set_transport_servers(count_streams(self._generation()))
        metrics.set_refused(reporter.census().refused)
        metrics.set_events_dropped(events.dropped)
        metrics.set_behind(behind())
        metrics.set_watches_failing(self._watches.failing())
        generation = self._generation()
        metrics.set_certificates(dict(expiries(generation) if generation else ()))
        metrics.set_connections(await status(layout))
        pid = self._manager.master_pid
        if metrics.community and pid and (used := usage(pid)):
            metrics.community.set_usage(Usage(**msgspec.structs.asdict(used)))
        if latency:
            metrics.set_latency_unreadable(latency.malformed)
            if generation:
                await self._count(layout, generation)
                metrics.set_sessions(self._streams.sessions(generation))
            for name in metrics.measured:  # series must not outlive their Pods
                upstream = self._upstream(name)
                metrics.keep_servers(name, upstream.servers if upstream else ())

    async def _count(self, layout: Layout, generation: Generation) -> None:
        """Set the requests and tries: those that workers counted, and those of the lines that they sent before.

        While nginx does not answer, the last numbers stay, as if nothing had happened since.
        """
        if generation.live is None:
            self._counted = {}
            self._metrics.set_traffic(None)
        elif found := await self._counting.read(layout, generation):
            counts, self._counted = found
            self._metrics.set_traffic(counts)
        self._metrics.set_requests(Counter(self._counted) + Counter(self._traffic.requests(generation)))

    def observe(self, found: Request | Session) -> None:
        """Count a request or a session, and what each try at a server of an upstream took."""
        if isinstance(found, Session):
            self._observe_session(found)
        else:
            self._observe_request(found)

    def _observe_session(self, session: Session) -> None:
        upstream = self._upstream(session.upstream)
        if upstream is None:
            return
        self._streams.count(session)
        self._metrics.observe_session(pool_of(session.upstream, upstream), session.seconds)
        for each in session.tries:
            if each.seconds is not None:
                self._metrics.observe_connection(server_of(session.upstream, upstream, each.server), each.seconds)

    def _observe_request(self, request: Request) -> None:
        if generation := self._generation():
            self._traffic.count(request, generation)
        for sample in request.samples:
            if upstream := self._upstream(sample.upstream):
                labels = msgspec.structs.asdict(server_of(sample.upstream, upstream, sample.server))
                self._metrics.observe_latency(Server(**labels, code=sample.code), sample.milliseconds)

    def _upstream(self, name: str) -> Upstream | None:
        generation = self._generation()
        return generation.upstreams.get(name) if generation else None


def count_streams(generation: Generation | None) -> dict[str, int]:
    """Count the stream routes that are served, by type."""
    count = {"passthrough": 0, "tcp": 0, "udp": 0}
    for generated in generation.resources.values() if generation else ():
        served = generated.served
        for route in served.table.streams if served and served.files else ():
            protocol = route.listener.protocol
            count["passthrough" if protocol is Protocol.TLS_PASSTHROUGH else protocol.value.lower()] += 1
    return count


def count_roles(generation: Generation | None) -> dict[str, int]:
    """Count the Ingresses that are served, by role; a solver of ACME challenges is a regular one on any host."""
    every = [found.wanted.table for found in generation.resources.values()] if generation else []
    tables = [table for table in every if Ingress.KIND.includes(table.origin)]
    masters = [table for table in tables if any(host.settings[-1].role is Role.MASTER for host in table.hosts)]
    solvers = {ref for table in every for host in table.hosts for ref in host.solvers}
    minions = sum(len({*table.members[1:]} - solvers) for table in masters)
    return {"regular": len(tables) - len(masters) + len(solvers), "master": len(masters), "minion": minions}


def count_virtual_servers(generation: Generation | None) -> dict[str, int]:
    """Count the VirtualServers that are served, and the VirtualServerRoutes that they refer to."""
    resources = generation.resources.values() if generation else ()
    tables = [found.wanted.table for found in resources if VirtualServer.KIND.includes(found.wanted.table.origin)]
    routes = (ref for table in tables for ref in table.members if VirtualServerRoute.KIND.includes(ref))
    return {"servers": len(tables), "routes": sum(1 for _ in routes)}


def expiries(generation: Generation) -> Iterator[tuple[Certificate, float]]:
    """Yield the certificates that hosts are served with, and when each expires, in seconds since 1970."""
    if default := generation.default_certificate:
        yield from _expiry(OTHERS, default)
    for found in generation.resources.values():
        for route in found.served.table.streams if found.served else ():
            if route.tls:
                yield from _expiry(route.host or OTHERS, route.tls.secret)
        for host in found.served.table.hosts if found.served else ():
            for secret in host.tls.secrets if host.tls else ():
                yield from _expiry(host.name or OTHERS, secret)


def _expiry(host: str, secret: SecretReference) -> Iterator[tuple[Certificate, float]]:
    if secret.expires is not None:
        yield Certificate(host, secret.ref.name, secret.ref.namespace), secret.expires.timestamp()
