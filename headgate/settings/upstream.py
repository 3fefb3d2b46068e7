"""Backends: balancing, connections and protocols."""

from __future__ import annotations

import re
from typing import Annotated

from headgate.settings.parsers import VARIABLE, Unfit, accepts, dns_name, listed, number
from headgate.settings.registry import Scope, Settings, Where, knob
from headgate.settings.values import Seconds, Size, Words, zone_size

METHODS = ("round_robin", "least_conn", "ip_hash", "random", "random two", "random two least_conn")
_HASH = re.compile(rf"hash (?:[A-Za-z0-9_.:\-]|{VARIABLE})+( consistent)?")


@accepts(f"{', '.join(METHODS)} or hash KEY [consistent]")
def lb_method(text: str) -> Words | None:
    """Parse a balancing method; ``None`` is round robin, for which nginx has no directive."""
    method = " ".join(text.split())
    if method == "round_robin":
        return None
    if "least_time" in method:
        raise Unfit("not possible on open-source NGINX ('least_time' belongs to NGINX Plus); use least_conn")
    if method in METHODS or ("$" in method and _HASH.fullmatch(method)):
        return Words(method.split())
    raise Unfit(f"not a method; use {', '.join(METHODS)} or hash KEY [consistent] with a variable in KEY")


@accepts(f"{zone_size.words}, or 0")
def optional_zone(text: str) -> Size:
    """Parse the size of an upstream's zone; 0 means that there is none."""
    size = Size.parse(text)
    return zone_size(text) if size.bytes else size


_services = listed(dns_name, "Services")


class UpstreamSettings(Settings):
    """How the servers of an upstream are used."""

    lb_method: Annotated[Words | None, knob("lb-method", "Balancing method.", parse=lb_method)] = Words(
        ("random", "two", "least_conn")
    )
    keepalive: Annotated[
        int,
        knob("keepalive", "Idle connections to backends that each worker keeps; 0 for none.", parse=number(0, 65_535)),
    ] = 0
    max_fails: Annotated[int, knob("max-fails", "Failures within fail-timeout that take a backend out.")] = 1
    fail_timeout: Annotated[Seconds, knob("fail-timeout", "How long a failed backend is left alone.")] = Seconds("10s")
    max_conns: Annotated[
        int, knob("max-conns", "Most connections to one backend; 0 for no limit.", where=Where.ANNOTATION)
    ] = 0
    upstream_zone_size: Annotated[
        Size,
        knob(
            "upstream-zone-size",
            "Memory in which workers share the state of an upstream; 0 for none.",
            parse=optional_zone,
        ),
    ] = Size("256k")


class ServiceSettings(Settings):
    """What Services of an Ingress speak."""

    ssl_services: Annotated[
        tuple[str, ...],
        knob("ssl-services", "Services that speak HTTPS.", Scope.LOCATION, Where.ANNOTATION, parse=_services),
    ] = ()
    grpc_services: Annotated[
        tuple[str, ...],
        knob(
            "grpc-services", "Services that speak gRPC; needs http2.", Scope.LOCATION, Where.ANNOTATION, parse=_services
        ),
    ] = ()
    websocket_services: Annotated[
        tuple[str, ...],
        knob(
            "websocket-services", "Services that accept WebSockets.", Scope.LOCATION, Where.ANNOTATION, parse=_services
        ),
    ] = ()
    use_cluster_ip: Annotated[
        bool,
        knob(
            "use-cluster-ip",
            "Send to the Service's cluster IP, not to its endpoints.",
            Scope.LOCATION,
            Where.ANNOTATION,
        ),
    ] = False
