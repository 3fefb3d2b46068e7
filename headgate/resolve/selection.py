"""Endpoints by the labels of their Pods: EndpointSlices name the Pods and do not have their labels."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec import structs

from headgate.api import EndpointSlice, Pod
from headgate.api.discovery import Endpoint
from headgate.problems import ObjectRef


def pods_behind(slices: Collection[EndpointSlice]) -> frozenset[ObjectRef]:
    """Return the Pods that the endpoints of *slices* name."""
    return frozenset(pod for slice_ in slices for each in slice_.endpoints or () if (pod := _pod(slice_, each)))


def selected(
    slices: Collection[EndpointSlice], labels: Mapping[str, str], pods: Mapping[ObjectRef, Pod | None]
) -> Collection[EndpointSlice]:
    """Return *slices* with those endpoints alone whose Pod, one of *pods*, has all *labels*."""

    def fits(slice_: EndpointSlice, endpoint: Endpoint) -> bool:
        ref = _pod(slice_, endpoint)
        pod = pods.get(ref) if ref else None
        own = (pod.metadata.labels if pod else None) or {}
        return labels.items() <= own.items()

    return [
        structs.replace(slice_, endpoints=tuple(each for each in slice_.endpoints or () if fits(slice_, each)))
        for slice_ in slices
    ]


def _pod(slice_: EndpointSlice, endpoint: Endpoint) -> ObjectRef | None:
    target = endpoint.target_ref
    if target is None or target.kind != Pod.KIND.name or not target.name:
        return None
    return Pod.KIND.ref(target.namespace or slice_.metadata.namespace, target.name)
