"""The numbers that a scrape asks for: gathered from those who know them, at that moment."""

from __future__ import annotations

from headgate.controller.herald import Herald
from headgate.controller.rooms import Rooms
from headgate.ir import Layout
from headgate.k8s import WorkQueue
from headgate.nginx.latency import LatencyReceiver, Sample
from headgate.nginx.manager import LocalManager
from headgate.nginx.stats import status
from headgate.reporting.events import EventRecorder
from headgate.reporting.metrics import Metrics, Server


class Gauges:
    """Sets the Metrics that nobody tells on their own."""

    def __init__(self, metrics: Metrics, rooms: Rooms, manager: LocalManager, queue: WorkQueue) -> None:
        """Remember who knows what."""
        self._metrics = metrics
        self._rooms = rooms
        self._manager = manager
        self._queue = queue

    async def gather(
        self, layout: Layout, herald: Herald, events: EventRecorder, latency: LatencyReceiver | None
    ) -> None:
        """Set every number; nginx is asked over its status socket in *layout*."""
        metrics, generations = self._metrics, self._manager.generations()
        metrics.set_reloads(self._manager.stats)
        metrics.set_workers(current=generations.current, old=generations.leaving)
        metrics.set_queue_depth(self._queue.depth)
        metrics.set_ingresses(**self._rooms.configuration.census())
        metrics.set_refused(herald.census().refused)
        metrics.set_events_dropped(events.dropped)
        metrics.set_connections(await status(layout))
        if latency:
            metrics.set_latency_unreadable(latency.malformed)
            for upstream in metrics.measured:  # series must not outlive their Pods
                metrics.keep_servers(upstream, self._rooms.configurator.servers(upstream))

    def observe(self, sample: Sample) -> None:
        """Count the latency of one try at a server of an upstream that we made."""
        labels = self._rooms.configurator.labels(sample.upstream, sample.server)
        if labels is None:
            return
        server = Server(upstream=sample.upstream, server=sample.server, code=sample.code, **labels)
        self._metrics.observe_latency(server, sample.milliseconds)
