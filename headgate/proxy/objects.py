"""Routes become the objects of Kubernetes that Headgate serves: Ingress, Services, EndpointSlices and a Secret."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from headgate.api.discovery import SERVICE_NAME
from headgate.proxy.certificates import Pair
from headgate.proxy.routes import LOCALHOST, Backend, Route

Json = dict[str, Any]

NAMESPACE: Final = "default"
NAME: Final = "proxy"
"""The name of the Ingress and of the ConfigMap."""
TLS_SECRET: Final = "proxy-tls"  # noqa: S105 - a name
"""The name of the Secret with the certificate."""
LOOPBACK: Final = ("127.0.0.1",)
ORG: Final = "nginx.org/"

DEVELOPMENT: Final[Mapping[str, str]] = {
    "client-max-body-size": "0",
    "error-log-level": "error",
    "fail-timeout": "1s",
    "proxy-buffering": "false",
    "proxy-read-timeout": "1h",
    "proxy-send-timeout": "1h",
}
"""Settings for an application that is restarted, debugged and logged to a terminal."""


def settings(*, development: bool) -> Json:
    """Return the ConfigMap: gRPC needs HTTP/2."""
    return _object("v1", "ConfigMap", NAME, data={"http2": "true", **(DEVELOPMENT if development else {})})


def objects(
    routes: Sequence[Route], class_name: str, local: Mapping[int, Sequence[str]], pair: Pair | None
) -> Iterator[Json]:
    """Yield the objects.

    Args:
        routes: what is served.
        class_name: the ingress class.
        local: port → the addresses of localhost that have a backend there; others have ``LOOPBACK``.
        pair: the certificate for all hosts, for TLS.
    """
    services = {backend: f"backend-{number}" for number, backend in enumerate(_backends(routes), 1)}
    yield _ingress(routes, class_name, services, tls=pair is not None)
    for backend, name in services.items():
        addresses = local.get(backend.port, LOOPBACK) if backend.host == LOCALHOST else (backend.host,)
        yield from _service(backend, name, addresses)
    if pair:
        data = {"tls.crt": _base64(pair.certificate), "tls.key": _base64(pair.key), "ca.crt": _base64(pair.authority)}
        yield _object("v1", "Secret", TLS_SECRET, type="kubernetes.io/tls", data=data)


def _backends(routes: Sequence[Route]) -> tuple[Backend, ...]:
    return tuple(dict.fromkeys(route.backend for route in routes))


def _ingress(routes: Sequence[Route], class_name: str, services: Mapping[Backend, str], *, tls: bool) -> Json:
    paths: dict[str, list[Json]] = {}
    for route in routes:
        service = {"name": services[route.backend], "port": {"number": route.backend.port}}
        path = {"path": route.path, "pathType": "Prefix", "backend": {"service": service}}
        paths.setdefault(route.host, []).append(path)
    rules = [{**({"host": host} if host else {}), "http": {"paths": found}} for host, found in paths.items()]
    hosts = [host for host in paths if host]
    secure = {"tls": [{"hosts": hosts, "secretName": TLS_SECRET}]} if tls and hosts else {}
    spec = {"ingressClassName": class_name, **secure, "rules": rules}
    ingress = _object("networking.k8s.io/v1", "Ingress", NAME, spec=spec)
    ingress["metadata"]["annotations"] = dict(_annotations(services))
    return ingress


def _annotations(services: Mapping[Backend, str]) -> Iterator[tuple[str, str]]:
    """Yield what the schemes of the backends ask for; any HTTP backend may accept WebSockets."""
    wanted = {
        "websocket-services": [name for backend, name in services.items() if not backend.grpc],
        "ssl-services": [name for backend, name in services.items() if backend.tls],
        "grpc-services": [name for backend, name in services.items() if backend.grpc],
    }
    yield from ((f"{ORG}{key}", ",".join(names)) for key, names in wanted.items() if names)


def _service(backend: Backend, name: str, addresses: Sequence[str]) -> Iterator[Json]:
    """Yield the Service and an EndpointSlice for each address, or a Service that is a name elsewhere."""
    port = {"port": backend.port}
    if backend.named:
        external = {"type": "ExternalName", "externalName": backend.host, "ports": [port]}
        yield _object("v1", "Service", name, spec=external)
        return
    yield _object("v1", "Service", name, spec={"ports": [port]})
    for number, address in enumerate(addresses, 1):
        family = f"IPv{ipaddress.ip_address(address).version}"
        rest: Json = {"addressType": family, "endpoints": [{"addresses": [address]}], "ports": [port]}
        slice_ = _object("discovery.k8s.io/v1", "EndpointSlice", f"{name}-{number}", **rest)
        slice_["metadata"]["labels"] = {SERVICE_NAME: name}
        yield slice_


def _object(version: str, kind: str, name: str, **rest: Any) -> Json:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, **rest}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
