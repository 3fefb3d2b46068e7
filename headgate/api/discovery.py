"""discovery.k8s.io/v1: EndpointSlice."""

from __future__ import annotations

from typing import ClassVar

from headgate.api.base import Kind, Model, TopLevel
from headgate.api.core import ObjectReference

SERVICE_NAME = "kubernetes.io/service-name"
"""The label that ties an EndpointSlice to its Service."""


class EndpointConditions(Model):
    """The state of an endpoint; an absent ``ready`` counts as true (Kubernetes API)."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class Endpoint(Model):
    """One backend: its addresses are alternatives, of which the first is used."""

    addresses: tuple[str, ...] | None = None
    conditions: EndpointConditions | None = None
    target_ref: ObjectReference | None = None
    node_name: str | None = None
    zone: str | None = None


class EndpointPort(Model):
    """A port that all endpoints of the slice share."""

    port: int | None = None
    name: str | None = None
    protocol: str | None = None
    app_protocol: str | None = None


class EndpointSlice(TopLevel):
    """A part of the endpoints behind a Service."""

    KIND: ClassVar[Kind] = Kind("EndpointSlice", "endpointslices", group="discovery.k8s.io")

    address_type: str | None = None
    endpoints: tuple[Endpoint, ...] | None = None
    ports: tuple[EndpointPort, ...] | None = None

    @property
    def service(self) -> str:
        """The name of the Service in the slice's own namespace, or ``""``."""
        return (self.metadata.labels or {}).get(SERVICE_NAME, "")
