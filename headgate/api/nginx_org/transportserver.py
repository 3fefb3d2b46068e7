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
    """What is sent, and what is expected."""

    send: Annotated[str | None, Field(Form.FREE, "Text or hexadecimal bytes that are sent.")] = None
    expect: Annotated[str | None, Field(Form.FREE, "Text that is expected, or a regular expression after ~.")] = None


class TransportServerHealthCheck(Model):
    """Connections that find out whether endpoints are well."""

    enable: Annotated[bool, Field(None, "Whether endpoints are checked.")] = False
    timeout: Annotated[str | None, Field(Form.TIME, "Longest time of a check.", default="5s")] = None
    jitter: Annotated[str | None, Field(Form.TIME, "Within which each check is delayed at random.", default="0s")] = (
        None
    )
    port: Annotated[int | None, Field(PORT, "Port of the checks.", default="that of the endpoint")] = None
    interval: Annotated[str | None, Field(Form.TIME, "Time between two checks.", default="5s")] = None
    passes: Annotated[int | None, Field(COUNT, "Passed checks until an endpoint is healthy again.", default="1")] = None
    fails: Annotated[int | None, Field(COUNT, "Failed checks until it is unhealthy.", default="1")] = None
    match: Annotated[TransportServerMatch | None, Field(None, "What is sent, and what is expected.")] = None


class TransportServerUpstream(Model):
    """A Service and how its endpoints are used."""

    name: Annotated[str, Field(Form.LABEL, "Name, by which the action refers to it.", required=True)] = ""
    service: Annotated[str, Field(Form.OWN_SERVICE, "The Service.", required=True)] = ""
    port: Annotated[int | None, Field(PORT, "Port of the Service.", required=True)] = None
    max_fails: Annotated[int | None, Field(COUNT, "Failures until an endpoint is avoided.", default="1")] = None
    fail_timeout: Annotated[
        str | None, Field(Form.SECONDS, "In which failures are counted, and for which it is avoided.", default="10s")
    ] = None
    max_conns: Annotated[int | None, Field(COUNT, "Most connections to an endpoint; 0: any number.")] = None
    load_balancing_method: Annotated[
        str | None, Field(Form.STREAM_BALANCING, "How endpoints are chosen.", default="random two least_conn")
    ] = None
    health_check: Annotated[TransportServerHealthCheck | None, Field(None, "Endpoints are checked.")] = None
    backup: Annotated[
        str | None, Field(Form.OWN_SERVICE, "A Service of type ExternalName that is used when all endpoints fail.")
    ] = None
    backup_port: Annotated[int | None, Field(PORT, "Its port.")] = None


class UpstreamParameters(Model):
    """How connections to endpoints are made."""

    connect_timeout: Annotated[str | None, Field(Form.TIME, "Longest time to connect.", default="60s")] = None
    next_upstream: Annotated[bool, Field(None, "Whether the next endpoint is tried if one cannot be reached.")] = False
    next_upstream_timeout: Annotated[
        str | None, Field(Form.TIME, "For how long next ones are tried; 0: without end.", default="0s")
    ] = None
    next_upstream_tries: Annotated[int | None, Field(COUNT, "How many are tried; 0: all.", default="0")] = None
    udp_requests: Annotated[
        int | None, Field(COUNT, "Datagrams of a client until its next one begins a new session.")
    ] = None
    udp_responses: Annotated[int | None, Field(COUNT, "Datagrams that are expected in answer to one.")] = None


class SessionParameters(Model):
    """How long sessions last."""

    timeout: Annotated[str | None, Field(Form.TIME, "Longest time without data.", default="10m")] = None


class TransportServerAction(Model):
    """Where connections go."""

    pass_: Annotated[str, Field(Form.LABEL, "Name of an upstream.", required=True)] = msgspec.field(
        default="", name="pass"
    )


class TransportServerTLS(Model):
    """TLS is terminated."""

    secret: Annotated[str | None, Field(Form.NAME, "Secret with the certificate.")] = None


class TransportServerSpec(Model):
    """What a TransportServer asks for."""

    ingress_class_name: Annotated[str | None, Field(Form.FREE, "Class of the controller that serves it.")] = None
    listener: Annotated[TransportServerListener | None, Field(None, "Where connections arrive.", required=True)] = None
    host: Annotated[str | None, Field(Form.HOST, "The server name (SNI) of TLS connections.")] = None
    tls: Annotated[TransportServerTLS | None, Field(None, "TLS is terminated.")] = None
    upstreams: Annotated[tuple[TransportServerUpstream, ...] | None, Field(None, "The upstreams.")] = None
    upstream_parameters: Annotated[UpstreamParameters | None, Field(None, "How endpoints are reached.")] = None
    session_parameters: Annotated[SessionParameters | None, Field(None, "How long sessions last.")] = None
    action: Annotated[TransportServerAction | None, Field(None, "Where connections go.", required=True)] = None
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

    name: Annotated[str, Field(Form.LABEL, "Name, by which they refer to it.", required=True)] = ""
    port: Annotated[int | None, Field(Range(1, 65535), "The port.", required=True)] = None
    protocol: Annotated[str, Field(PROTOCOLS, "What clients speak.", required=True)] = ""
    ssl: Annotated[bool, Field(None, "For HTTP: whether clients begin with TLS.")] = False
    ipv4: Annotated[str | None, Field(Form.IPV4, "The IPv4 address.", default="all")] = None
    ipv6: Annotated[str | None, Field(Form.IPV6, "The IPv6 address.", default="all")] = None


class GlobalConfigurationSpec(Model):
    """The listeners."""

    listeners: Annotated[tuple[GlobalListener, ...] | None, Field(None, "The listeners.")] = None


class GlobalConfiguration(TopLevel):
    """What concerns all of the controller."""

    KIND: ClassVar[Kind] = Kind("GlobalConfiguration", "globalconfigurations", group=GROUP)

    spec: GlobalConfigurationSpec | None = None
