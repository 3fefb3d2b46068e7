"""Certificates that are really signed, Secrets that hold them, and Services with their slices."""

from __future__ import annotations

import base64
import ssl
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from headgate.api import EndpointSlice, Secret, Service

NOW = datetime(2030, 6, 1, 12, tzinfo=UTC)


def named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


class Issuer:
    """A certificate authority with a key of its own."""

    def __init__(self, name: str = "Root", key: Any = None) -> None:
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        self.name = named(name)
        self.pem = self.issue(self.key.public_key(), name)

    def issue(
        self,
        public_key: Any,
        name: str = "cafe.example.com",
        *,
        start: datetime = NOW - timedelta(days=1),
        end: datetime = NOW + timedelta(days=90),
    ) -> bytes:
        """Sign a certificate for *public_key*; PEM."""
        builder = x509.CertificateBuilder().subject_name(named(name)).issuer_name(self.name)
        builder = builder.public_key(public_key).serial_number(x509.random_serial_number())
        signed = builder.not_valid_before(start).not_valid_after(end).sign(self.key, hashes.SHA256())
        return signed.public_bytes(Encoding.PEM)

    def revocations(self) -> bytes:
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.name)
        builder = builder.last_update(NOW).next_update(NOW + timedelta(days=1))
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)


def with_sha1(pem: bytes) -> bytes:
    """Make a certificate that RSA and SHA-256 signed say SHA-1; the identifiers differ in their last byte."""
    prefix = bytes.fromhex("06092a864886f70d0101")
    der = ssl.PEM_cert_to_DER_cert(pem.decode()).replace(prefix + b"\x0b", prefix + b"\x05")
    return ssl.DER_cert_to_PEM_cert(der).encode()


def key_pem(key: Any, encryption: Any = None, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    return key.private_bytes(Encoding.PEM, form, encryption or NoEncryption())


def secret(kind: str, *, name: str = "cafe", namespace: str = "default", **values: bytes | None) -> Secret:
    """Build a Secret; ``tls_crt=…`` is the key ``tls.crt``."""
    data = {
        key.replace("_", "."): base64.b64encode(value).decode() for key, value in values.items() if value is not None
    }
    return msgspec.convert({"metadata": {"name": name, "namespace": namespace}, "type": kind, "data": data}, Secret)


def tls_secret(issuer: Issuer, key: Any, *, name: str = "cafe", namespace: str = "default", **dates: Any) -> Secret:
    certificate = issuer.issue(key.public_key(), **dates)
    return secret("kubernetes.io/tls", name=name, namespace=namespace, tls_crt=certificate, tls_key=key_pem(key))


def service(name: str = "tea", **spec: Any) -> Service:
    """Build a Service with a cluster IP and the port 80 named http, unless *spec* says otherwise."""
    usual = {"clusterIP": "10.96.0.9", "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}
    return msgspec.convert({"metadata": {"name": name, "namespace": "default"}, "spec": usual | spec}, Service)


def slice_(name: str, *addresses: str | dict[str, Any], **fields: Any) -> EndpointSlice:
    """Build a slice of the Service tea with the port 8080 named http; an address may be a whole endpoint."""
    endpoints = [{"addresses": [item]} if isinstance(item, str) else item for item in addresses]
    labels = {"kubernetes.io/service-name": fields.pop("service", "tea")}
    usual = {"addressType": "IPv4", "ports": [{"name": "http", "port": 8080}], "endpoints": endpoints}
    metadata = {"name": name, "namespace": "default", "labels": labels}
    return msgspec.convert({"metadata": metadata, **usual, **fields}, EndpointSlice)
