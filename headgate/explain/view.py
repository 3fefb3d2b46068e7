"""What ``explain`` looks at: everything that became of the objects of a cluster or a folder, and what is wrong."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property

import msgspec
from msgspec import structs

from headgate.explain.answer import Nearby
from headgate.ir.http import Server
from headgate.ir.live import LiveToken
from headgate.problems import ObjectRef, Problem
from headgate.routes import Layer, RouteTable, VirtualHost
from headgate.settings import Words
from headgate.translate import Environment, Translated, translate_default_server, translate_ports
from headgate.translate.naming import server_name

ALIKE = 0.6
"""How alike two names must be (``difflib`` ratio)."""
MOST = 3


class ResourceView(msgspec.Struct, frozen=True):
    """A resource that holds hosts, and what it became.

    *routed* are its hosts without a server block; *dedicated* is why the others have one, empty without -live-routes.
    """

    table: RouteTable
    translated: Translated
    routed: Collection[str] = ()
    dedicated: str = ""


class ServerView(msgspec.Struct, frozen=True):
    """A server, the file that it stands in, and the resource that it serves (none: Headgate's own).

    A host that is routed at run time is a server too, although no file has it: it answers as that server would.
    """

    server: Server
    file: str
    resource: ResourceView | None

    @property
    def virtual_host(self) -> VirtualHost | None:
        """The host that the server was made from."""
        hosts = self.resource.table.hosts if self.resource else ()
        return next((host for host in hosts if server_name(host.name) == self.server.name), None)

    @property
    def host(self) -> str:
        """The host as the object writes it, ``""`` for the server that answers whatever no other does."""
        found = self.virtual_host
        return found.name if found else self.unserved

    @property
    def routed(self) -> bool:
        """Whether the host has no server block."""
        return self.resource is not None and self.host in self.resource.routed

    @property
    def unserved(self) -> str:
        """The host for which Headgate answers instead of a wildcard, ``""`` for other servers."""
        return "" if self.resource or self.server.default else str(self.server.name)


class ClusterView(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A cluster or a folder at one time.

    Attributes:
        env: what flags, binary and ConfigMap say.
        resources: every resource that is served.
        routes: whether hosts without a server block are possible.
        config_map: what the ConfigMap that a flag names says, if it is there.
        default_secret: what ``-default-server-tls-secret`` names.
        hosts: the hosts that each object asks for, served or not.
        problems: what is wrong with each object, by object.
        ignored: the objects of other controllers, and why they are not served here.
        tokens: what is pushed about JSON Web Tokens, by name; keys that are fetched are not known.
        now: seconds since 1970.
    """

    env: Environment
    resources: tuple[ResourceView, ...] = ()
    routes: bool = False
    config_map: Layer | None = None
    default_secret: ObjectRef | None = None
    hosts: Mapping[ObjectRef, tuple[str, ...]] = {}
    problems: Mapping[ObjectRef, tuple[Problem, ...]] = {}
    ignored: Mapping[ObjectRef, str] = {}
    tokens: Mapping[str, LiveToken] = {}
    now: float = 0.0

    @cached_property
    def servers(self) -> tuple[ServerView, ...]:
        """Every server, in the order in which nginx reads them: by name of the file."""
        found = map(self._on_port, self._servers())
        return tuple(sorted(found, key=lambda found: found.file.encode()))

    def _on_port(self, found: ServerView) -> ServerView:
        """Return *found* with the port of HTTPS in place of the Unix socket over which connections arrive."""
        lines = found.server.listens
        if not any(line[0].startswith("unix:") for line in lines):
            return found
        listens = tuple(
            Words((str(self.env.https_port), *self._flags(line))) if line[0].startswith("unix:") else line
            for line in lines
        )
        return structs.replace(found, server=structs.replace(found.server, listens=listens))

    def has(self, name: str) -> bool:
        """Whether an object serves the host *name*, on whichever port."""
        return any(server.resource and server.host and covers(server.host, name) for server in self.servers)

    def nearby(self, name: str, served: str | None, involved: Iterable[ObjectRef]) -> tuple[Nearby, ...]:
        """Return what is wrong with the objects that have to do with a request.

        They are those that ask for the host *name* or for *served*, the host of the server that answers (``""`` for
        every host), those *involved*, and the ConfigMap.
        """
        refs = {ref for ref, hosts in self.hosts.items() if any(host == served or covers(host, name) for host in hosts)}
        own = {self.config_map.origin} if self.config_map else set()
        return tuple(row for ref in sorted(refs | own | set(involved)) for row in self._faults(ref))

    def _faults(self, ref: ObjectRef) -> Iterator[Nearby]:
        if reason := self.ignored.get(ref):
            yield Nearby(str(ref), "ignored", f"is not served by this controller: {reason}")
        for problem in self.problems.get(ref, ()):
            yield Nearby(str(problem.origin), problem.severity.value, str(problem))

    def _servers(self) -> Iterator[ServerView]:
        default = translate_default_server(self.env, routed=self.routes)
        found = [(config, resource) for resource in self.resources for config in resource.translated.configs]
        open_ = {listener for resource in self.resources for host in resource.translated.listeners.values()
                 for listener in host}  # fmt: skip
        own = [*translate_ports(self.env, open_)]
        if all(config.file != default.file for config, _ in found):
            own.append(default)
        for config in own:
            yield from (ServerView(server, config.file, None) for server in config.servers)
        for config, resource in found:
            for server in config.servers:
                yield ServerView(server, config.file, resource if server.origin else None)

    def _flags(self, line: Words) -> Words:
        """Return the parameters of *line* that clients meet; the server in front adds the PROXY protocol by itself."""
        own = self.env.params.client.proxy_protocol
        return Words(flag for flag in line[1:] if own or flag != "proxy_protocol")


def nearest(wanted: str, known: Iterable[str]) -> list[str]:
    """Return what is most like *wanted*, the best first."""
    return difflib.get_close_matches(wanted, sorted(set(known) - {wanted}), n=MOST, cutoff=ALIKE)


def covers(host: str, name: str) -> bool:
    """Whether *host* of a rule covers *name*; a wildcard covers one label (Kubernetes Ingress API)."""
    if not host.startswith("*."):
        return host == name
    return re.fullmatch(rf"[^.]+{re.escape(host[1:])}", name) is not None
