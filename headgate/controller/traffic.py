"""Requests by host, Service and class of status: counted as nginx's lines arrive, named when they are scraped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from headgate.ir.http import Upstream
from headgate.nginx.latency import Request
from headgate.pipeline import Generation
from headgate.reporting.metrics import Origin, Requests

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
        host = request.host if request.host in self._hosts_of(generation) else OTHERS
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
            found[Requests(host, f"{digit}xx", _origin(upstreams.get(upstream)))] += number
        return found

    def _hosts_of(self, generation: Generation) -> frozenset[str]:
        if self._resources is not generation.resources:
            self._resources = generation.resources
            served = (found.served for found in generation.resources.values() if found.served)
            self._hosts = frozenset(host for rendered in served for host in rendered.hosts)
        return self._hosts


def _origin(upstream: Upstream | None) -> Origin:
    """Return what answered; nothing but nginx itself without an upstream."""
    if upstream is None:
        return Origin()
    origin = upstream.origin
    return Origin(upstream.service, origin.kind.lower(), origin.name, origin.namespace)
