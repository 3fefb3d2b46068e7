"""Backends: balancing, connections and protocols."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec

from headgate.settings.dialect import Scope
from headgate.settings.parsers import VARIABLE, Unfit, accepts, listed, number, service_name
from headgate.settings.registry import Settings, Where, setting
from headgate.settings.values import Duration, Seconds, Size, Words, zone_size

METHODS = (
    "round_robin", "least_conn", "ip_hash", "random", "random two", "random two least_conn", "least_time header",
    "least_time last_byte", "least_time header inflight", "least_time last_byte inflight",
    "random two least_time=header", "random two least_time=last_byte", "ewma",
)  # fmt: skip
_SPELLED = (
    "round_robin, least_conn, ip_hash, random, random two, random two least_conn, least_time header|last_byte "
    "[inflight], random two least_time=header|last_byte, ewma"
)
_HASH = re.compile(rf"hash (?:[A-Za-z0-9_.:\-]|{VARIABLE})+( consistent)?")


@accepts(f"{_SPELLED} or hash KEY [consistent]")
def lb_method(text: str) -> Words | None:
    """Parse a balancing method; ``None`` is round robin, for which nginx has no directive."""
    method = " ".join(text.split())
    if method == "round_robin":
        return None
    if method in METHODS or ("$" in method and _HASH.fullmatch(method)):
        return Words(method.split())
    raise Unfit(f"not a method; use {_SPELLED} or hash KEY [consistent] with a variable in KEY")


@accepts(f"{zone_size.words}, or 0")
def optional_zone(text: str) -> Size:
    """Parse the size of an upstream's zone; 0 means that there is none."""
    size = Size.parse(text)
    return zone_size(text) if size.bytes else size


_services = listed(service_name, "Services")


class Sticky(msgspec.Struct, frozen=True):
    """Clients of *service* keep their backend; ``cookie`` are the arguments of ``sticky``."""

    service: str
    cookie: Words

    def __str__(self) -> str:
        return f"serviceName={self.service} {' '.join(self.cookie[1:])}"


_COOKIE_NAME = r"[A-Za-z0-9!%&*+.^_|~\-]{1,128}"
_COOKIE_PARTS = (
    r"expires=(?:max|[0-9]{1,9}[smhdw]?)",
    r"domain=\.?[A-Za-z0-9](?:[A-Za-z0-9.\-]{0,252})",
    r"path=/[A-Za-z0-9/_.~%\-]*",
    r"samesite=(?i:strict|lax|none)",
    "httponly",
    "secure",
)


@accepts("`serviceName=NAME COOKIE [expires=TIME] [domain=…] [path=/…] [samesite=…] [httponly] [secure]`")
def sticky(text: str) -> Sticky:
    """Parse ``serviceName=coffee-svc srv_id expires=1h path=/`` (ngx_http_upstream_sticky_module)."""
    service, *cookie = text.split() or [""]
    if not service.startswith("serviceName=") or not cookie or not re.fullmatch(_COOKIE_NAME, cookie[0]):
        raise Unfit(
            "not serviceName=NAME and the name of a cookie, for example serviceName=coffee-svc srv_id expires=1h"
        )
    kinds = [next((form for form in _COOKIE_PARTS if re.fullmatch(form, part)), "") for part in cookie[1:]]
    if "" in kinds or len(set(kinds)) != len(kinds):
        raise Unfit(
            f"a cookie with {cookie[1 + kinds.index('')][:60]!r}" if "" in kinds else "a cookie with a part twice"
        )
    return Sticky(service_name(service.removeprefix("serviceName=")), Words(("cookie", *cookie)))


class UpstreamSettings(Settings):
    """How the servers of an upstream are used."""

    lb_method: Annotated[
        Words | None,
        setting(
            "lb-method",
            "Balancing method.",
            parse=lb_method,
            directive="least_conn, ip_hash, hash, random",
            context="upstream",
            example="least_conn",
            narrow=True,
            differs="The key of a hash must contain a variable; otherwise every request would go to the same backend. "
            "Methods with least_time work with open-source nginx and the live data plane; elsewhere least_conn is used "
            "in their place, with a warning. ewma, of Headgate alone, is random two least_time=header where a longer "
            "time than before counts at once.",
        ),
    ] = Words(("random", "two", "least_conn"))
    upstream_keepalive_requests: Annotated[
        int | None,
        setting(
            "upstream-keepalive-requests",
            "Requests on one connection to a backend.",
            Scope.LOCATION,
            Where.NOWHERE,
            directive="keepalive_requests",
            context="upstream",
        ),
    ] = None
    upstream_keepalive_time: Annotated[
        Duration | None,
        setting(
            "upstream-keepalive-time",
            "Longest time for which a connection to a backend is used.",
            Scope.LOCATION,
            Where.NOWHERE,
            directive="keepalive_time",
            context="upstream",
        ),
    ] = None
    upstream_keepalive_timeout: Annotated[
        Duration | None,
        setting(
            "upstream-keepalive-timeout",
            "Longest time without a request on a connection to a backend.",
            Scope.LOCATION,
            Where.NOWHERE,
            directive="keepalive_timeout",
            context="upstream",
        ),
    ] = None
    keepalive: Annotated[
        int | None,
        setting(
            "keepalive",
            "Idle connections to backends that each worker keeps; 0 for none.",
            parse=number(0, 65_535),
            context="upstream",
            unit="connections",
            example="32",
            differs="In a mergeable set the value of a minion applies to its backends, not that of the master "
            "as in the incumbent. The default is nginx's: 32 for each location from 1.29.7, none before; 0 disables "
            "it in every version.",
        ),
    ] = None
    max_fails: Annotated[
        int,
        setting(
            "max-fails",
            "Failures within fail-timeout that take a backend out.",
            directive="server",
            context="upstream",
            unit="failures",
            example="3",
        ),
    ] = 1
    fail_timeout: Annotated[
        Seconds,
        setting("fail-timeout", "How long a failed backend is left alone.", directive="server", context="upstream"),
    ] = Seconds("10s")
    max_conns: Annotated[
        int,
        setting(
            "max-conns",
            "Most connections to one backend; 0 for no limit.",
            where=Where.ANNOTATION,
            directive="server",
            context="upstream",
            unit="connections",
            example="100",
        ),
    ] = 0
    slow_start: Annotated[
        Duration | None,
        setting(
            "slow-start",
            "How long a backend that was added or recovered takes to recover its weight from zero.",
            Scope.OWN,
            Where.ANNOTATION,
            annotation="nginx.com/slow-start",
            directive="",
            context="",
            example="30s",
            differs="Works with open-source nginx and the live data plane, for the methods round_robin, least_conn and "
            "least_time; otherwise it is ignored with a warning.",
        ),
    ] = None
    upstream_zone_size: Annotated[
        Size | None,
        setting(
            "upstream-zone-size",
            "Memory in which workers share the state of an upstream; 0 for none.",
            parse=optional_zone,
            directive="zone",
            context="upstream",
            unit="bytes",
            example="512k",
            narrow=True,
            differs="The default is 256k if an upstream has several servers, one that is resolved at run time, or "
            "max-conns; otherwise no zone, because there is nothing to share.",
        ),
    ] = None
    health_checks: Annotated[
        bool,
        setting(
            "health-checks",
            "Check endpoints by the HTTP readiness probe of their Pods.",
            Scope.LOCATION,
            Where.ANNOTATION,
            annotation="nginx.com/health-checks",
            directive="",
            context="",
            differs="Works with open-source nginx and the live data plane.",
        ),
    ] = False
    health_checks_mandatory: Annotated[
        bool,
        setting(
            "health-checks-mandatory",
            "Send requests to a new endpoint only when it has passed its first check.",
            Scope.LOCATION,
            Where.ANNOTATION,
            annotation="nginx.com/health-checks-mandatory",
            directive="",
            context="",
            differs="Works with open-source nginx and the live data plane.",
        ),
    ] = False
    health_checks_mandatory_queue: Annotated[
        int,
        setting(
            "health-checks-mandatory-queue",
            "Requests that wait while no endpoint has passed its check, each for the timeout of the readiness probe; 0 "
            "for none.",
            Scope.LOCATION,
            Where.ANNOTATION,
            annotation="nginx.com/health-checks-mandatory-queue",
            directive="",
            context="",
            unit="requests",
            example="100",
            differs="Works with open-source nginx and the live data plane.",
        ),
    ] = 0


class ServiceSettings(Settings):
    """What Services of an Ingress speak."""

    ssl_services: Annotated[
        tuple[str, ...],
        setting(
            "ssl-services",
            "Services that use HTTPS.",
            Scope.LOCATION,
            Where.ANNOTATION,
            parse=_services,
            directive="proxy_pass, grpc_pass",
            example="coffee-svc",
        ),
    ] = ()
    grpc_services: Annotated[
        tuple[str, ...],
        setting(
            "grpc-services",
            "Services that use gRPC; needs http2, and TLS for the host unless nginx is 1.25.1 or newer.",
            Scope.LOCATION,
            Where.ANNOTATION,
            parse=_services,
            directive="grpc_pass",
            example="greeter-svc",
            differs="A host without TLS is served too, over HTTP/2 with prior knowledge; with an nginx before 1.25.1 a "
            "warning is reported.",
        ),
    ] = ()
    websocket_services: Annotated[
        tuple[str, ...],
        setting(
            "websocket-services",
            "Services that accept WebSockets.",
            Scope.LOCATION,
            Where.ANNOTATION,
            parse=_services,
            directive="proxy_set_header",
            example="chat-svc",
        ),
    ] = ()
    sticky_cookie_services: Annotated[
        tuple[Sticky, ...],
        setting(
            "sticky-cookie-services",
            "Services with session affinity by a cookie.",
            Scope.LOCATION,
            Where.ANNOTATION,
            parse=listed(sticky, sticky.words, ";"),
            directive="sticky",
            context="upstream",
            example="serviceName=coffee-svc srv_id expires=1h path=/",
            differs="Needs nginx 1.29.6 or the live data plane, otherwise it is ignored with a warning. A Service that "
            "the Ingress does not use is refused; the incumbent accepts it.",
        ),
        setting(
            "sticky-cookie-services",
            "Spelling of NGINX Plus, used where nginx.org/sticky-cookie-services is absent.",
            Scope.LOCATION,
            Where.ANNOTATION,
            annotation="nginx.com/sticky-cookie-services",
            parse=listed(sticky, sticky.words, ";"),
            yields_to="nginx.org/sticky-cookie-services",
            directive="sticky",
            context="upstream",
            example="serviceName=coffee-svc srv_id expires=1h path=/",
            differs="Works with open-source nginx 1.29.6 or later, or the live data plane.",
        ),
    ] = ()
    use_cluster_ip: Annotated[
        bool,
        setting(
            "use-cluster-ip",
            "Send to the Service's cluster IP, not to its endpoints.",
            Scope.LOCATION,
            Where.ANNOTATION,
            directive="server",
            context="upstream",
        ),
    ] = False
