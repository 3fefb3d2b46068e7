"""Certificates and keys, held against what OpenSSL and nginx accept at a handshake.

nginx reads a certificate that is chosen by a variable only when a client comes, so ``nginx -t``
cannot find a bad one (nor does it ever see an RSA key beside an elliptic curve certificate): it must
be found here. Checking costs 0.06 ms for an elliptic curve key and 0.1 ms
for RSA of 4096 bits, whose arithmetic is not tested, only whether the key belongs to the certificate.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes, PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from headgate.api import Secret
from headgate.resolve.contents import Content, Validity

CERTIFICATE, KEY = "tls.crt", "tls.key"
AUTHORITY, REVOKED = "ca.crt", "ca.crl"
AUTHORITY_FILE, REVOKED_FILE = "-ca.crt", "-ca.crl"
LEAST_RSA_BITS = 2048
"""What OpenSSL's default security level 2 asks of a key (SSL_CTX_set_security_level(3))."""
CURVES = ("secp256r1", "secp384r1", "secp521r1")
"""The NIST curves that TLS 1.3 has signatures for (RFC 8446 §4.2.3)."""
_PRIVATE = re.compile(rb"-----BEGIN ([A-Z ]*)PRIVATE KEY-----.*?-----END \1PRIVATE KEY-----", re.DOTALL)


class _Unusable(Exception):  # noqa: N818 - a verdict about a Secret, which never leaves this module
    """Why a Secret cannot be used."""


def check_tls(secret: Secret) -> Content:
    """Check a Secret of type kubernetes.io/tls; its file is the chain, a newline and the key, as nginx reads it."""
    try:
        chain, key = (_value(secret, name) for name in (CERTIFICATE, KEY))
        content = chain + b"\n" + key
        certificates = _certificates(CERTIFICATE, chain)
        _match(certificates, _private_key(content))
        for number, certificate in enumerate(certificates, 1):
            _strong(number, certificate)
    except _Unusable as error:
        return Content(error=str(error))
    leaf = certificates[0]
    validity = Validity(leaf.not_valid_before_utc, leaf.not_valid_after_utc)
    return Content(files=(("", content),), warnings=tuple(_disorder(certificates)), validity=validity)


def check_ca(secret: Secret) -> Content:
    """Check a Secret of type nginx.org/ca: certificates that clients are held against, perhaps a revocation list."""
    try:
        authority = _value(secret, AUTHORITY)
        first = _certificates(AUTHORITY, authority)[0]
        revoked = _revoked(secret)
    except _Unusable as error:
        return Content(error=str(error))
    files = [(AUTHORITY_FILE, authority)]
    if revoked is not None:
        files.append((REVOKED_FILE, revoked))
    validity = Validity(first.not_valid_before_utc, first.not_valid_after_utc)
    return Content(files=tuple(files), validity=validity)


def _value(secret: Secret, key: str) -> bytes:
    value = secret.value(key)
    if value is None:
        raise _Unusable(f"has no {key}, or it is not base64")
    return value


def _certificates(name: str, data: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError:
        raise _Unusable(f"has a {name} that is not a chain of certificates in PEM form") from None


def _revoked(secret: Secret) -> bytes | None:
    if not any(REVOKED in (data or {}) for data in (secret.data, secret.string_data)):
        return None
    data = _value(secret, REVOKED)
    try:
        x509.load_pem_x509_crl(data)
    except ValueError:
        raise _Unusable(f"has a {REVOKED} that is not a revocation list in PEM form") from None
    return data


def _private_key(content: bytes) -> PrivateKeyTypes:
    """Load the first private key of the file, for that is the one that nginx takes."""
    block = _PRIVATE.search(content)
    if block is None:
        raise _Unusable(f"has a {KEY} without a private key in PEM form")
    try:
        return load_pem_private_key(block.group(), None, unsafe_skip_rsa_key_validation=True)
    except TypeError:
        raise _Unusable(f"has a {KEY} that is encrypted, and nginx has no password for it") from None
    except (ValueError, UnsupportedAlgorithm):
        raise _Unusable(f"has a {KEY} that cannot be read as a private key") from None


def _match(certificates: Sequence[x509.Certificate], key: PrivateKeyTypes) -> None:
    """Check that the key belongs to the first certificate; it may be further back in a chain in wrong order."""
    wanted = key.public_key()
    owners = [i for i, found in enumerate(certificates, 1) if _public_key(found) == wanted]
    if not owners:
        raise _Unusable(f"has a {KEY} that does not belong to its {CERTIFICATE}")
    if owners[0] != 1:
        raise _Unusable(f"has a {KEY} that belongs to certificate {owners[0]} of {CERTIFICATE}; put that one first")


def _public_key(certificate: x509.Certificate) -> CertificatePublicKeyTypes:
    try:
        return certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise _Unusable(f"has a {CERTIFICATE} with a public key that cannot be read") from None


def _strong(number: int, certificate: x509.Certificate) -> None:
    """Refuse what OpenSSL would refuse to serve with."""
    where = f"certificate {number} of its {CERTIFICATE}"
    if fault := _weak_key(_public_key(certificate)):
        raise _Unusable(f"cannot be used: the key of {where} {fault}")
    try:
        digest = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        raise _Unusable(f"cannot be used: {where} is signed in a way that nobody knows") from None
    # Whoever trusts a certificate that signed itself does so without looking at the signature.
    if isinstance(digest, hashes.MD5 | hashes.SHA1) and certificate.issuer != certificate.subject:
        raise _Unusable(f"cannot be used: {where} is signed with {digest.name}, which clients and OpenSSL refuse")


def _weak_key(key: CertificatePublicKeyTypes) -> str:
    if isinstance(key, rsa.RSAPublicKey):
        return (
            f"has {key.key_size} bits, and OpenSSL asks for {LEAST_RSA_BITS}" if key.key_size < LEAST_RSA_BITS else ""
        )
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "" if key.curve.name in CURVES else f"is on the curve {key.curve.name}; use one of {', '.join(CURVES)}"
    if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        return ""
    return "is of a kind that TLS has no use for; use RSA or an elliptic curve"


def _disorder(certificates: Sequence[x509.Certificate]) -> Iterator[str]:
    """Warn of a chain in which a certificate is not followed by the one that signed it (RFC 8446 §4.4.2)."""
    for number, (below, above) in enumerate(pairwise(certificates), 1):
        if below.issuer != above.subject:
            yield f"has a {CERTIFICATE} in which certificate {number + 1} is not the issuer of certificate {number}"
            return
