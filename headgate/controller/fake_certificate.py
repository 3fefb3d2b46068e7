"""The certificate of the default server that ingress-nginx makes at its start, so that hosts without one answer HTTPS.

Nobody trusts it. Its key is made by each process, and is on disk only where nginx reads it.
"""

from __future__ import annotations

import base64
import datetime as dt
import functools
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from headgate.api import Secret
from headgate.options import Options
from headgate.resolve.contents import SecretKind

COMMON_NAME: Final = "Kubernetes Ingress Controller Fake Certificate"
ORGANIZATION: Final = "Acme Co"
HOST: Final = "ingress.local"
NAME: Final = "ingress-controller-fake-certificate"
DAYS: Final = 3650


def fallback(options: Options) -> Secret | None:
    """Return the certificate for installations of ingress-nginx, the same in all of a process; ``None`` for others."""
    return _made(options.pod_namespace) if options.community else None


@functools.cache
def _made(namespace: str) -> Secret:
    return fake_certificate(namespace)


def fake_certificate(namespace: str) -> Secret:
    """Make a certificate and its key, as a Secret that is in no cluster."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION),
            x509.NameAttribute(NameOID.COMMON_NAME, COMMON_NAME),
        ]
    )
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    data = {"tls.crt": certificate.public_bytes(Encoding.PEM), "tls.key": private}
    return Secret.convert(
        {
            "metadata": {"namespace": namespace, "name": NAME},
            "type": SecretKind.TLS.value,
            "data": {name: base64.b64encode(text).decode() for name, text in data.items()},
        }
    )
