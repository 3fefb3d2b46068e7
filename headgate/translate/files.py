"""Which file what stands in: each object has files of its own, so that nginx can refuse one without the others.

What an object attaches to another one's server stands in a file that this server includes. Between the two is a file
of Headgate's own that lists them in order, so that the server's file does not change with those who attach.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from msgspec import structs

from headgate.ir.http import CacheZone, HttpConfig, LimitZone, Location, Server, SplitClients, Upstream, VariableMap
from headgate.problems import ObjectRef
from headgate.routes import RouteTable, VirtualHost
from headgate.settings import Quoted, Snippet
from headgate.translate import naming
from headgate.translate.draft import Draft
from headgate.translate.upstreams import external_file

P = TypeVar("P", Upstream, CacheZone, LimitZone, Location, SplitClients, VariableMap)


def config_files(
    draft: Draft, table: RouteTable, servers: Mapping[str, Server], unserved: Iterable[Server]
) -> Iterator[HttpConfig]:
    """Yield the files of *table*, whose *servers* (by host) were translated with *draft*.

    *unserved* answer for its hosts on the usual ports where it does not serve them.
    """
    holder = (*(server for host, server in servers.items() if host), *unserved)
    upstreams = [draft.upstreams[name] for name in sorted(draft.upstreams)]
    shares = _by_origin(upstreams)
    zones = _by_origin(draft.zones[name] for name in sorted(draft.zones))
    caches = _by_origin(draft.caches.values())
    splits, maps = _by_origin(draft.splits.values()), _by_origin(draft.maps.values())
    snippet = Snippet("\n".join(host.http_snippet for host in table.hosts if host.http_snippet)) or None
    files = {member: naming.config_file(member, draft.suffix(member)) for member in table.members}
    for member, file in files.items():
        named = holder if member == table.origin else ()
        yield HttpConfig(
            file=file,
            origin=member,
            upstreams=tuple(shares[member]),
            zones=tuple(zones[member]),
            caches=tuple(caches[member]),
            splits=tuple(splits[member]),
            maps=tuple(maps[member]),
            snippet=snippet if member == table.origin else None,
            servers=named,
        )
    if "" in servers:
        yield HttpConfig(file=naming.DEFAULT_SERVER, origin=table.origin, servers=(servers[""],))
    for host, server in servers.items() if len(table.members) > 1 else ():
        yield from _attached(draft, table, host, server)
    yield from (external_file(upstream, upstream.external, draft.env) for upstream in upstreams if upstream.external)


def attached_mask(draft: Draft, host: VirtualHost) -> Quoted | None:
    """Return what the server of *host* includes, if other objects may attach to it."""
    if not host.shared:
        return None
    return naming.mask(draft.env.layout.conf, naming.includes_file(host.name))


def _attached(draft: Draft, table: RouteTable, host: str, server: Server) -> Iterator[HttpConfig]:
    """Yield the file of each object that attaches locations to a server, and the list of these files."""
    locations = _by_origin(server.locations)
    around = structs.replace(server, locations=())  # so that the file can be compared without all the others
    attached = [member for member in table.members if member in locations]
    files = [naming.locations_file(member, host, draft.suffix(member)) for member in attached]
    for member, file in zip(attached, files, strict=True):
        yield HttpConfig(file=file, origin=member, within=around, locations=tuple(locations[member]))
    if files:
        paths = tuple(Quoted(f"{draft.env.layout.conf}/{file}") for file in files)
        yield HttpConfig(file=naming.includes_file(host), origin=None, includes=paths)


def _by_origin(found: Iterable[P]) -> Mapping[ObjectRef | None, list[P]]:
    parts: defaultdict[ObjectRef | None, list[P]] = defaultdict(list)
    for part in found:
        parts[part.origin].append(part)
    return parts
