"""Which objects ask for the labels or the readiness probes of Pods."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from headgate.api import Ingress
from headgate.api.nginx_org import VirtualServer, VirtualServerRoute

HEALTH_CHECKS: Final = "nginx.com/health-checks"


def ask_for_pods(objects: Iterable[object]) -> bool:
    """Whether one of *objects* needs the Pods behind Services.

    That is an upstream that selects endpoints by the labels of their Pods (``subselector``), or an Ingress whose
    endpoints are checked as their Pods say.
    """
    return any(map(_asks, objects))


def _asks(item: object) -> bool:
    if isinstance(item, VirtualServer | VirtualServerRoute):
        return any(upstream.subselector for upstream in (item.spec and item.spec.upstreams) or ())
    return isinstance(item, Ingress) and HEALTH_CHECKS in (item.metadata.annotations or {})
