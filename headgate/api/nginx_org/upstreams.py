"""Upstreams of VirtualServers and VirtualServerRoutes: a Service, and how its endpoints are used."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from headgate.api.base import Model
from headgate.api.nginx_org.actions import PlainHeader
from headgate.api.nginx_org.fields import Field, Form, Listed, OneOf, Range, Shape

NEXT_UPSTREAM: Final = Listed(
    ("error", "timeout", "invalid_header", "http_500", "http_502", "http_503", "http_504", "http_403", "http_404",
     "http_429", "non_idempotent", "off")
)  # fmt: skip
PORT: Final = Range(1, 65535)
COUNT: Final = Range(0)
CONFIG_MAP: Final = "the ConfigMap's"


class UpstreamTLS(Model):
    """TLS to the endpoints."""

    enable: Annotated[bool, Field(None, "Whether endpoints are spoken to over TLS.")] = False


class UpstreamBuffers(Model):
    """Buffers for a response."""

    number: Annotated[int | None, Field(Range(1), "How many.", required=True)] = None
    size: Annotated[str | None, Field(Form.SIZE, "Size of each.", required=True)] = None


class UpstreamQueue(Model):
    """Requests that wait while no endpoint can take them."""

    size: Annotated[int | None, Field(Range(1), "How many may wait.", required=True)] = None
    timeout: Annotated[str | None, Field(Form.TIME, "For how long.", default="60s")] = None


class SessionCookie(Model):
    """A cookie by which the requests of a client go to one endpoint."""

    enable: Annotated[bool, Field(None, "Whether the cookie is set.")] = False
    name: Annotated[str, Field(Form.COOKIE, "Name of the cookie.", required=True)] = ""
    path: Annotated[str | None, Field(Form.COOKIE_PATH, "Path of the cookie.")] = None
    expires: Annotated[
        str | None, Field(Shape(r"max|[0-9smhdwMy ]+", "a time or max"), "How long browsers keep it; max: ever.")
    ] = None
    domain: Annotated[str | None, Field(Form.DOMAIN, "Domain of the cookie.")] = None
    http_only: Annotated[bool, Field(None, "Whether scripts of pages cannot read it.")] = False
    secure: Annotated[bool, Field(None, "Whether it is sent over TLS only.")] = False
    samesite: Annotated[
        str | None, Field(OneOf(("strict", "lax", "none"), folds=True), "When it is sent with requests of other sites.")
    ] = None


class HealthCheck(Model, rename="kebab"):
    """Requests that find out whether endpoints are well."""

    enable: Annotated[bool, Field(None, "Whether endpoints are checked.")] = False
    path: Annotated[str | None, Field(Form.PATH, "Path of the requests.", default="/")] = None
    interval: Annotated[str | None, Field(Form.TIME, "Time between two checks.", default="5s")] = None
    jitter: Annotated[str | None, Field(Form.TIME, "Within which each check is delayed at random.", default="0s")] = (
        None
    )
    fails: Annotated[int | None, Field(COUNT, "Failed checks until an endpoint is unhealthy.", default="1")] = None
    passes: Annotated[int | None, Field(COUNT, "Passed checks until it is healthy again.", default="1")] = None
    port: Annotated[int | None, Field(PORT, "Port of the checks.", default="that of the endpoint")] = None
    tls: Annotated[UpstreamTLS | None, Field(None, "TLS of the checks.", default="that of the upstream")] = None
    connect_timeout: Annotated[str | None, Field(Form.TIME, "Longest time to connect.")] = None
    read_timeout: Annotated[str | None, Field(Form.TIME, "Longest time between two reads.")] = None
    send_timeout: Annotated[str | None, Field(Form.TIME, "Longest time between two writes.")] = None
    headers: Annotated[tuple[PlainHeader, ...] | None, Field(None, "Headers of the requests.")] = None
    status_match: Annotated[
        str | None,
        Field(Shape(r"(! )?[0-9]{3}(-[0-9]{3})?( [0-9]{3}(-[0-9]{3})?)*", "codes and ranges"), "Codes that pass."),
    ] = msgspec.field(default=None, name="statusMatch")
    grpc_status: Annotated[int | None, Field(Range(0, 16), "The gRPC status that passes.")] = msgspec.field(
        default=None, name="grpcStatus"
    )
    grpc_service: Annotated[
        str | None, Field(Shape(r"[^\s{};]*", "the name of a gRPC service"), "The gRPC service that is asked about.")
    ] = msgspec.field(default=None, name="grpcService")
    mandatory: Annotated[bool, Field(None, "Whether new endpoints get no requests before they passed.")] = False
    persistent: Annotated[bool, Field(None, "Whether that is remembered across reloads.")] = False
    keepalive_time: Annotated[str | None, Field(Form.TIME, "Longest life of a connection.", default="60s")] = None


class Upstream(Model, rename="kebab"):
    """A Service and how its endpoints are used."""

    name: Annotated[str, Field(Form.LABEL, "Name, by which actions refer to it.", required=True)] = ""
    service: Annotated[
        str, Field(Form.SERVICE, "The Service; of another namespace as namespace/name.", required=True)
    ] = ""
    port: Annotated[int | None, Field(PORT, "Port of the Service.", required=True)] = None
    subselector: Annotated[
        dict[str, str] | None, Field(Form.FREE, "Labels of the Pods, of those of the Service, that are used.")
    ] = None
    use_cluster_ip: Annotated[
        bool, Field(None, "Whether requests go to the Service's own address, so that kube-proxy balances.")
    ] = False
    type: Annotated[str | None, Field(OneOf(("http", "grpc")), "Protocol of the endpoints.", default="http")] = None
    tls: Annotated[UpstreamTLS | None, Field(None, "TLS to the endpoints.")] = None
    lb_method: Annotated[str | None, Field(Form.BALANCING, "How endpoints are chosen.", default=CONFIG_MAP)] = None
    fail_timeout: Annotated[
        str | None, Field(Form.SECONDS, "In which failures are counted, and for which an endpoint is avoided then.")
    ] = None
    max_fails: Annotated[int | None, Field(COUNT, "Failures until an endpoint is avoided.", default=CONFIG_MAP)] = None
    max_conns: Annotated[int | None, Field(COUNT, "Most connections to an endpoint; 0: any number.")] = None
    keepalive: Annotated[int | None, Field(COUNT, "Idle connections that are kept.", default=CONFIG_MAP)] = None
    connect_timeout: Annotated[str | None, Field(Form.TIME, "Longest time to connect.", default=CONFIG_MAP)] = None
    read_timeout: Annotated[str | None, Field(Form.TIME, "Longest time between two reads.", default=CONFIG_MAP)] = None
    send_timeout: Annotated[str | None, Field(Form.TIME, "Longest time between two writes.", default=CONFIG_MAP)] = None
    next_upstream: Annotated[
        str | None, Field(NEXT_UPSTREAM, "When the next endpoint is tried.", default="error timeout")
    ] = None
    next_upstream_timeout: Annotated[
        str | None, Field(Form.TIME, "For how long next ones are tried; 0: without end.", default="0s")
    ] = None
    next_upstream_tries: Annotated[int | None, Field(COUNT, "How many are tried; 0: all.", default="0")] = None
    client_max_body_size: Annotated[
        str | None, Field(Form.OFFSET, "Largest body of a request; 0: any size.", default=CONFIG_MAP)
    ] = None
    client_body_buffer_size: Annotated[
        str | None, Field(Form.SIZE, "Buffer for the body of a request; larger ones go to a file.")
    ] = None
    buffering: Annotated[bool | None, Field(None, "Whether responses are buffered.", default=CONFIG_MAP)] = None
    buffers: Annotated[UpstreamBuffers | None, Field(None, "Buffers for a response.", default=CONFIG_MAP)] = None
    buffer_size: Annotated[
        str | None, Field(Form.SIZE, "Buffer for the first part of a response.", default=CONFIG_MAP)
    ] = None
    busy_buffers_size: Annotated[
        str | None, Field(Form.SIZE, "How much of the buffers may be sent to the client meanwhile.", default=CONFIG_MAP)
    ] = None
    session_cookie: Annotated[SessionCookie | None, Field(None, "Clients keep their endpoint by a cookie.")] = (
        msgspec.field(default=None, name="sessionCookie")
    )
    backup: Annotated[
        str | None, Field(Form.OWN_SERVICE, "A Service of type ExternalName that is used when all endpoints fail.")
    ] = None
    backup_port: Annotated[int | None, Field(PORT, "Its port.")] = msgspec.field(default=None, name="backupPort")
    health_check: Annotated[HealthCheck | None, Field(None, "Endpoints are checked.")] = msgspec.field(
        default=None, name="healthCheck"
    )
    slow_start: Annotated[
        str | None, Field(Form.TIME, "In which an endpoint that is well again gets its full share.")
    ] = None
    queue: Annotated[UpstreamQueue | None, Field(None, "Requests wait while no endpoint can take them.")] = None
    ntlm: Annotated[bool, Field(None, "Whether requests authenticated by NTLM keep their connection.")] = False
