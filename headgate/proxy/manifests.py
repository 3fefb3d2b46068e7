"""The objects as YAML, to start from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import yaml

from headgate.options import Options
from headgate.proxy.objects import NAMESPACE, TLS_SECRET, Json
from headgate.proxy.routes import LOCALHOST, Route


def manifests(items: Iterable[Json], routes: Sequence[Route], ingress_class: str, *, tls: bool) -> str:
    """Return *items*, made of *routes* for *ingress_class*, perhaps with *tls*, as documents with comments in front."""
    flags = "".join(f" {flag}" for flag in _flags(routes, ingress_class, tls=tls))
    comments = "".join(f"# {line}\n" for line in _comments(routes, flags))
    return comments + yaml.safe_dump_all(items, sort_keys=False, explicit_start=True)


def _comments(routes: Sequence[Route], flags: str) -> Iterator[str]:
    yield f"headgate run --manifests DIR{flags} serves these objects."
    if any(_is_local(route) for route in routes):
        yield "The API server refuses EndpointSlices with loopback addresses. In a cluster, remove them and give each"
        yield "Service a selector, or write an address that the nodes can reach."


def _flags(routes: Sequence[Route], ingress_class: str, *, tls: bool) -> Iterator[str]:
    """Yield the flags that serving the objects needs."""
    if ingress_class != Options().ingress_class:
        yield f"-ingress-class={ingress_class}"
    if any(not route.host for route in routes):
        yield "-allow-empty-ingress-host"
        if tls:
            yield f"-default-server-tls-secret={NAMESPACE}/{TLS_SECRET}"
    if any(route.backend.grpc for route in routes):
        yield "-nginx-configmaps=default/proxy"


def _is_local(route: Route) -> bool:
    host = route.backend.host
    return host in {LOCALHOST, "::1"} or host.startswith("127.")
