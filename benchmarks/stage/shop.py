"""The objects of a cluster: shops, each an Ingress with TLS and two paths, a Secret, a Service, an EndpointSlice."""

from __future__ import annotations

import base64
import datetime as dt
import functools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

Json = dict[str, Any]

TEAMS = 40
"""Namespaces over which the shops are spread."""
GOODS = ("bread", "coffee", "garden-tools", "ink", "musical-instruments", "oil", "stationery", "tea", "wine-and-cheese")
"""Names of different lengths, as in real clusters: nginx compares names of equal length letter by letter."""
CONFIG_MAP = "headgate/nginx-config"
NOT_BEFORE = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def host(number: int) -> str:
    """Return the host of a shop."""
    return f"{_name(number)}.example.com"


def shop(number: int, address: str, port: int = 8080) -> list[Json]:
    """Return the four objects of a shop whose only endpoint is *address*; the Ingress comes last."""
    return [secret(number), service(number), endpoints(number, [address], port), ingress(number)]


def shops(count: int, address: str, port: int = 8080) -> Iterator[Json]:
    """Yield the IngressClass and the objects of *count* shops."""
    spec = {"controller": "nginx.org/ingress-controller"}
    yield {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "nginx"}, "spec": spec}
    for number in range(count):
        yield from shop(number, address, port)


def config_map(settings: dict[str, str]) -> Json:
    """Return the ConfigMap with *settings* that ``CONFIG_MAP`` names."""
    namespace, name = CONFIG_MAP.split("/")
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": settings,
    }


def ingress(number: int) -> Json:
    """Return the Ingress of a shop: its host with TLS, two paths."""
    backend = {"service": {"name": _name(number), "port": {"number": 80}}}
    paths = [{"path": path, "pathType": "Prefix", "backend": backend} for path in ("/", "/api")]
    spec = {
        "ingressClassName": "nginx",
        "tls": [{"hosts": [host(number)], "secretName": _name(number)}],
        "rules": [{"host": host(number), "http": {"paths": paths}}],
    }
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": _metadata(number), "spec": spec}


def service(number: int) -> Json:
    """Return the Service of a shop."""
    spec = {"selector": {"app": _name(number)}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": _metadata(number), "spec": spec}


def endpoints(number: int, addresses: Iterable[str], port: int = 8080) -> Json:
    """Return the EndpointSlice of a shop."""
    labels = {"kubernetes.io/service-name": _name(number)}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**_metadata(number), "labels": labels},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}} for address in addresses],
    }


def secret(number: int, edition: int = 1) -> Json:
    """Return the Secret of a shop; every *edition* has its own key."""
    chain, key = certificate(host(number), edition)
    data = {"tls.crt": base64.b64encode(chain).decode(), "tls.key": base64.b64encode(key).decode()}
    head = {"apiVersion": "v1", "kind": "Secret", "metadata": _metadata(number)}
    return {**head, "type": "kubernetes.io/tls", "data": data}


@functools.cache
def certificate(name: str, edition: int = 1) -> tuple[bytes, bytes]:
    """Return a self-signed certificate and its key, both PEM; the serial number is *edition*."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    found = (
        x509.CertificateBuilder(
            subject, subject, key.public_key(), edition, NOT_BEFORE, NOT_BEFORE + dt.timedelta(days=3650)
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return found.public_bytes(Encoding.PEM), private


def write(folder: Path, objects: Iterable[Json], per_file: int = 400) -> None:
    """Write *objects* as YAML files of *per_file* documents each."""
    folder.mkdir(parents=True, exist_ok=True)
    documents = [yaml.dump(item, Dumper=DUMPER) for item in objects]
    for start in range(0, len(documents), per_file):
        (folder / f"{start:06}.yaml").write_text("---\n".join(documents[start : start + per_file]))


def _name(number: int) -> str:
    return f"{GOODS[number % len(GOODS)]}-{number}"


def _metadata(number: int) -> Json:
    return {"name": _name(number), "namespace": f"team-{number % TEAMS}"}
