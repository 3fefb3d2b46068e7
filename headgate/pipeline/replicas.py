"""How many controllers share the traffic, so that each lets through its share (the setting ``limit-req-scale``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from headgate.api import Pod
from headgate.routes import RouteTable


def count_ready(pods: Iterable[Pod], namespace: str, labels: Mapping[str, str] | None) -> int:
    """Count the *pods* of *namespace* with *labels* that take traffic, at least 1: this controller is about to be one.

    Other Pods are known because they are behind Services. Without *labels* nobody knows which are replicas.
    """
    if labels is None:
        return 1
    replicas = (pod for pod in pods if pod.metadata.namespace == namespace and _has(pod, labels))
    return max(1, sum(1 for pod in replicas if _ready(pod)))


def _has(pod: Pod, labels: Mapping[str, str]) -> bool:
    return labels.items() <= (pod.metadata.labels or {}).items()


def shares_limits(table: RouteTable) -> bool:
    """Whether a rate limit of *table* is divided by the number of replicas."""
    settings = (*(host.settings for host in table.hosts), *(r.settings for host in table.hosts for r in host.routes))
    policies = (
        *(host.policies for host in table.hosts),
        *(route.policies for host in table.hosts for route in host.routes),
    )
    if any(limit.scale for each in policies for limit in each.limits):
        return True
    layers = {layer for place in settings for layer in place}
    return any(layer.overrides.values.limits.limit_req_scale for layer in layers)


def _ready(pod: Pod) -> bool:
    conditions = (pod.status and pod.status.conditions) or ()
    return any(condition.type == "Ready" and condition.status == "True" for condition in conditions)
