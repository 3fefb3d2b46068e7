"""Kubernetes objects as they are applied; names and namespaces are the caller's."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from headgate.configuration.classes import CONTROLLER

Object = dict[str, Any]

BACKEND_PORT = 80
ADDRESS = "203.0.113.7"
"""What ``external-status-address`` puts into statuses."""
BALANCER = "203.0.113.7"
"""The address of a Service whose load balancer is written by hand."""


def ingress_class(name: str, controller: str = CONTROLLER) -> Object:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": {"name": name},
        "spec": {"controller": controller},
    }


def ingress(  # noqa: PLR0913 - what an Ingress of these tests can say
    namespace: str,
    name: str,
    class_name: str,
    *,
    host: str,
    service: str = "echo",
    path: str = "/",
    tls: str = "",
    annotations: Mapping[str, str] | None = None,
) -> Object:
    backend = {"service": {"name": service, "port": {"number": BACKEND_PORT}}}
    paths = [{"path": path, "pathType": "Prefix", "backend": backend}]
    spec: Object = {"ingressClassName": class_name, "rules": [{"host": host, "http": {"paths": paths}}]}
    if tls:
        spec["tls"] = [{"hosts": [host], "secretName": tls}]
    meta = {"namespace": namespace, "name": name, "annotations": dict(annotations or {})}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta, "spec": spec}


def service(namespace: str, name: str, **spec: Any) -> Object:
    """A Service without selector, so that only hand-written EndpointSlices stand behind it."""
    ports = [{"name": "http", "port": BACKEND_PORT, "targetPort": 8080}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"ports": ports, **spec},
    }


def endpoint_slice(namespace: str, service_name: str, address: str, port: int) -> Object:
    labels = {"kubernetes.io/service-name": service_name}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"namespace": namespace, "name": f"{service_name}-by-hand", "labels": labels},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
    }


def tls_secret(namespace: str, name: str, certificate: bytes, key: bytes) -> Object:
    data = {"tls.crt": base64.b64encode(certificate).decode(), "tls.key": base64.b64encode(key).decode()}
    meta = {"namespace": namespace, "name": name}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "kubernetes.io/tls", "data": data}


def config_map(namespace: str, name: str, data: Mapping[str, str]) -> Object:
    meta = {"namespace": namespace, "name": name}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": dict(data)}
