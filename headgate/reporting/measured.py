"""Histograms by upstream and server, of which series can be removed: they end with their servers."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec
from prometheus_client import Histogram


class Pool(msgspec.Struct, frozen=True):
    """The upstream of a TransportServer; the fields are labels of the series."""

    upstream: str
    service: str = ""
    resource_type: str = ""
    resource_name: str = ""
    resource_namespace: str = ""


class UpstreamServer(msgspec.Struct, frozen=True):
    """A server of an upstream; the fields are labels of the series."""

    upstream: str
    server: str
    service: str = ""
    resource_type: str = ""
    resource_name: str = ""
    resource_namespace: str = ""
    pod_name: str = ""


class Server(msgspec.Struct, frozen=True):
    """The upstream server of a latency sample; the fields are labels of the series."""

    upstream: str
    server: str
    code: str
    service: str = ""
    resource_type: str = ""
    resource_name: str = ""
    resource_namespace: str = ""
    pod_name: str = ""


Labels = Server | UpstreamServer | Pool


class Measured:
    """A histogram whose labels, after the class, are the fields of a struct with the upstream in it."""

    def __init__(self, histogram: Histogram, ingress_class: str) -> None:
        """Begin without series."""
        self._histogram = histogram
        self._class = ingress_class
        self._known: dict[str, set[Labels]] = {}

    def __iter__(self) -> Iterator[str]:
        """Yield the upstreams that have series."""
        return iter(tuple(self._known))

    def observe(self, labels: Labels, value: float) -> None:
        """Count *value*."""
        self._known.setdefault(labels.upstream, set()).add(labels)
        self._histogram.labels(self._class, *msgspec.structs.astuple(labels)).observe(value)

    def keep(self, upstream: str, servers: Collection[str]) -> None:
        """Remove the series of *upstream* except those of *servers*; all without servers, which is an upstream gone."""
        known = self._known.pop(upstream, set())
        kept = {labels for labels in known if servers and (isinstance(labels, Pool) or labels.server in servers)}
        for labels in known - kept:
            self._histogram.remove(self._class, *msgspec.structs.astuple(labels))
        if kept:
            self._known[upstream] = kept
