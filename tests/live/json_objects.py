"""Kubernetes objects for live tests, as plain JSON, and a folder to put them in."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.k8s.certificates import Authority

Json = dict[str, Any]
CLASS = "nginx"
ORG = "nginx.org/"


def ingress_class(name: str = CLASS, controller: str = "nginx.org/ingress-controller") -> Json:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": {"name": name},
        "spec": {"controller": controller},
    }


def path(service: str, path: str = "/", kind: str = "Prefix") -> Json:
    backend = {"service": {"name": service, "port": {"number": 80}}}
    return {"path": path, "pathType": kind, "backend": backend}


def ingress(  # noqa: PLR0913 - every part that a test may want to choose
    name: str,
    rules: Mapping[str, Iterable[Json]] | str,
    *,
    namespace: str = "default",
    tls: Mapping[str, Iterable[str]] | None = None,
    default: str = "",
    class_name: str = CLASS,
    created: str = "",
    **annotations: str,
) -> Json:
    """Make an Ingress.

    Args:
        rules: host → paths; a text is a host with ``/`` to the Service ``tea``; ``""`` is no host.
        tls: Secret → hosts.
        default: the Service of its defaultBackend.
        created: its creationTimestamp.
        annotations: of ``nginx.org/``, with ``_`` for ``-``.
    """
    metadata: Json = {"name": name, "namespace": namespace}
    if created:
        metadata["creationTimestamp"] = created
    if annotations:
        metadata["annotations"] = {ORG + key.replace("_", "-"): value for key, value in annotations.items()}
    hosts = {rules: (path("tea"),)} if isinstance(rules, str) else rules
    spec: Json = {
        "ingressClassName": class_name,
        "rules": [
            {**({"host": host} if host else {}), "http": {"paths": list(paths)}} for host, paths in hosts.items()
        ],
    }
    if tls:
        spec["tls"] = [{"hosts": list(names), "secretName": secret} for secret, names in tls.items()]
    if default:
        spec["defaultBackend"] = path(default)["backend"]
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}


def answering(name: str, host: str, text: str, **more: Any) -> Json:
    """An Ingress that answers *text* by a snippet, so that it needs no backend (with ``-enable-snippets``)."""
    return ingress(name, host, location_snippets=f'return 200 "{text}";', **more)


def service(name: str, namespace: str = "default", **spec: Any) -> Json:
    metadata = {"name": name, "namespace": namespace}
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports, **spec}}


def endpoints(name: str, *addresses: str, port: int = 8080, namespace: str = "default") -> Json:
    """The EndpointSlice of a Service."""
    labels = {"kubernetes.io/service-name": name}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{name}-1", "namespace": namespace, "labels": labels},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}} for address in addresses],
    }


def config_map(namespace: str = "ours", name: str = "config", **data: str) -> Json:
    """A ConfigMap; ``_`` stands for ``-`` in its keys."""
    metadata = {"name": name, "namespace": namespace}
    fields = {key.replace("_", "-"): value for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": fields}


def secret(name: str, namespace: str = "default", kind: str = "Opaque", **data: bytes) -> Json:
    """A Secret; ``_`` stands for ``.`` in its keys."""
    fields = {key.replace("_", "."): base64.b64encode(value).decode() for key, value in data.items()}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": metadata, "data": fields}


def tls_secret(name: str, *hosts: str, namespace: str = "default") -> Json:
    """A Secret with a certificate that nobody saw before."""
    certificate, key = Authority().issue(*hosts)
    return secret(name, namespace, "kubernetes.io/tls", tls_crt=certificate, tls_key=key)


class ManifestFolder:
    """The folder that ``--manifests`` names."""

    def __init__(self, path: Path) -> None:
        path.mkdir(exist_ok=True)
        self.path = path

    def put(self, *items: Json) -> None:
        """Create or replace objects, each in a file of its own."""
        for item in items:
            fresh = self.path / ".fresh"
            fresh.write_text(json.dumps(item))
            fresh.rename(self._file(item))

    def delete(self, *items: Json) -> None:
        for item in items:
            self._file(item).unlink()

    def _file(self, item: Json) -> Path:
        metadata = item["metadata"]
        return self.path / f"{item['kind'].lower()}-{metadata.get('namespace', '')}-{metadata['name']}.json"


def cafe(directory: Path, tea: int) -> ManifestFolder:
    """A folder with the class and the Service ``tea``, whose backend listens on port *tea*."""
    manifests = ManifestFolder(directory / "manifests")
    manifests.put(ingress_class(), service("tea"), endpoints("tea", "127.0.0.1", port=tea))
    return manifests
