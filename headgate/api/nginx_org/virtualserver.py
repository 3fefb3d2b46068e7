"""k8s.nginx.org/v1: VirtualServer and VirtualServerRoute."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

import msgspec

from headgate.api.base import Kind, Model, TopLevel
from headgate.api.nginx_org.actions import (
    REDIRECTS,
    Action,
    ErrorPage,
    LabelSelector,
    Match,
    PolicyReference,
    Split,
)
from headgate.api.nginx_org.fields import Field, Form, OneOf
from headgate.api.nginx_org.upstreams import Upstream

GROUP: Final = "k8s.nginx.org"
INHERIT: Final = OneOf(("on", "off", "merge"), folds=True)


class Route(Model):
    """A path, and what happens to its requests: exactly one of action, splits, route and routeSelector."""

    path: Annotated[
        str,
        Field(
            Form.ROUTE,
            "/prefix, =/exact, ^~/prefix that goes before regular expressions, ~ regex, ~* regex regardless of case.",
            required=True,
        ),
    ] = ""
    policies: Annotated[
        tuple[PolicyReference, ...] | None,
        Field(None, "Policies; a Policy replaces Policies of the same type of the host."),
    ] = None
    route: Annotated[str | None, Field(Form.QUALIFIED, "The VirtualServerRoute that has the path.")] = None
    route_selector: Annotated[
        LabelSelector | None, Field(None, "The VirtualServerRoutes that have the path, by their labels.")
    ] = None
    action: Annotated[Action | None, Field(None, "Action for the requests.")] = None
    splits: Annotated[tuple[Split, ...] | None, Field(None, "Actions by weight.")] = None
    matches: Annotated[
        tuple[Match, ...] | None,
        Field(None, "Other actions for requests that meet conditions; the first match applies."),
    ] = None
    error_pages: Annotated[tuple[ErrorPage, ...] | None, Field(None, "Responses that replace errors.")] = None
    location_snippets: Annotated[
        str | None, Field(Form.FREE, "Configuration inside the location; needs -enable-snippets.")
    ] = msgspec.field(default=None, name="location-snippets")
    add_header_inherit: Annotated[
        str | None, Field(INHERIT, "Whether headers of the host are added to those of the route.")
    ] = msgspec.field(default=None, name="add-header-inherit")
    dos: Annotated[str | None, Field(Form.QUALIFIED, "For F5 DoS for NGINX, which runs in NGINX Plus only.")] = None


class CertManager(Model, rename="kebab"):
    """The Certificate of cert-manager that is made for the Secret."""

    issuer: Annotated[str | None, Field(Form.NAME, "Name of the Issuer.")] = None
    cluster_issuer: Annotated[str | None, Field(Form.NAME, "Name of the ClusterIssuer.")] = None
    issuer_kind: Annotated[str | None, Field(Form.FREE, "Kind of the issuer.", default="Issuer")] = None
    issuer_group: Annotated[str | None, Field(Form.FREE, "API group of the issuer.")] = None
    common_name: Annotated[str | None, Field(Form.FREE, "Common name of the certificate.")] = None
    duration: Annotated[str | None, Field(Form.FREE, "Validity of the certificate, such as 2160h.")] = None
    renew_before: Annotated[
        str | None, Field(Form.FREE, "Time before its expiry at which the certificate is renewed.")
    ] = None
    usages: Annotated[
        str | None, Field(Form.FREE, "Usages, separated by commas.", default="digital signature, key encipherment")
    ] = None
    issue_temp_cert: Annotated[
        bool, Field(None, "Whether a temporary certificate is used until the certificate is issued.")
    ] = False


class TLSRedirect(Model):
    """Requests of plain HTTP are redirected to HTTPS."""

    enable: Annotated[bool, Field(None, "Whether the redirect is enabled.")] = False
    code: Annotated[int | None, Field(REDIRECTS, "Status code.", default="301")] = None
    based_on: Annotated[
        str | None,
        Field(OneOf(("scheme", "x-forwarded-proto")), "How plain HTTP is recognized.", default="scheme"),
    ] = None


class TLS(Model):
    """The host is served over TLS."""

    secret: Annotated[
        str | None, Field(Form.NAME, "Secret with the certificate.", default="that of -wildcard-tls-secret")
    ] = None
    redirect: Annotated[TLSRedirect | None, Field(None, "Requests of plain HTTP are redirected to HTTPS.")] = None
    cert_manager: Annotated[CertManager | None, Field(None, "cert-manager issues the certificate.")] = msgspec.field(
        default=None, name="cert-manager"
    )


class CustomListener(Model):
    """Listeners of the GlobalConfiguration instead of the usual ports."""

    http: Annotated[str | None, Field(Form.LABEL, "Name of a listener of protocol HTTP.")] = None
    https: Annotated[str | None, Field(Form.LABEL, "Name of a listener of protocol HTTP with ssl.")] = None


class ProviderSpecific(Model):
    """A property that a provider of ExternalDNS understands."""

    name: Annotated[str | None, Field(Form.FREE, "Name of the property.")] = None
    value: Annotated[str | None, Field(Form.FREE, "Value of the property.")] = None


class ExternalDNS(Model):
    """The DNSEndpoint of ExternalDNS that is made for the host."""

    enable: Annotated[bool, Field(None, "Whether the record is created.")] = False
    labels: Annotated[dict[str, str] | None, Field(Form.FREE, "Labels of the record.")] = None
    provider_specific: Annotated[
        tuple[ProviderSpecific, ...] | None, Field(None, "Properties for the DNS provider.")
    ] = None
    record_ttl: Annotated[int | None, Field(None, "Time to live of the record, in seconds.")] = msgspec.field(
        default=None, name="recordTTL"
    )
    record_type: Annotated[str | None, Field(Form.FREE, "Type of the record.", default="what its targets need")] = None


class VirtualServerSpec(Model):
    """What a VirtualServer asks for."""

    ingress_class_name: Annotated[str | None, Field(Form.FREE, "Class of the controller that serves it.")] = None
    host: Annotated[str, Field(Form.HOST, "The host.", required=True)] = ""
    listener: Annotated[CustomListener | None, Field(None, "Listeners of the GlobalConfiguration.")] = None
    tls: Annotated[TLS | None, Field(None, "The host is served over TLS.", default="plain HTTP only")] = None
    gunzip: Annotated[bool | None, Field(None, "Whether responses are decompressed for clients without gzip.")] = None
    policies: Annotated[tuple[PolicyReference, ...] | None, Field(None, "Policies of the whole host.")] = None
    upstreams: Annotated[tuple[Upstream, ...] | None, Field(None, "The upstreams.")] = None
    routes: Annotated[tuple[Route, ...] | None, Field(None, "The paths.")] = None
    http_snippets: Annotated[str | None, Field(Form.FREE, "Configuration in http {}; needs -enable-snippets.")] = (
        msgspec.field(default=None, name="http-snippets")
    )
    server_snippets: Annotated[
        str | None, Field(Form.FREE, "Configuration inside the server; needs -enable-snippets.")
    ] = msgspec.field(default=None, name="server-snippets")
    add_header_inherit: Annotated[
        str | None, Field(INHERIT, "Whether headers of the ConfigMap are added to those of the host.")
    ] = msgspec.field(default=None, name="add-header-inherit")
    external_dns: Annotated[ExternalDNS | None, Field(None, "ExternalDNS creates a record for the host.")] = (
        msgspec.field(default=None, name="externalDNS")
    )
    dos: Annotated[str | None, Field(Form.QUALIFIED, "For F5 DoS for NGINX, which runs in NGINX Plus only.")] = None


class ExternalEndpoint(Model):
    """An address of the controller, for ExternalDNS."""

    ip: Annotated[str | None, Field(Form.FREE, "IP address.")] = None
    hostname: Annotated[str | None, Field(Form.FREE, "Name.")] = None
    ports: Annotated[str | None, Field(Form.FREE, "Ports, such as [80,443].")] = None


class Conditions(Model):
    """The part of a status that all kinds have."""

    state: Annotated[str | None, Field(Form.FREE, "Valid, Warning or Invalid.")] = None
    reason: Annotated[str | None, Field(Form.FREE, "The reason of the last event.")] = None
    message: Annotated[str | None, Field(Form.FREE, "The message of the last event.")] = None
    observed_generation: Annotated[
        int | None, Field(None, "The metadata.generation of the spec that the state is about.")
    ] = None


class VirtualServerStatus(Conditions):
    """What became of a VirtualServer."""

    external_endpoints: Annotated[tuple[ExternalEndpoint, ...] | None, Field(None, "Addresses of the controller.")] = (
        None
    )


class VirtualServer(TopLevel):
    """A host with its paths."""

    KIND: ClassVar[Kind] = Kind("VirtualServer", "virtualservers", group=GROUP)

    spec: VirtualServerSpec | None = None
    status: VirtualServerStatus | None = None


class VirtualServerRouteSpec(Model):
    """What a VirtualServerRoute asks for."""

    ingress_class_name: Annotated[str | None, Field(Form.FREE, "Class of the controller that serves it.")] = None
    host: Annotated[str, Field(Form.HOST, "The host of the VirtualServer that refers to it.", required=True)] = ""
    upstreams: Annotated[tuple[Upstream, ...] | None, Field(None, "The upstreams.")] = None
    subroutes: Annotated[tuple[Route, ...] | None, Field(None, "The paths, all below those of the reference.")] = None


class VirtualServerRouteStatus(VirtualServerStatus):
    """What became of a VirtualServerRoute."""

    referenced_by: Annotated[str | None, Field(Form.FREE, "The VirtualServer, as namespace/name.")] = None


class VirtualServerRoute(TopLevel):
    """A part of the paths of a VirtualServer, perhaps in another namespace."""

    KIND: ClassVar[Kind] = Kind("VirtualServerRoute", "virtualserverroutes", group=GROUP)

    spec: VirtualServerRouteSpec | None = None
    status: VirtualServerRouteStatus | None = None
