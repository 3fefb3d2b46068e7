"""externaldns.nginx.org/v1: the DNSEndpoint, which Headgate writes and ExternalDNS reads."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from headgate.api.base import Kind, Model, TopLevel
from headgate.api.nginx_org.fields import Field, Form
from headgate.api.nginx_org.virtualserver import ProviderSpecific


class Endpoint(Model):
    """The records of one name and type."""

    dns_name: Annotated[str | None, Field(Form.FREE, "The name.")] = None
    labels: Annotated[dict[str, str] | None, Field(Form.FREE, "Labels of the records.")] = None
    provider_specific: Annotated[
        tuple[ProviderSpecific, ...] | None, Field(None, "Properties for the DNS provider.")
    ] = None
    record_ttl: Annotated[int | None, Field(None, "Time to live of the records, in seconds.")] = msgspec.field(
        default=None, name="recordTTL"
    )
    record_type: Annotated[str | None, Field(Form.FREE, "Type of the records, such as A, AAAA or CNAME.")] = None
    targets: Annotated[tuple[str, ...] | None, Field(Form.FREE, "Targets of the record.")] = None


class DNSEndpointSpec(Model):
    """What ExternalDNS writes to the DNS."""

    endpoints: Annotated[tuple[Endpoint, ...] | None, Field(None, "The records.")] = None


class DNSEndpointStatus(Model):
    """What ExternalDNS has read."""

    observed_generation: Annotated[int | None, Field(None, "The metadata.generation that ExternalDNS has read.")] = None


class DNSEndpoint(TopLevel):
    """DNS records of a host, for the source crd of ExternalDNS."""

    KIND: ClassVar[Kind] = Kind("DNSEndpoint", "dnsendpoints", group="externaldns.nginx.org")

    spec: DNSEndpointSpec | None = None
    status: DNSEndpointStatus | None = None
