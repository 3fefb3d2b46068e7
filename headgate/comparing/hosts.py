"""Hosts that are added, removed or changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from headgate.comparing.report import Change, HostChange, Operation
from headgate.pipeline import Generation
from headgate.routes import Backend, Listener, Match, SecretReference, Tls, VirtualHost


class Served(msgspec.Struct, frozen=True):
    """A host that is served, and where."""

    host: VirtualHost
    listeners: frozenset[Listener]


Hosts = Mapping[str, Served]
"""The hosts by name, in order: ``a.example.com`` beside ``b.example.com``."""


def served(generation: Generation) -> Hosts:
    """Return the hosts of *generation*."""
    found: dict[str, Served] = {}
    for _, generated in sorted(generation.resources.items()):
        if rendered := generated.served:
            for host in rendered.table.hosts:
                found.setdefault(host.name, Served(host, rendered.listeners.get(host.name, frozenset())))
    return {name: found[name] for name in sorted(found, key=by_domain)}


def by_domain(name: str) -> tuple[str, ...]:
    """Return what sorts hosts by domain, then by subdomain."""
    return tuple(reversed(name.split(".")))


def hosts(old: Hosts, new: Hosts) -> Iterator[HostChange]:
    """Yield the hosts that differ, by name; the routes of a host are compared for themselves."""
    for name in sorted(old.keys() | new.keys(), key=by_domain):
        before, after = old.get(name), new.get(name)
        fields = changes(_fields(before), _fields(after))
        if before and after:
            fields += _order(before.host, after.host)
        if fields:
            yield HostChange(operation(name in old, name in new), name, fields)


def operation(was: object, is_: object) -> Operation:
    """Return what happened to something that was there, or not, and is there, or not."""
    if not was:
        return Operation.ADDED
    return Operation.CHANGED if is_ else Operation.REMOVED


def changes(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[Change, ...]:
    """Return the fields that differ, in their order; a field that is absent is empty."""
    names = dict.fromkeys((*new, *old))
    pairs = ((name, old.get(name, ""), new.get(name, "")) for name in names)
    return tuple(Change(*each) for each in pairs if each[1] != each[2])


def _fields(found: Served | None) -> Mapping[str, str]:
    if found is None:
        return {}
    host = found.host
    return {
        "object": str(host.origin),
        "ports": ", ".join(_ports(found.listeners)),
        "certificate": _certificate(host.tls),
        "default": backend(host.default.backend) if host.default else "",
    }


def _order(old: VirtualHost, new: VirtualHost) -> tuple[Change, ...]:
    """Return the regular expressions of both that are tried in another order; the first that matches is used."""
    before, after = _patterns(old), _patterns(new)
    pairs = zip((each for each in before if each in after), (each for each in after if each in before), strict=True)
    moved = [pair for pair in pairs if pair[0] != pair[1]]
    if not moved:
        return ()
    was, is_ = (", ".join(match.path for match in column) for column in zip(*moved, strict=True))
    return (Change("order of regular expressions", was, is_),)


def _patterns(host: VirtualHost) -> Mapping[Match, None]:
    return dict.fromkeys(route.match for route in host.routes if route.match.pattern)


def _ports(listeners: frozenset[Listener]) -> Iterator[str]:
    for listener in sorted(listeners, key=lambda each: (each.tls, each.port)):
        yield f"{'https' if listener.tls else 'http'} {listener.port}"


def _certificate(tls: Tls | None) -> str:
    """Return the Secret, when its certificate ends, and whether it can be used."""
    if tls is None:
        return ""
    if tls.secret is None:
        return "no Secret; TLS handshakes are rejected"
    name = f"Secret {tls.secret.ref.key}"
    if tls.secret.error:
        return f"{name}, which {tls.secret.error}; TLS handshakes are rejected"
    return "; ".join(map(_expiring, tls.secrets))


def _expiring(secret: SecretReference) -> str:
    name = f"Secret {secret.ref.key}"
    return f"{name}, expires {secret.expires:%Y-%m-%d}" if secret.expires else name


def backend(found: Backend) -> str:
    """Return a port of a Service, ``Service default/tea:80``."""
    return f"Service {found.namespace}/{found.service}:{found.port}"
