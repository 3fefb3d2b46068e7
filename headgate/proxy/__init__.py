"""``headgate proxy``: hosts and backends from the command line become the objects of Kubernetes."""

from headgate.proxy.certificates import HOSTLESS, Authority, Pair, authority, data_directory
from headgate.proxy.manifests import manifests
from headgate.proxy.objects import TLS_SECRET, objects, settings
from headgate.proxy.ports import free_port, port_fault, turn
from headgate.proxy.routes import Backend, Route, route
from headgate.proxy.surroundings import listening, unresolved
from headgate.proxy.text import announcement

__all__ = [
    "HOSTLESS",
    "TLS_SECRET",
    "Authority",
    "Backend",
    "Pair",
    "Route",
    "announcement",
    "authority",
    "data_directory",
    "free_port",
    "listening",
    "manifests",
    "objects",
    "port_fault",
    "route",
    "settings",
    "turn",
    "unresolved",
]
