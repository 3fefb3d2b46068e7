"""Which Pods are replicas of this controller."""

from __future__ import annotations

from collections.abc import Mapping

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


def labels_of(text: str) -> Mapping[str, str]:
    """Return the labels that the selector *text*, made by ``selector``, asks for."""
    return dict(term.split("=", 1) for term in text.split(","))
