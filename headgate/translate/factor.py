"""Which hosts need no server block of their own, and what is common to their locations. Pure.

A *profile* is a location that contains all its directives, including those that it would inherit from its server, but
neither host nor path nor upstream. Many hosts share one, so that nginx needs no new configuration for a new host.
``routes.lua`` finds the host and the path of a request.

A host with a field that ``routable`` does not know keeps its server block.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from msgspec import structs

from headgate.ir.http import HttpConfig, Location, Server
from headgate.ir.live import LiveHost
from headgate.routes import RouteTable
from headgate.translate import naming
from headgate.translate.choosing import Choosing
from headgate.translate.environment import Environment
from headgate.translate.hosts import Translated
from headgate.translate.profiles import HostPaths, Profile
from headgate.translate.routable import reasons

_PASSED: Final = re.compile(r"_pass\s+[\"']?(?:\w+://|\$\{?scheme\}?://)?([^\s;/:\"']+)")


class Routed(msgspec.Struct, frozen=True):
    """The hosts of a resource that needs no server block.

    Attributes:
        hosts: what is pushed for each; profiles are called by their place in *profiles* (``0``).
        profiles: the different ones.
    """

    hosts: Mapping[str, LiveHost]
    profiles: tuple[Profile, ...]

    def named(self, names: Mapping[str, str]) -> Mapping[str, LiveHost]:
        """Return *hosts* with profiles called by *names*."""
        return {host: _named(found, names) for host, found in self.hosts.items()}


class Dedicated(msgspec.Struct, frozen=True):
    """Why a resource keeps server blocks: the first thing that was found."""

    reason: str


def factor(translated: Translated, table: RouteTable, env: Environment) -> Routed | Dedicated:
    """Return what is pushed for the hosts of *table* instead of the files of *translated*."""
    configs = translated.every_config
    servers, choosing = _whole(configs), Choosing(configs)
    reason = next(reasons(translated, table, servers, choosing, env), "")
    if reason:
        return Dedicated(reason)
    hosts = {str(naming.server_name(host.name)): host.name for host in table.hosts}
    profiles: dict[Profile, str] = {}
    found = {hosts[str(server.name)]: HostPaths(server, profiles, env).live(choosing) for server in servers}
    return Routed(found, tuple(profiles))


def _whole(configs: Iterable[HttpConfig]) -> tuple[Server, ...]:
    """Return each server with the locations of all objects, in the order in which nginx reads them."""
    attached: defaultdict[str, list[Location]] = defaultdict(list)
    for config in configs:
        if config.within:
            attached[str(config.within.name)] += config.locations
    servers = [server for config in configs for server in config.servers]
    if not attached:
        return tuple(servers)
    own = (tuple(location for location in server.locations if location.origin is None) for server in servers)
    return tuple(
        structs.replace(server, locations=(*locations, *attached[str(server.name)]))
        for server, locations in zip(servers, own, strict=True)
    )


def mentioned(configs: Iterable[HttpConfig]) -> frozenset[str]:
    """Return the upstreams that snippets in *configs* may send requests to; ``$`` for any, if a variable names it."""
    texts: set[str] = set()
    for config in configs:
        texts.add(config.snippet or "")
        for server, locations in config.blocks:
            texts.add(server.snippet or "")
            texts.update(location.snippet or "" for location in locations)
    names = {name for text in texts for name in _PASSED.findall(text)}
    return frozenset("$" if name.startswith("$") else name for name in names)


def _named(host: LiveHost, names: Mapping[str, str]) -> LiveHost:
    return structs.replace(
        host,
        paths=tuple(path.named(names) for path in host.paths),
        first=tuple((variable, value, names[profile]) for variable, value, profile in host.first),
    )
