"""The objects as YAML, to start from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import yaml

from headgate.proxy.objects import Json
from headgate.proxy.routes import LOCALHOST, Route


def manifests(items: Iterable[Json], routes: Sequence[Route]) -> str:
    """Return *items*, made of *routes*, as documents with comments in front."""
    comments = "".join(f"# {line}\n" for line in _comments(routes))
    return comments + yaml.safe_dump_all(items, sort_keys=False, explicit_start=True)


def _comments(routes: Sequence[Route]) -> Iterator[str]:
    flags = "".join(f" {flag}" for flag in _flags(routes))
    yield f"headgate run --manifests DIR{flags} serves these objects."
    if any(_is_local(route) for route in routes):
        yield "The API server refuses EndpointSlices with loopback addresses. In a cluster, remove them and give each"
        yield "Service a selector, or write an address that the nodes can reach."


def _flags(routes: Sequence[Route]) -> Iterator[str]:
    if any(not route.host for route in routes):
        yield "-allow-empty-ingress-host"
    if any(route.backend.grpc for route in routes):
        yield "-nginx-configmaps=default/proxy"


def _is_local(route: Route) -> bool:
    host = route.backend.host
    return host in {LOCALHOST, "::1"} or host.startswith("127.")
