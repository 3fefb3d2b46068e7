"""Which exact hosts a wildcard host covers, and where that one is served."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from msgspec import structs

from headgate.problems import ObjectRef
from headgate.routes import Listener, RouteTable, VirtualHost

Served = Mapping[str, frozenset[Listener]]
"""Where each host of a resource is served."""
_NOWHERE: frozenset[Listener] = frozenset()


class Wildcards:
    """The listeners of each wildcard host, and the resources with hosts that it covers."""

    def __init__(self) -> None:
        """Begin without hosts."""
        self._listeners: defaultdict[str, dict[ObjectRef, frozenset[Listener]]] = defaultdict(dict)
        self._covered: defaultdict[str, set[ObjectRef]] = defaultdict(set)

    def replace(self, ref: ObjectRef, old: Served, new: Served) -> set[ObjectRef]:
        """Take where the hosts of *ref* are served now; return the resources with hosts for which that is news."""
        news: set[ObjectRef] = set()
        for host in old.keys() | new.keys():
            if not host.startswith("*."):
                continue
            before = self._of(host)
            self._listeners[host].pop(ref, None)
            if host in new:
                self._listeners[host][ref] = new[host]
            if not self._listeners[host]:
                del self._listeners[host]
            if self._of(host) != before:
                news |= self._covered.get(host, set())
        gone, come = {_wildcard(host) for host in old}, {_wildcard(host) for host in new}
        for wildcard in gone - come:
            self._covered[wildcard].discard(ref)
            if not self._covered[wildcard]:
                del self._covered[wildcard]
        for wildcard in come - gone:
            self._covered[wildcard].add(ref)
            if self._of(wildcard):
                news.add(ref)
        return news

    def over(self, table: RouteTable) -> RouteTable:
        """Return *table* with what each of its hosts must know of the wildcard that covers it."""
        if not self._listeners:
            return table
        hosts = tuple(self._host(host) for host in table.hosts)
        return table if hosts == table.hosts else structs.replace(table, hosts=hosts)

    def _host(self, host: VirtualHost) -> VirtualHost:
        covered = self._of(_wildcard(host.name))
        if not covered:
            return host
        return structs.replace(host, covered=tuple(sorted(covered, key=lambda found: (found.port, found.tls))))

    def _of(self, wildcard: str) -> frozenset[Listener]:
        """Return where *wildcard* is served, by whatever resources."""
        return _NOWHERE.union(*self._listeners[wildcard].values()) if wildcard in self._listeners else _NOWHERE


def _wildcard(host: str) -> str:
    """Return the only wildcard that covers *host*, if any does: it stands for one label (Kubernetes Ingress API)."""
    first, _, rest = host.partition(".")
    return f"*.{rest}" if rest and first != "*" else ""
