"""What nginx's workers count in Lua becomes series: names get the labels of the objects that they come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from headgate.controller.traffic import OTHERS, origin_labels, server_of
from headgate.ir import Layout
from headgate.ir.http import Upstream
from headgate.nginx.live_metrics import ANY, CLASSES, Counted, Group, Tries, Zone, counted, delete
from headgate.pipeline import Generation
from headgate.problems import ObjectRef
from headgate.reporting.measured import UpstreamServer
from headgate.reporting.metrics import Origin, Requests
from headgate.reporting.traffic import (
    Counts,
    HostCounts,
    Retries,
    ServerCounts,
    ServerZone,
    StatusCounts,
)
from headgate.translate.naming import host_of

WINDOW_S = 60.0
"""A mean is of the last one to two of it."""
DISCARDED_AS = "4xx"
"""The class of requests without a response: nearly all have 499, as the client left, or 444."""


class Sums(msgspec.Struct, frozen=True):
    """Tries of a server with a response, and their milliseconds."""

    count: int = 0
    header_ms: int = 0
    total_ms: int = 0


class Means:
    """The mean times of servers in the last one to two minutes; of a server without tries since, the last ones."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Know nothing yet; *clock* has seconds."""
        self._clock = clock
        self._since = clock()
        self._older: Mapping[tuple[str, str], Sums] = {}
        self._newer: Mapping[tuple[str, str], Sums] = {}
        self._last: dict[tuple[str, str], tuple[float, float]] = {}

    def take(self, sums: Mapping[tuple[str, str], Sums]) -> Mapping[tuple[str, str], tuple[float, float]]:
        """Take all *sums* by upstream and server; return the means until the header, and until the end."""
        for key, now in sums.items():
            before = self._older.get(key, Sums())
            before = Sums() if before.count > now.count else before  # it was deleted, or nginx was restarted
            if count := now.count - before.count:
                means = (now.header_ms - before.header_ms) / count, (now.total_ms - before.total_ms) / count
                self._last[key] = means
        self._last = {key: means for key, means in self._last.items() if key in sums}
        if self._clock() - self._since >= WINDOW_S:
            self._since, self._older, self._newer = self._clock(), self._newer, sums
        return self._last


class Counting:
    """Reads what workers counted, and forgets with them what the configuration does not have any more."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Know nothing yet; *clock* has seconds."""
        self._means = Means(clock)
        self._stale: frozenset[Group] = frozenset()
        self._resources: object = None
        self._hosts: Mapping[str, ObjectRef] = {}
        """By name; that of a wildcard host is a regular expression where it has a server block."""
        self._gone: set[str] = set()
        self._origins: dict[str, Origin] = {}

    async def read(self, layout: Layout, generation: Generation) -> tuple[Counts, Mapping[Requests, int]] | None:
        """Ask nginx in *layout*; return the series, and the requests by host and Service.

        ``None`` if nginx does not answer.
        """
        found = await counted(layout)
        if found is None:
            return None
        self._look_at(generation)
        stale = frozenset(group for group in found.groups if not self._has(group, generation))
        moved = self._moved(stale, generation)
        # Not at once: workers may know a server or a host a moment before this generation is ours.
        names = {_name(group) for group in self._stale}
        if gone := [group for group in stale if _name(group) in names]:
            await delete(layout, {group: moved.get(group) for group in gone})
        self._stale = stale
        fresh = [group for group in found.groups if group not in stale]
        zones = [
            group
            for group in (*fresh, *moved.values())
            if isinstance(group, Zone) and (group.requests or group.retries)
        ]
        tries = [group for group in fresh if isinstance(group, Tries) and (group.timed or group.untimed)]
        counts = Counts(
            hosts=self._by_host(zones),
            servers=self._by_server(tries, found, generation),
            retries=self._retries(zones, generation),
            hosts_of=self._hosts_of(zones),
        )
        return counts, self._requests(zones, generation)

    def _look_at(self, generation: Generation) -> None:
        if self._resources is generation.resources:
            return
        self._resources = generation.resources
        served = ((ref, found.served) for ref, found in generation.resources.items() if found.served)
        hosts = {host_of(name): ref for ref, rendered in served for name in (*rendered.hosts, *rendered.routed)}
        self._gone = (self._gone | self._hosts.keys()) - hosts.keys()
        self._hosts = hosts
        self._origins |= {name: origin_labels(upstream) for name, upstream in generation.upstreams.items()}

    def _moved(self, stale: Iterable[Group], generation: Generation) -> dict[Group, Zone]:
        """Return what continues the counters of an upstream that is gone, while its host is still there.

        It is another upstream with the same labels, so that no series falls. Otherwise it is ``ANY``, which counts for
        the host only.
        """
        zones = [group for group in stale if isinstance(group, Zone) and host_of(group.host) not in self._gone]
        names = {origin_labels(upstream): name for name, upstream in generation.upstreams.items()} if zones else {}
        moved: dict[Group, Zone] = {}
        for zone in zones:
            origin = self._origins.get(zone.upstream)
            upstream = names.get(origin, ANY) if origin else ANY
            moved[zone] = msgspec.structs.replace(zone, host=self._host(zone), upstream=upstream)
        needed = generation.upstreams.keys() | {group.upstream for group in stale}
        self._origins = {name: origin for name, origin in self._origins.items() if name in needed}
        return moved

    def _has(self, group: Group, generation: Generation) -> bool:
        """Whether *generation* has the names of *group*; a host that it never had is of a snippet."""
        upstream = generation.upstreams.get(group.upstream)
        if isinstance(group, Zone):
            return host_of(group.host) not in self._gone and (upstream is not None or group.upstream in {"", ANY})
        return group.upstream == ANY or (upstream is not None and group.server in upstream.servers)

    def _by_host(self, zones: list[Zone]) -> Mapping[ServerZone, HostCounts]:
        found: dict[ServerZone, HostCounts] = {}
        for zone in zones:
            counts = found.setdefault(self._server_zone(host_of(zone.host)), HostCounts([0] * CLASSES))
            counts.responses = [one + more for one, more in zip(counts.responses, zone.responses, strict=True)]
            counts.discarded += zone.discarded
            counts.received += zone.received
            counts.sent += zone.sent
        return found

    def _server_zone(self, host: str) -> ServerZone:
        ref = self._hosts.get(host)
        if ref is None or host == OTHERS:
            return ServerZone(OTHERS)
        return ServerZone(host, ref.kind.lower(), ref.name, ref.namespace)

    def _by_server(
        self, tries: list[Tries], found: Counted, generation: Generation
    ) -> Mapping[UpstreamServer, ServerCounts]:
        servers: dict[tuple[str, str], list[Tries]] = {}
        for each in tries:
            servers.setdefault((each.upstream, each.server), []).append(each)
        means = self._means.take({key: _sums(each) for key, each in servers.items()})
        return {
            _labels(generation.upstreams.get(key[0]), *key): _server_counts(
                each, found.active.get(key, 0), _limit(generation, key[0]), means.get(key)
            )
            for key, each in servers.items()
        }

    def _retries(self, zones: list[Zone], generation: Generation) -> Mapping[Retries, int]:
        counts: Counter[Retries] = Counter()
        for zone in zones:
            if zone.upstream and not _only_of_host(zone):
                origin = origin_labels(generation.upstreams.get(zone.upstream))
                counts[Retries(self._host(zone), **msgspec.structs.asdict(origin))] += zone.retries
        return counts

    def _hosts_of(self, zones: list[Zone]) -> Mapping[str, str]:
        """Return the hosts of upstreams that answer for one host alone."""
        found: dict[str, set[str]] = {}
        for zone in zones:
            if zone.upstream not in {"", ANY}:
                found.setdefault(zone.upstream, set()).add(self._host(zone))
        return {upstream: next(iter(hosts)) for upstream, hosts in found.items() if len(hosts) == 1}

    def _requests(self, zones: list[Zone], generation: Generation) -> Mapping[Requests, int]:
        counts: Counter[Requests] = Counter()
        for zone in zones:
            if _only_of_host(zone):
                continue
            origin, host = origin_labels(generation.upstreams.get(zone.upstream)), self._host(zone)
            for code, number in _by_class(zone):
                counts[Requests(host, code, origin)] += number
        return counts

    def _host(self, zone: Zone) -> str:
        host = host_of(zone.host)
        return host if host in self._hosts else OTHERS


def _by_class(zone: Zone) -> Iterator[tuple[str, int]]:
    for digit, number in enumerate(zone.responses, start=1):
        code = f"{digit}xx"
        if requests := number + (zone.discarded if code == DISCARDED_AS else 0):
            yield code, requests


def _only_of_host(zone: Zone) -> bool:
    """Whether *zone* has counters of upstreams that are gone: nothing is known of their Services."""
    return zone.upstream == ANY != zone.host


def _name(group: Group) -> tuple[str, ...]:
    """Return what a group is called: it changes its numbers."""
    return (group.host, group.upstream) if isinstance(group, Zone) else (group.upstream, group.server, group.code)


def _sums(tries: list[Tries]) -> Sums:
    return Sums(
        sum(each.timed - each.failed for each in tries),
        sum(each.header_ms for each in tries),
        sum(each.total_ms for each in tries if each.timed > each.failed),
    )


def _limit(generation: Generation, upstream: str) -> int:
    live = generation.live.upstreams.get(upstream) if generation.live else None
    return (live.max_conns or 0) if live else 0


def _labels(upstream: Upstream | None, name: str, server: str) -> UpstreamServer:
    return server_of(name, upstream, server) if upstream else UpstreamServer(OTHERS, OTHERS)


def _server_counts(tries: list[Tries], active: int, limit: int, means: tuple[float, float] | None) -> ServerCounts:
    header, response = means or (None, None)
    return ServerCounts(
        codes={
            _code(each): StatusCounts(each.buckets, each.total_ms, each.failed, each.header_ms)
            for each in tries
            if each.timed
        },
        untimed=sum(each.untimed for each in tries),
        active=active,
        limit=limit,
        header_time=header,
        response_time=response,
    )


def _code(tries: Tries) -> str:
    return OTHERS if tries.code == ANY else tries.code
