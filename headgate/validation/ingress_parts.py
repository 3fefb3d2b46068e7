"""The parts of an Ingress that every dialect checks alike."""

from __future__ import annotations

from collections.abc import Iterator

from headgate.api import Ingress
from headgate.api.networking import IngressBackend, IngressRule, IngressSpec
from headgate.ir.snippets import leaves_its_block
from headgate.settings import Overrides
from headgate.validation.text import (
    host_fault,
    name_fault,
    namespace_fault,
    port_name_fault,
    service_fault,
)

HIGHEST_PORT = 65535

Fault = tuple[str, str, str]
"""Setting, what was there, why not."""


def name_faults(ingress: Ingress) -> Iterator[Fault]:
    """Check the name, which becomes part of names in nginx."""
    if fault := name_fault(ingress.metadata.name):
        yield "metadata.name", ingress.metadata.name, fault
    if fault := namespace_fault(ingress.metadata.namespace):
        yield "metadata.namespace", ingress.metadata.namespace, fault


def rule_faults(field: str, rule: IngressRule, seen: set[str]) -> Iterator[Fault]:
    """Check the host of a rule, which must not be among those that were *seen*."""
    host = rule.host or ""
    if host and (fault := host_fault(host)):
        yield field, host, fault
    if host in seen:
        yield field, host, "is defined twice; put the paths of one host under one rule"
    seen.add(host)


def backend_faults(field: str, backend: IngressBackend) -> Iterator[Fault]:
    """Check a backend: a Service, and one of its ports."""
    if backend.resource is not None:
        yield f"{field}.resource", "", "is not supported; name a service"
        return
    service = backend.service
    if service is None:
        yield f"{field}.service", "", "is missing"
        return
    if fault := service_fault(service.name):
        yield f"{field}.service.name", service.name, fault
    port = service.port
    if port is None or not (port.number or port.name):
        yield f"{field}.service.port", "", "is missing; give its number or its name"
    elif port.number and not 1 <= port.number <= HIGHEST_PORT:
        yield f"{field}.service.port.number", str(port.number), "is not a port (1 to 65535)"
    elif port.name and (fault := port_name_fault(port.name)):
        yield f"{field}.service.port.name", port.name, fault


def tls_faults(spec: IngressSpec) -> Iterator[Fault]:
    """Check the names of Secrets and hosts with TLS."""
    for i, tls in enumerate(spec.tls or ()):
        if tls.secret_name and (fault := name_fault(tls.secret_name)):
            yield f"spec.tls[{i}].secretName", tls.secret_name, fault
        for j, host in enumerate(tls.hosts or ()):
            if fault := host_fault(host):
                yield f"spec.tls[{i}].hosts[{j}]", host, fault


def snippet_faults(overrides: Overrides) -> Iterator[Fault]:
    """Check that no snippet ends the block in which it stands: the rest would concern other hosts."""
    if not overrides:
        return
    snippets = overrides.values.snippets
    texts = {"server_snippets": snippets.server_snippets, "location_snippets": snippets.location_snippets}
    for name, text in texts.items():
        if text and leaves_its_block(text):
            yield overrides.key(name), "", "closes a block that it did not open; remove the } without a {"
