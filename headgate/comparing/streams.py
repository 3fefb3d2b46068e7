"""Routes of TCP and UDP that are added, removed or changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from headgate.comparing.hosts import backend, changes, operation
from headgate.comparing.report import StreamChange
from headgate.pipeline import Generation
from headgate.routes import Session, StreamRoute

Streams = Mapping[tuple[str, str], StreamRoute]
"""The routes by listener and server name."""


def served_streams(generation: Generation) -> Streams:
    """Return the routes of *generation*."""
    found = (
        route
        for generated in generation.resources.values()
        if generated.served
        for route in generated.served.table.streams
    )
    return {(route.listener.name, route.host): route for route in found}


def streams(old: Streams, new: Streams) -> Iterator[StreamChange]:
    """Yield the routes that differ, by listener and server name."""
    for key in sorted(old.keys() | new.keys()):
        if fields := changes(_fields(old.get(key)), _fields(new.get(key))):
            yield StreamChange(operation(key in old, key in new), *key, fields)


def _fields(route: StreamRoute | None) -> Mapping[str, str]:
    if route is None:
        return {}
    listener = route.listener
    address = "".join(f" {each}" for each in (listener.ipv4, listener.ipv6) if each)
    return {
        "object": str(route.origin),
        "port": f"{listener.protocol.value} {listener.port or 'of -tls-passthrough-port'}{address}",
        "service": backend(route.backend),
        "certificate": f"Secret {route.tls.secret.ref.key}" if route.tls else "",
        "session": _session(route.session),
    }


def _session(session: Session) -> str:
    """Return what is not as usual."""
    usual = Session()
    names = (name for name in session.__struct_fields__ if getattr(session, name) != getattr(usual, name))
    return ", ".join(f"{name.replace('_', ' ')} {getattr(session, name)}" for name in names)
