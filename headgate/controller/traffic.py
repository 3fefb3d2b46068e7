"""Requests and sessions by class of status and by what answers: counted as nginx's lines arrive, named at a scrape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from headgate.ir.http import Upstream
from headgate.nginx.latency import Request, Session
from headgate.pipeline import Generation
from headgate.reporting.measured import Pool, UpstreamServer
from headgate.reporting.metrics import Origin, Requests, Sessions
from headgate.translate.naming import host_of

OTHERS = "_"
"""The host of the default server, and of servers that no object names (in snippets)."""


class Traffic:
    """Counts requests; a count costs a look-up in two mappings, so that clients cannot add series."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._resources: object = None
        self._hosts: frozenset[str] = frozenset()

    def count(self, request: Request, generation: Generation) -> None:
        """Count one request; a host or an upstream that *generation* does not have is not a label."""
        host = host_of(request.host)
        host = host if host in self._hosts_of(generation) else OTHERS
        upstream = request.upstream if request.upstream in generation.upstreams else ""
        self._counts[host, upstream, request.code[:1]] += 1

    def requests(self, generation: Generation) -> Mapping[Requests, int]:
        """Return the counts with their labels; those of hosts and upstreams that are gone are forgotten."""
        hosts, upstreams = self._hosts_of(generation), generation.upstreams
        for key in tuple(self._counts):
            if (key[0] != OTHERS and key[0] not in hosts) or (key[1] and key[1] not in upstreams):
                del self._counts[key]
        found: Counter[Requests] = Counter()
        for (host, upstream, digit), number in self._counts.items():
            found[Requests(host, f"{digit}xx", origin_labels(upstreams.get(upstream)))] += number
        return found

    def _hosts_of(self, generation: Generation) -> frozenset[str]:
        if self._resources is not generation.resources:
            self._resources = generation.resources
            served = (found.served for found in generation.resources.values() if found.served)
            names = (name for rendered in served for name in (*rendered.hosts, *rendered.routed))
            self._hosts = frozenset(map(host_of, names))
        return self._hosts


class StreamTraffic:
    """Counts sessions of TransportServers; only upstreams and servers of the configuration are labels."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._ended: Counter[tuple[str, str]] = Counter()
        self._received: Counter[str] = Counter()
        self._sent: Counter[str] = Counter()
        self._failures: Counter[tuple[str, str]] = Counter()

    def count(self, session: Session) -> None:
        """Count a session with an upstream that the configuration has."""
        self._ended[session.upstream, session.code[:1]] += 1
        self._received[session.upstream] += session.received
        self._sent[session.upstream] += session.sent
        for each in session.tries:
            if each.seconds is None:
                self._failures[session.upstream, each.server] += 1

    def sessions(self, generation: Generation) -> Sessions:
        """Return the counts with their labels; those of upstreams and servers that are gone are forgotten."""
        upstreams = generation.upstreams
        for name in self._received.keys() - upstreams.keys():
            del self._received[name], self._sent[name]
        for counts in (self._ended, self._failures):
            for key in [key for key in counts if key[0] not in upstreams]:
                del counts[key]
        for key in [key for key in self._failures if key[1] not in upstreams[key[0]].servers]:
            del self._failures[key]
        pools = {name: pool_of(name, upstreams[name]) for name in self._received}
        return Sessions(
            ended={(f"{digit}xx", pools[name]): number for (name, digit), number in self._ended.items()},
            received={pools[name]: number for name, number in self._received.items()},
            sent={pools[name]: number for name, number in self._sent.items()},
            failures={
                server_of(name, upstreams[name], server): number for (name, server), number in self._failures.items()
            },
        )


def pool_of(name: str, upstream: Upstream) -> Pool:
    """Return the labels of *upstream*, which is called *name*."""
    return Pool(name, **_labels(upstream))


def server_of(name: str, upstream: Upstream, server: str) -> UpstreamServer:
    """Return the labels of a *server* of *upstream*."""
    return UpstreamServer(name, server, **_labels(upstream), pod_name=upstream.pods.get(server, ""))


def origin_labels(upstream: Upstream | None) -> Origin:
    """Return what answered: the Service of *upstream*, nothing but nginx itself without one."""
    return Origin(**_labels(upstream)) if upstream else Origin()


def _labels(upstream: Upstream) -> dict[str, Any]:
    origin = upstream.origin
    return {
        "service": upstream.service,
        "resource_type": origin.kind.lower(),
        "resource_name": origin.name,
        "resource_namespace": origin.namespace,
    }
