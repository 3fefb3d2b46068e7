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

    enable: Annotated[bool, Field(None, "Whether connections to endpoints use TLS.")] = False


class UpstreamBuffers(Model):
    """Number and size of the buffers for a response."""

    number: Annotated[int | None, Field(Range(1), "Number of buffers.", required=True)] = None
    size: Annotated[str | None, Field(Form.SIZE, "Size of a buffer.", required=True)] = None


class UpstreamQueue(Model):
    """Requests that wait while no endpoint can take them."""

    size: Annotated[int | None, Field(Range(1), "Maximum number of requests in the queue.", required=True)] = None
    timeout: Annotated[str | None, Field(Form.TIME, "Maximum time in the queue.", default="60s")] = None


class SessionCookie(Model):
    """A cookie by which the requests of a client go to one endpoint."""

    enable: Annotated[bool, Field(None, "Whether the cookie is set.")] = False
    name: Annotated[str, Field(Form.COOKIE, "Name of the cookie.", required=True)] = ""
    path: Annotated[str | None, Field(Form.COOKIE_PATH, "Path of the cookie.")] = None
    expires: Annotated[
        str | None, Field(Shape(r"max|[0-9smhdwMy ]+", "a time or max"), "Lifetime of the cookie; max: until 2037.")
    ] = None
    domain: Annotated[str | None, Field(Form.DOMAIN, "Domain of the cookie.")] = None
    http_only: Annotated[bool, Field(None, "Whether the cookie has the attribute HttpOnly.")] = False
    secure: Annotated[bool, Field(None, "Whether the cookie has the attribute Secure.")] = False
    samesite: Annotated[
        str | None, Field(OneOf(("strict", "lax", "none"), folds=True), "The attribute SameSite of the cookie.")
    ] = None


class HealthCheck(Model, rename="kebab"):
    """Requests that find out whether endpoints are well."""

    enable: Annotated[bool, Field(None, "Whether active health checks are enabled.")] = False
    path: Annotated[str | None, Field(Form.PATH, "Path of the requests.", default="/")] = None
    interval: Annotated[str | None, Field(Form.TIME, "Time between two checks.", default="5s")] = None
    jitter: Annotated[str | None, Field(Form.TIME, "Maximum random delay of each check.", default="0s")] = None
    fails: Annotated[int | None, Field(COUNT, "Failed checks until an endpoint is unhealthy.", default="1")] = None
    passes: Annotated[int | None, Field(COUNT, "Passed checks until it is healthy again.", default="1")] = None
    port: Annotated[int | None, Field(PORT, "Port of the checks.", default="that of the endpoint")] = None
    tls: Annotated[UpstreamTLS | None, Field(None, "TLS of the checks.", default="that of the upstream")] = None
    connect_timeout: Annotated[str | None, Field(Form.TIME, "Timeout for establishing a connection.")] = None
    read_timeout: Annotated[str | None, Field(Form.TIME, "Timeout between two successive reads.")] = None
    send_timeout: Annotated[str | None, Field(Form.TIME, "Timeout between two successive writes.")] = None
    headers: Annotated[tuple[PlainHeader, ...] | None, Field(None, "Headers of the requests.")] = None
    status_match: Annotated[
        str | None,
        Field(
            Shape(r"(! )?[0-9]{3}(-[0-9]{3})?( [0-9]{3}(-[0-9]{3})?)*", "codes and ranges"),
            "Status codes of a passed check.",
        ),
    ] = msgspec.field(default=None, name="statusMatch")
    grpc_status: Annotated[int | None, Field(Range(0, 16), "gRPC status of a passed check.")] = msgspec.field(
        default=None, name="grpcStatus"
    )
    grpc_service: Annotated[
        str | None,
        Field(Shape(r"[^\s{};]*", "the name of a gRPC service"), "Name of the gRPC service that is checked."),
    ] = msgspec.field(default=None, name="grpcService")
    mandatory: Annotated[bool, Field(None, "Whether new endpoints must pass a check before they get requests.")] = False
    persistent: Annotated[bool, Field(None, "Whether the state of endpoints is kept across reloads.")] = False
    keepalive_time: Annotated[
        str | None, Field(Form.TIME, "Maximum lifetime of a keepalive connection.", default="60s")
    ] = None


class Upstream(Model, rename="kebab"):
    """A Service and how its endpoints are used."""

    name: Annotated[str, Field(Form.LABEL, "Name that actions refer to.", required=True)] = ""
    service: Annotated[
        str, Field(Form.SERVICE, "The Service; of another namespace as namespace/name.", required=True)
    ] = ""
    port: Annotated[int | None, Field(PORT, "Port of the Service.", required=True)] = None
    subselector: Annotated[
        dict[str, str] | None, Field(Form.FREE, "Labels that select some of the Pods of the Service.")
    ] = None
    use_cluster_ip: Annotated[
        bool, Field(None, "Whether requests go to the Service's own address, so that kube-proxy balances.")
    ] = False
    type: Annotated[str | None, Field(OneOf(("http", "grpc")), "Protocol of the endpoints.", default="http")] = None
    tls: Annotated[UpstreamTLS | None, Field(None, "TLS to the endpoints.")] = None
    lb_method: Annotated[str | None, Field(Form.BALANCING, "Load balancing method.", default=CONFIG_MAP)] = None
    fail_timeout: Annotated[
        str | None,
        Field(
            Form.SECONDS,
            "Time in which failures are counted, and for which an endpoint is then considered unavailable.",
        ),
    ] = None
    max_fails: Annotated[
        int | None, Field(COUNT, "Number of failures until an endpoint is considered unavailable.", default=CONFIG_MAP)
    ] = None
    max_conns: Annotated[int | None, Field(COUNT, "Maximum number of connections to an endpoint; 0: no limit.")] = None
    keepalive: Annotated[
        int | None, Field(COUNT, "Maximum number of idle keepalive connections.", default=CONFIG_MAP)
    ] = None
    connect_timeout: Annotated[
        str | None, Field(Form.TIME, "Timeout for establishing a connection.", default=CONFIG_MAP)
    ] = None
    read_timeout: Annotated[
        str | None, Field(Form.TIME, "Timeout between two successive reads.", default=CONFIG_MAP)
    ] = None
    send_timeout: Annotated[
        str | None, Field(Form.TIME, "Timeout between two successive writes.", default=CONFIG_MAP)
    ] = None
    next_upstream: Annotated[
        str | None, Field(NEXT_UPSTREAM, "When a request is passed to the next endpoint.", default="error timeout")
    ] = None
    next_upstream_timeout: Annotated[
        str | None,
        Field(Form.TIME, "Time in which a request can be passed to the next endpoint; 0: no limit.", default="0s"),
    ] = None
    next_upstream_tries: Annotated[
        int | None, Field(COUNT, "Maximum number of endpoints that are tried; 0: no limit.", default="0")
    ] = None
    client_max_body_size: Annotated[
        str | None, Field(Form.OFFSET, "Maximum size of the request body; 0: no limit.", default=CONFIG_MAP)
    ] = None
    client_body_buffer_size: Annotated[
        str | None, Field(Form.SIZE, "Size of the buffer for the request body; a larger body is written to a file.")
    ] = None
    buffering: Annotated[bool | None, Field(None, "Whether responses are buffered.", default=CONFIG_MAP)] = None
    buffers: Annotated[
        UpstreamBuffers | None, Field(None, "Number and size of the buffers for a response.", default=CONFIG_MAP)
    ] = None
    buffer_size: Annotated[
        str | None, Field(Form.SIZE, "Size of the buffer for the first part of a response.", default=CONFIG_MAP)
    ] = None
    busy_buffers_size: Annotated[
        str | None,
        Field(
            Form.SIZE,
            "Maximum size of buffers that are sent to the client while the response is not completely read.",
            default=CONFIG_MAP,
        ),
    ] = None
    session_cookie: Annotated[SessionCookie | None, Field(None, "Session affinity by a cookie.")] = msgspec.field(
        default=None, name="sessionCookie"
    )
    backup: Annotated[
        str | None, Field(Form.OWN_SERVICE, "A Service that gets the requests while no endpoint can take them.")
    ] = None
    backup_port: Annotated[int | None, Field(PORT, "Its port.")] = msgspec.field(default=None, name="backupPort")
    health_check: Annotated[HealthCheck | None, Field(None, "Active health checks.")] = msgspec.field(
        default=None, name="healthCheck"
    )
    slow_start: Annotated[
        str | None, Field(Form.TIME, "Time in which an added or recovered endpoint recovers its weight from zero.")
    ] = None
    queue: Annotated[UpstreamQueue | None, Field(None, "Requests are queued while no endpoint is available.")] = None
    ntlm: Annotated[bool, Field(None, "Whether requests authenticated by NTLM keep their connection.")] = False
