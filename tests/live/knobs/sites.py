"""Hosts whose backends listen on several addresses."""

from __future__ import annotations

from tests.live.json_objects import Json, endpoints
from tests.live.knobs.backends import LOOPBACK
from tests.live.knobs.hosts import host
from tests.live.knobs.serving_nginx import CHOSEN

A, B, C = LOOPBACK, "127.0.0.2", "127.0.0.3"
"""Addresses of backends."""


def site(name: str, *addresses: str, port: int = CHOSEN, **annotations: str) -> list[Json]:
    """Return ``host(name)`` and the slice of its Service on *addresses* (127.0.0.1).

    Args:
        port: of a backend that the test itself makes; else the stage makes one.
        annotations: as for ``host``.
    """
    return [host(name, **annotations), endpoints(name, *(addresses or (A,)), port=port)]


def together(*sites: list[Json]) -> list[Json]:
    """Return the objects of all *sites*."""
    return [item for objects in sites for item in objects]
