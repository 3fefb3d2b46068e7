"""What ``explain`` looks at: everything that the rooms made of the objects, and what they complained about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

import msgspec

from headgate.api import ConfigMap, Ingress
from headgate.ir.http import Server
from headgate.problems import ObjectRef, Problem
from headgate.resolve.ex import IngressEx, MergeableIngresses
from headgate.settings import Said, read_keys
from headgate.translate import Environment, Translated, translate_default_server
from headgate.translate.naming import server_name


class Site(msgspec.Struct, frozen=True):
    """A resource that holds hosts, and what it became."""

    resource: IngressEx | MergeableIngresses
    translated: Translated

    @property
    def master(self) -> IngressEx:
        """The Ingress that holds the hosts: the master of a set, or the only one."""
        return self.resource.master if isinstance(self.resource, MergeableIngresses) else self.resource

    @property
    def members(self) -> tuple[IngressEx, ...]:
        """Every Ingress of the resource, the master first."""
        minions = self.resource.minions if isinstance(self.resource, MergeableIngresses) else ()
        return (self.master, *minions)


class Placed(msgspec.Struct, frozen=True):
    """A server, the file that it stands in, and the resource that it was made from (none: Headgate's own)."""

    server: Server
    file: str
    site: Site | None

    @property
    def host(self) -> str:
        """The host as the Ingress writes it, ``""`` for the server that answers whatever no other does."""
        hosts = self.site.master.hosts if self.site else ()
        return next((host for host in hosts if host and server_name(host) == self.server.name), "")


class Picture(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A cluster or a folder at one time.

    Attributes:
        env: what flags, binary and ConfigMap say.
        sites: every resource that is served.
        config_map: the ConfigMap that a flag names, if it is there.
        default_secret: what ``-default-server-tls-secret`` names.
        ingresses: every Ingress, served or not.
        problems: what is wrong with each object, by object.
        ignored: the Ingresses that are none of ours, and why.
    """

    env: Environment
    sites: tuple[Site, ...] = ()
    config_map: ConfigMap | None = None
    default_secret: ObjectRef | None = None
    ingresses: Iterable[Ingress] = ()
    problems: Mapping[ObjectRef, tuple[Problem, ...]] = {}
    ignored: Mapping[ObjectRef, str] = {}

    @cached_property
    def placed(self) -> tuple[Placed, ...]:
        """Every server, in the order in which nginx reads them: by name of the file."""
        return tuple(sorted(self._placed(), key=lambda found: found.file.encode()))

    @cached_property
    def said(self) -> Said:
        """What the ConfigMap says, key by key."""
        if self.config_map is None:
            return {}
        return read_keys(self.config_map.data or {}, self.config_map.ref, self.env.gates)[0]

    def _placed(self) -> Iterator[Placed]:
        default = translate_default_server(self.env)
        found = [(config, site) for site in self.sites for config in site.translated.configs]
        if all(config.file != default.file for config, _ in found):
            yield from (Placed(server, default.file, None) for server in default.servers)
        for config, site in found:
            yield from (Placed(server, config.file, site) for server in config.servers)
