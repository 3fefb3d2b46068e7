"""Ingresses for hosts of each test's own, so that tests of one nginx do not see each other."""

from __future__ import annotations

import re
from typing import Any

from tests.live.json_objects import Json, endpoints, ingress, path, tls_secret
from tests.live.settings.backends import LOOPBACK

CERTIFICATE = "certificate"
"""The Secret that hosts with TLS name."""
A, B, C = LOOPBACK, "127.0.0.2", "127.0.0.3"
"""Addresses of backends."""
CHOSEN_PORT = 0
"""The port of an EndpointSlice for which ``served`` makes a backend, on the addresses that the slice names."""


def host(name: str, *paths: Json, **annotations: Any) -> Json:
    """An Ingress of NAME.test; all of it, or each of *paths*, goes to the Service NAME."""
    return ingress(name, {f"{name}.test": paths or (path(name),)}, **annotations)


def backed_host(name: str, *addresses: str, port: int = CHOSEN_PORT, **annotations: str) -> list[Json]:
    """Return ``host(name)`` and the EndpointSlice of its Service, on *addresses* (127.0.0.1).

    Args:
        port: of a backend that the test itself makes; else ``served`` makes one.
        annotations: as for ``host``.
    """
    return [host(name, **annotations), endpoints(name, *(addresses or (A,)), port=port)]


def joined(*groups: list[Json]) -> list[Json]:
    """Return the objects of all *groups*."""
    return [item for objects in groups for item in objects]


def tls_host(name: str, *paths: Json, **annotations: Any) -> Json:
    """The same with TLS."""
    return host(name, *paths, tls={CERTIFICATE: [f"{name}.test"]}, **annotations)


def certificate() -> Json:
    """The Secret of hosts with TLS."""
    return tls_secret(CERTIFICATE, "*.test")


def master(name: str, **annotations: Any) -> Json:
    """The master of NAME.test; annotations and TLS as for ``host``."""
    item = host(name, mergeable_ingress_type="master", **annotations)
    del item["spec"]["rules"][0]["http"]
    return item


def minion(name: str, uri: str, service: str = "", **annotations: Any) -> Json:
    """A minion of NAME.test for *uri*, which goes to *service* (NAME)."""
    rules = {f"{name}.test": [path(service or name, uri)]}
    return ingress(
        f"{name}-{'-'.join(re.findall('[a-z0-9]+', uri))}", rules, mergeable_ingress_type="minion", **annotations
    )
