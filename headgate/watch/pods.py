"""Which objects ask for the labels of Pods."""

from __future__ import annotations

from collections.abc import Iterable

from headgate.api.nginx_org import VirtualServer, VirtualServerRoute


def ask_for_pods(objects: Iterable[object]) -> bool:
    """Whether an upstream of *objects* selects endpoints by the labels of their Pods (``subselector``)."""
    return any(
        upstream.subselector
        for item in objects
        if isinstance(item, VirtualServer | VirtualServerRoute) and item.spec
        for upstream in item.spec.upstreams or ()
    )
