"""k8s.nginx.org/v1: TransportServer and GlobalConfiguration."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

import msgspec

from headgate.api.base import Kind, Model, TopLevel
from headgate.api.nginx_org.fields import Field, Form, OneOf, Range
from headgate.api.nginx_org.upstreams import COUNT, PORT
from headgate.api.nginx_org.virtualserver import GROUP, Conditions

PROTOCOLS: Final = OneOf(("TCP", "UDP", "HTTP"))


class TransportServerListener(Model):
    """A listener of the GlobalConfiguration, or ``tls-passthrough``."""

    name: Annotated[str, Field(Form.LABEL, "Name of the listener, or tls-passthrough.", required=True)] = ""
    protocol: Annotated[
        str, Field(OneOf((*PROTOCOLS.words, "TLS_PASSTHROUGH")), "Protocol of the listener.", required=True)
    ] = ""


class TransportServerMatch(Model):
    """Data that is sent, and data that is expected."""

    send: Annotated[str | None, Field(Form.FREE, "Text or hexadecimal bytes that are sent.")] = None
    expect: Annotated[str | None, Field(Form.FREE, "Text that is expected, or a regular expression after ~.")] = None


class TransportServerHealthCheck(Model):
    """Connections that find out whether endpoints are well."""

    enable: Annotated[bool, Field(None, "Whether active health checks are enabled.")] = False
    timeout: Annotated[str | None, Field(Form.TIME, "Timeout of a check.", default="5s")] = None
    jitter: Annotated[str | None, Field(Form.TIME, "Maximum random delay of each check.", default="0s")] = None
    port: Annotated[int | None, Field(PORT, "Port of the checks.", default="that of the endpoint")] = None
    interval: Annotated[str | None, Field(Form.TIME, "Time between two checks.", default="5s")] = None
    passes: Annotated[int | None, Field(COUNT, "Passed checks until an endpoint is healthy again.", default="1")] = None
    fails: Annotated[int | None, Field(COUNT, "Failed checks until it is unhealthy.", default="1")] = None
    match: Annotated[TransportServerMatch | None, Field(None, "Data that is sent, and data that is expected.")] = None


class TransportServerUpstream(Model):
    """A Service and how its endpoints are used."""

    name: Annotated[str, Field(Form.LABEL, "Name that the action refers to.", required=True)] = ""
    service: Annotated[str, Field(Form.OWN_SERVICE, "The Service.", required=True)] = ""
    port: Annotated[int | None, Field(PORT, "Port of the Service.", required=True)] = None
    max_fails: Annotated[
        int | None, Field(COUNT, "Number of failures until an endpoint is considered unavailable.", default="1")
    ] = None
    fail_timeout: Annotated[
        str | None,
        Field(
            Form.SECONDS,
            "Time in which failures are counted, and for which an endpoint is then considered unavailable.",
            default="10s",
        ),
    ] = None
    max_conns: Annotated[int | None, Field(COUNT, "Maximum number of connections to an endpoint; 0: no limit.")] = None
    load_balancing_method: Annotated[
        str | None, Field(Form.STREAM_BALANCING, "Load balancing method.", default="random two least_conn")
    ] = None
    health_check: Annotated[TransportServerHealthCheck | None, Field(None, "Active health checks.")] = None
    backup: Annotated[
        str | None, Field(Form.OWN_SERVICE, "A Service of type ExternalName that is used when all endpoints fail.")
    ] = None
    backup_port: Annotated[int | None, Field(PORT, "Its port.")] = None


class UpstreamParameters(Model):
    """How connections to endpoints are made."""

    connect_timeout: Annotated[
        str | None, Field(Form.TIME, "Timeout for establishing a connection.", default="60s")
    ] = None
    next_upstream: Annotated[bool, Field(None, "Whether the next endpoint is tried if one cannot be reached.")] = False
    next_upstream_timeout: Annotated[
        str | None,
        Field(Form.TIME, "Time in which a request can be passed to the next endpoint; 0: no limit.", default="0s"),
    ] = None
    next_upstream_tries: Annotated[
        int | None, Field(COUNT, "Maximum number of endpoints that are tried; 0: no limit.", default="0")
    ] = None
    udp_requests: Annotated[
        int | None, Field(COUNT, "Number of datagrams of a client after which the next one starts a new session.")
    ] = None
    udp_responses: Annotated[int | None, Field(COUNT, "Number of datagrams that are expected in response to one.")] = (
        None
    )


class SessionParameters(Model):
    """Parameters of sessions."""

    timeout: Annotated[
        str | None, Field(Form.TIME, "Timeout between two successive reads or writes.", default="10m")
    ] = None


class TransportServerAction(Model):
    """Action for the connections."""

    pass_: Annotated[str, Field(Form.LABEL, "Name of an upstream.", required=True)] = msgspec.field(
        default="", name="pass"
    )


class TransportServerTLS(Model):
    """TLS is terminated."""

    secret: Annotated[str | None, Field(Form.NAME, "Secret with the certificate.")] = None


class TransportServerSpec(Model):
    """What a TransportServer asks for."""

    ingress_class_name: Annotated[str | None, Field(Form.FREE, "Class of the controller that serves it.")] = None
    listener: Annotated[
        TransportServerListener | None, Field(None, "Listener that accepts the connections.", required=True)
    ] = None
    host: Annotated[str | None, Field(Form.HOST, "The server name (SNI) of TLS connections.")] = None
    tls: Annotated[TransportServerTLS | None, Field(None, "TLS is terminated.")] = None
    upstreams: Annotated[tuple[TransportServerUpstream, ...] | None, Field(None, "The upstreams.")] = None
    upstream_parameters: Annotated[
        UpstreamParameters | None, Field(None, "Parameters of connections to endpoints.")
    ] = None
    session_parameters: Annotated[SessionParameters | None, Field(None, "Parameters of sessions.")] = None
    action: Annotated[TransportServerAction | None, Field(None, "Action for the connections.", required=True)] = None
    server_snippets: Annotated[
        str | None, Field(Form.FREE, "Configuration inside the server; needs -enable-snippets.")
    ] = None
    stream_snippets: Annotated[str | None, Field(Form.FREE, "Configuration in stream {}; needs -enable-snippets.")] = (
        None
    )


class TransportServer(TopLevel):
    """Connections of TCP, datagrams of UDP, or TLS connections that are passed through."""

    KIND: ClassVar[Kind] = Kind("TransportServer", "transportservers", group=GROUP)

    spec: TransportServerSpec | None = None
    status: Conditions | None = None


class GlobalListener(Model):
    """A port on which VirtualServers and TransportServers may be served."""

    name: Annotated[str, Field(Form.LABEL, "Name that resources refer to.", required=True)] = ""
    port: Annotated[int | None, Field(Range(1, 65535), "The port.", required=True)] = None
    protocol: Annotated[str, Field(PROTOCOLS, "Protocol of the listener.", required=True)] = ""
    ssl: Annotated[bool, Field(None, "For HTTP: whether TLS is terminated (HTTPS).")] = False
    ipv4: Annotated[str | None, Field(Form.IPV4, "The IPv4 address.", default="all")] = None
    ipv6: Annotated[str | None, Field(Form.IPV6, "The IPv6 address.", default="all")] = None


class UnreadListener(GlobalListener):
    """A listener of which a field has the wrong type: it keeps its place in the list, and cannot be used."""


class GlobalConfigurationSpec(Model):
    """The listeners."""

    listeners: Annotated[tuple[GlobalListener, ...] | None, Field(None, "The listeners.")] = None


class GlobalConfiguration(TopLevel):
    """What concerns all of the controller."""

    KIND: ClassVar[Kind] = Kind("GlobalConfiguration", "globalconfigurations", group=GROUP)

    spec: GlobalConfigurationSpec | None = None
