"""The listeners of a GlobalConfiguration, entry by entry: one that cannot be used is left out, the others are used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from headgate.api.nginx_org.transportserver import (
    GlobalConfiguration,
    GlobalConfigurationSpec,
    GlobalListener,
    UnreadListener,
)
from headgate.problems import Problem
from headgate.routes import Listener, Protocol
from headgate.validation.fields import Fault, field_faults
from headgate.validation.rules import Rules
from headgate.validation.transportserver import PASSTHROUGH_LISTENER

LEFT_OUT: Final = "this listener is left out"


class ValidGlobalConfiguration(msgspec.Struct, frozen=True):
    """A GlobalConfiguration, and those of its listeners that can be used, by name."""

    item: GlobalConfiguration
    listeners: Mapping[str, Listener] = {}


def validate_global_configuration(
    item: GlobalConfiguration, rules: Rules
) -> tuple[ValidGlobalConfiguration, list[Problem]]:
    """Check each listener of *item*; of two that cannot be used together the first one is used."""
    used: dict[str, Listener] = {}
    fields: dict[str, str] = {}
    problems: list[Problem] = []
    for index, entry in enumerate((item.spec or GlobalConfigurationSpec()).listeners or ()):
        if isinstance(entry, UnreadListener):
            continue  # reported by its reader
        path = f"spec.listeners[{index}]"
        faults = [*field_faults(entry, path), *_reserved(entry, path, rules)]
        if entry.protocol == "HTTPS":
            faults = [_https(fault, path) for fault in faults]
        listener = None if faults else _listener(entry)
        faults += _together(listener, path, used, fields) if listener else []
        problems += [Problem(item.ref, *fault, LEFT_OUT) for fault in faults]
        if listener is None or faults:
            continue
        used[listener.name], fields[listener.name] = listener, path
        if entry.ssl and listener.protocol is not Protocol.HTTP:
            reason = "is for the protocol HTTP; a TransportServer terminates TLS with spec.tls"
            problems.append(Problem(item.ref, f"{path}.ssl", "true", reason, "it has no effect"))
    return ValidGlobalConfiguration(item, used), problems


def _https(fault: Fault, path: str) -> Fault:
    """Return *fault* with what to write for HTTPS, if it is about that protocol."""
    field, value, reason = fault
    if field != f"{path}.protocol":
        return fault
    return field, value, f"{reason.partition(';')[0]}; for HTTPS write protocol: HTTP and ssl: true"


def _listener(entry: GlobalListener) -> Listener:
    protocol = Protocol(entry.protocol)
    return Listener(
        entry.port or 0,
        protocol,
        tls=entry.ssl and protocol is Protocol.HTTP,
        ipv4="" if entry.ipv4 in {None, "0.0.0.0"} else entry.ipv4 or "",  # noqa: S104 - what it means, in nginx too
        ipv6="" if entry.ipv6 in {None, "::"} else entry.ipv6 or "",
        name=entry.name,
    )


def _reserved(entry: GlobalListener, path: str, rules: Rules) -> Iterator[Fault]:
    if entry.name == PASSTHROUGH_LISTENER:
        yield f"{path}.name", entry.name, "is the name of the listener of -enable-tls-passthrough; use another one"
    if flag := rules.ports.get(entry.port or 0):
        yield f"{path}.port", str(entry.port), f"is the port of {flag}; use another one"


def _together(
    listener: Listener, path: str, used: Mapping[str, Listener], fields: Mapping[str, str]
) -> Iterable[Fault]:
    """Return why *listener* cannot be used beside those that are *used* already."""
    if listener.name in used:
        return [(f"{path}.name", listener.name, f"is the name of {fields[listener.name]}, too; use another name")]
    other = next((found for found in used.values() if conflict(listener, found)), None)
    if other is None:
        return []
    reason = f"is used by the listener {other.name} ({other.protocol.value}) on the same address; use another port"
    return [(f"{path}.port", str(listener.port), reason)]


def conflict(one: Listener, other: Listener) -> bool:
    """Whether nginx cannot open both listeners; it does not depend on their order.

    HTTP and TCP are served by different modules of nginx, which cannot share an address; within a module, an address
    may be opened beside all addresses of the same port.
    """
    if one.port != other.port or (one.protocol is Protocol.UDP) != (other.protocol is Protocol.UDP):
        return False
    pairs = ((one.ipv4, other.ipv4), (one.ipv6, other.ipv6))
    if one.protocol is other.protocol:
        return any(mine == its for mine, its in pairs)
    return any(mine == its or not mine or not its for mine, its in pairs)
