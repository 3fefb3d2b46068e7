"""Which file what stands in: each object has files of its own, so that nginx can refuse one without the others.

What an object attaches to another one's server stands in a file that this server includes. Between the two is a file
of Headgate's own that lists them in order, so that the server's file does not change with those who attach.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import attrgetter
from typing import TypeVar

import msgspec
from msgspec import structs

from headgate.ir.http import CacheZone, HttpConfig, LimitZone, Location, Server, SplitClients, Upstream, VariableMap
from headgate.problems import ObjectRef
from headgate.routes import RouteTable, VirtualHost
from headgate.settings import Quoted, Snippet
from headgate.translate import naming
from headgate.translate.draft import Draft
from headgate.translate.environment import Environment
from headgate.translate.standing_in import is_guarded, refused_locations
from headgate.translate.upstreams import external_file

Run = tuple[ObjectRef, str, list[Location]]
"""An object, the end of the name of a file of it, and the locations in that."""
P = TypeVar("P", Upstream, CacheZone, LimitZone, Location, SplitClients, VariableMap)


class Share(msgspec.Struct, frozen=True, gc=False):
    """What an object has in ``http {}`` beside servers."""

    upstreams: tuple[Upstream, ...] = ()
    zones: tuple[LimitZone, ...] = ()
    caches: tuple[CacheZone, ...] = ()
    splits: tuple[SplitClients, ...] = ()
    maps: tuple[VariableMap, ...] = ()


def shares_of(draft: Draft) -> Mapping[ObjectRef | None, Share]:
    """Return what each object has in *draft*."""
    upstreams = _by_origin(draft.upstreams[name] for name in sorted(draft.upstreams))
    zones = _by_origin(draft.zones[name] for name in sorted(draft.zones))
    caches = _by_origin(draft.caches.values())
    splits, maps = _by_origin(draft.splits.values()), _by_origin(draft.maps.values())
    return {
        ref: Share(
            upstreams=tuple(upstreams.get(ref, ())),
            zones=tuple(zones.get(ref, ())),
            caches=tuple(caches.get(ref, ())),
            splits=tuple(splits.get(ref, ())),
            maps=tuple(maps.get(ref, ())),
        )
        for ref in dict.fromkeys((*upstreams, *zones, *caches, *splits, *maps))
    }


def config_files(
    draft: Draft, table: RouteTable, servers: Mapping[str, Server], unserved: Iterable[Server]
) -> Iterator[HttpConfig]:
    """Yield the files of *table*, whose *servers* (by host) were translated with *draft*.

    *unserved* answer for its hosts on the usual ports where it does not serve them.
    """
    holder = (*(server for host, server in servers.items() if host), *unserved)
    snippet = Snippet("\n".join(host.http_snippet for host in table.hosts if host.http_snippet)) or None
    shares = shares_of(draft)
    for member in table.members:
        own = own_file(member, shares.get(member, Share()), draft.suffix(member))
        yield structs.replace(own, snippet=snippet, servers=holder) if member == table.origin else own
    if "" in servers:
        yield HttpConfig(file=naming.DEFAULT_SERVER, origin=table.origin, servers=(servers[""],))
    for host, server in servers.items() if len(table.members) > 1 else ():
        yield from _attached(draft, table, host, server)
    for share in shares.values():
        yield from external_files(share, draft.env)


def own_file(ref: ObjectRef, share: Share, suffix: str) -> HttpConfig:
    """Return the file of an object beside all servers."""
    return HttpConfig(
        file=naming.config_file(ref, suffix),
        origin=ref,
        upstreams=share.upstreams,
        zones=share.zones,
        caches=share.caches,
        splits=share.splits,
        maps=share.maps,
    )


def external_files(share: Share, env: Environment) -> Iterator[HttpConfig]:
    """Yield a file for each upstream whose name nginx resolves as it loads."""
    yield from (external_file(upstream, upstream.external, env) for upstream in share.upstreams if upstream.external)


def attached_mask(draft: Draft, host: VirtualHost) -> Quoted | None:
    """Return what the server of *host* includes, if other objects may attach to it, or do."""
    if not (host.shared or host.challenges):
        return None
    return naming.mask(draft.env.layout.conf, naming.includes_file(host.name))


def locations_file(ref: ObjectRef, host: str, server: Server, locations: Iterable[Location], suffix: str) -> HttpConfig:
    """Return the file with the *locations* that an object attaches to the *server* of *host*, given without any."""
    file = naming.locations_file(ref, host, suffix)
    config = HttpConfig(file=file, origin=ref, within=server, locations=tuple(locations))
    return structs.replace(config, shut=tuple(refused_locations(config.locations))) if is_guarded(config) else config


def included(env: Environment, config: HttpConfig) -> Quoted:
    """Return the path by which the list of a server names the file of *config*."""
    return Quoted(f"{env.layout.conf}/{config.file}")


def includes_file(host: str, paths: Iterable[Quoted]) -> HttpConfig:
    """Return the list of the files that the server of *host* includes."""
    return HttpConfig(file=naming.includes_file(host), origin=None, includes=tuple(paths))


def without_locations(server: Server) -> Server:
    """Return *server* without locations, so that a file can be compared without those of all others."""
    return structs.replace(server, locations=())


def _attached(draft: Draft, table: RouteTable, host: str, server: Server) -> Iterator[HttpConfig]:
    """Yield the file of each object that attaches locations to a server, and the list of these files."""
    around = without_locations(server)
    found = next(each for each in table.hosts if each.name == host)
    runs = _runs(server.locations) if found.ordered else _members(table, server.locations)
    files = [locations_file(ref, host, around, own, f"{draft.suffix(ref)}{end}") for ref, end, own in runs]
    yield from files
    if files:
        yield includes_file(host, (included(draft.env, file) for file in files))


def _members(table: RouteTable, locations: Iterable[Location]) -> Iterator[Run]:
    """Yield what belongs in the file of each object that attaches *locations*."""
    found = _by_origin(locations)
    yield from ((member, "", found[member]) for member in table.members if member in found)


def _runs(locations: Iterable[Location]) -> Iterator[Run]:
    """Yield the *locations* of objects in their order, one file for each run of those of one object."""
    counts: Counter[ObjectRef] = Counter()
    for ref, run in groupby(locations, key=attrgetter("origin")):
        if ref is not None:
            counts[ref] += 1
            # No object has an @ in its name.
            yield ref, f"@{counts[ref]}" if counts[ref] > 1 else "", list(run)


def _by_origin(found: Iterable[P]) -> Mapping[ObjectRef | None, list[P]]:
    parts: defaultdict[ObjectRef | None, list[P]] = defaultdict(list)
    for part in found:
        parts[part.origin].append(part)
    return parts
