"""externaldns.k8s.io/v1alpha1: the DNSEndpoint of ExternalDNS itself, which its version 0.21 and later reads."""

from __future__ import annotations

from typing import Any, ClassVar

from headgate.api.base import Kind, TopLevel


class UpstreamDNSEndpoint(TopLevel):
    """DNS records of a host; the spec is left as it is, to be compared and kept."""

    KIND: ClassVar[Kind] = Kind("DNSEndpoint", "dnsendpoints", version="v1alpha1", group="externaldns.k8s.io")

    spec: dict[str, Any] | None = None
