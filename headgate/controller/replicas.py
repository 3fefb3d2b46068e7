"""How many controllers share the traffic, so that each lets through its share (``nginx.org/limit-req-scale``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from headgate.api import Pod

REVISIONS = frozenset(
    {
        "pod-template-hash",
        "controller-revision-hash",
        "pod-template-generation",
        "statefulset.kubernetes.io/pod-name",
        "apps.kubernetes.io/pod-index",
    }
)
"""Labels by which Pods of one workload differ; old and new ones of a rollout serve side by side."""


def selector(labels: Mapping[str, str]) -> str:
    """Return the label selector of all replicas, given the *labels* of one; ``""`` if they do not tell."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()) if key not in REVISIONS)


def count_ready(pods: Iterable[Pod]) -> int:
    """Count the *pods* that take traffic, at least 1: whoever asks is about to be one of them."""
    return max(1, sum(1 for pod in pods if _ready(pod)))


def _ready(pod: Pod) -> bool:
    conditions = (pod.status and pod.status.conditions) or ()
    return any(condition.type == "Ready" and condition.status == "True" for condition in conditions)
