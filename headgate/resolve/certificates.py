"""Certificates and keys, checked against what OpenSSL and nginx accept at a handshake, and written in canonical form.

nginx reads a certificate that is chosen by a variable only when a client comes, so ``nginx -t``
cannot find a bad one (nor does it ever see an RSA key beside an elliptic curve certificate): it must
be found here. What is accepted is written in canonical form, so that OpenSSL reads the same.
Checking costs 0.1 ms for an elliptic curve key and 0.2 ms for RSA of 4096 bits, whose numbers must fit
together; whether its primes are prime is not tested.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes, PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import PublicKeyAlgorithmOID

from headgate.api import Secret
from headgate.resolve.contents import Content, Validity
from headgate.resolve.pem import Block, Damaged, blocks, written

CERTIFICATE, KEY = "tls.crt", "tls.key"
AUTHORITY, REVOKED = "ca.crt", "ca.crl"
AUTHORITY_FILE, REVOKED_FILE = "-ca.crt", "-ca.crl"
LEAST_RSA_BITS = 2048
"""What OpenSSL's default security level 2 asks of a key (SSL_CTX_set_security_level(3))."""
CURVES = ("secp256r1", "secp384r1", "secp521r1")
"""The NIST curves that TLS 1.3 has signatures for (RFC 8446 §4.2.3)."""
_CERTIFICATES = ("CERTIFICATE", "X509 CERTIFICATE")
_CRL = "X509 CRL"
_KEYS = ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "DSA PRIVATE KEY")
_CONTAINERS = ("TRUSTED CERTIFICATE", "PKCS7", "PKCS #7 SIGNED DATA", "CMS")
"""Blocks with certificates in them in a form that nginx does not read, or reads only as the first."""
_PSS = bytes.fromhex("06092a864886f70d01010a")
"""The algorithm of a key that may sign in the way of RSASSA-PSS alone (RFC 4055 §1.2), in DER."""
_PSS_WITHIN = 40
"""Bytes in which a PKCS #8 key names its algorithm (RFC 5958 §2)."""


class _Unusable(Exception):  # noqa: N818 - a verdict about a Secret, which never leaves this module
    """Why a Secret cannot be used."""


class _Key(msgspec.Struct, frozen=True):
    """A private key, what is written of it, and whether it is one of RSASSA-PSS."""

    key: PrivateKeyTypes
    pem: bytes
    pss: bool


def check_tls(secret: Secret) -> Content:
    """Check a Secret of type kubernetes.io/tls.

    Its file is the chain, which is the certificates of ``tls.crt`` and then others in ``tls.key``, and the
    private key that belongs to the first of them.
    """
    try:
        first, second = (_blocks(secret, name) for name in (CERTIFICATE, KEY))
        certificates = _certificates(CERTIFICATE, first)
        certificates = list(dict.fromkeys([*certificates, *_loaded(KEY, second)]))
        key = _fitting(certificates, [*second, *first])
        for number, certificate in enumerate(certificates, 1):
            _strong(number, certificate)
        warnings = tuple(_disorder(certificates))
        validity = _validity(certificates[0])
    except _Unusable as error:
        return Content(error=str(error))
    content = b"".join(map(_pem, certificates)) + b"\n" + key.pem
    return Content(files=(("", content),), warnings=warnings, validity=validity, algorithm=_algorithm(key))


def _algorithm(key: _Key) -> str:
    """Return what the key is of; OpenSSL holds one certificate of each (SSL_CTX_use_certificate(3))."""
    if isinstance(key.key, rsa.RSAPrivateKey):
        return "RSASSA-PSS" if key.pss else "RSA"
    return "ECDSA" if isinstance(key.key, ec.EllipticCurvePrivateKey) else type(key.key).__name__


def check_ca(secret: Secret) -> Content:
    """Check a Secret of type nginx.org/ca: certificates that clients are held against, perhaps revocation lists."""
    try:
        authorities = _certificates(AUTHORITY, _blocks(secret, AUTHORITY))
        for number, certificate in enumerate(authorities, 1):
            _public_key(AUTHORITY, number, certificate)
        revoked = _revoked(secret)
        validity = _validity(authorities[0])
    except _Unusable as error:
        return Content(error=str(error))
    files = [(AUTHORITY_FILE, b"".join(map(_pem, authorities)))]
    if revoked:
        files.append((REVOKED_FILE, revoked))
    return Content(files=tuple(files), validity=validity)


def _blocks(secret: Secret, name: str) -> list[Block]:
    value = secret.value(name)
    if value is None:
        raise _Unusable(f"has no {name}, or it is not base64")
    try:
        return blocks(value)
    except Damaged as error:
        raise _Unusable(f"has a {name} that cannot be read: {error}") from None


def _certificates(name: str, found: Sequence[Block]) -> list[x509.Certificate]:
    """Return the certificates of *found*, of which there must be one."""
    loaded = _loaded(name, found)
    if not loaded:
        raise _Unusable(f"has a {name} that is not a chain of certificates in PEM form")
    return loaded


def _loaded(name: str, found: Sequence[Block]) -> list[x509.Certificate]:
    if other := next((block for block in found if block.label in _CONTAINERS), None):
        raise _Unusable(
            f"has a {name} with a {other.label} in line {other.line}, which nginx does not read; "
            "write its certificates as CERTIFICATE"
        )
    return [_certificate(name, block) for block in found if block.label in _CERTIFICATES]


def _certificate(name: str, block: Block) -> x509.Certificate:
    try:
        certificate = x509.load_der_x509_certificate(block.der())
        # Both are read at once by OpenSSL, but here only when they are asked for.
        _ = certificate.issuer, certificate.subject
    except Damaged as error:
        raise _Unusable(f"has a {name} that cannot be read: {error}") from None
    except (ValueError, x509.InvalidVersion):
        raise _Unusable(f"has a {name} that cannot be read: in line {block.line} is no certificate") from None
    return certificate


def _revoked(secret: Secret) -> bytes:
    if not any(REVOKED in (data or {}) for data in (secret.data, secret.string_data)):
        return b""
    lists = [block for block in _blocks(secret, REVOKED) if block.label == _CRL]
    if not lists:
        raise _Unusable(f"has a {REVOKED} that is not a revocation list in PEM form")
    return b"".join(map(_revocations, lists))


def _revocations(block: Block) -> bytes:
    try:
        return x509.load_der_x509_crl(block.der()).public_bytes(Encoding.PEM)
    except Damaged as error:
        raise _Unusable(f"has a {REVOKED} that cannot be read: {error}") from None
    except ValueError:
        raise _Unusable(f"has a {REVOKED} that cannot be read: in line {block.line} is no revocation list") from None


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def _fitting(certificates: Sequence[x509.Certificate], found: Sequence[Block]) -> _Key:
    """Return the first key that belongs to the first certificate; if none does, say what is wrong with the first."""
    faults: list[str] = []
    for block in found:
        if not block.label.endswith("PRIVATE KEY"):
            continue
        try:
            key = _private_key(block)
            _match(certificates, key)
        except _Unusable as error:
            faults.append(str(error))
        else:
            return key
    raise _Unusable(faults[0] if faults else f"has a {KEY} without a private key in PEM form")


def _private_key(block: Block) -> _Key:
    if block.encrypted:
        raise _Unusable(f"has a {KEY} that is encrypted, and nginx has no password for it")
    if block.label not in _KEYS:
        raise _Unusable(f"has a {KEY} that cannot be read as a private key: nginx does not read an {block.label}")
    try:
        der = block.der()
        key = load_pem_private_key(written(block.label, der), None, unsafe_skip_rsa_key_validation=True)
        pss = _PSS in der[:_PSS_WITHIN]
        # What is loaded has lost that it is for RSASSA-PSS alone.
        pem = written(block.label, der) if pss else key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    except Damaged as error:
        raise _Unusable(f"has a {KEY} that cannot be read: {error}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _Unusable(f"has a {KEY} that cannot be read as a private key") from None
    if isinstance(key, rsa.RSAPrivateKey) and not _sound(key.private_numbers()):
        raise _Unusable(f"has a {KEY} that is inconsistent and cannot sign")
    return _Key(key, pem, pss)


def _sound(numbers: rsa.RSAPrivateNumbers) -> bool:
    """Whether signatures by way of the primes come out right (RFC 8017 §3.2, but for primality)."""
    p, q, e, d = numbers.p, numbers.q, numbers.public_numbers.e, numbers.d
    return (
        min(p, q) > 1
        and p * q == numbers.public_numbers.n
        and e * d % (p - 1) == e * d % (q - 1) == 1
        and e * numbers.dmp1 % (p - 1) == e * numbers.dmq1 % (q - 1) == 1
        and numbers.iqmp * q % p == 1
    )


def _match(certificates: Sequence[x509.Certificate], key: _Key) -> None:
    """Check that the key belongs to the first certificate; it may be further back in a chain in wrong order."""
    wanted = key.key.public_key()
    owners = [i for i, found in enumerate(certificates, 1) if _public_key(CERTIFICATE, i, found) == wanted]
    if not owners:
        raise _Unusable(f"has a {KEY} that does not belong to its {CERTIFICATE}")
    if owners[0] != 1:
        raise _Unusable(f"has a {KEY} that belongs to certificate {owners[0]} of {CERTIFICATE}; put that one first")
    if key.pss is not (certificates[0].public_key_algorithm_oid == PublicKeyAlgorithmOID.RSASSA_PSS):
        raise _Unusable(f"has a {KEY} and a {CERTIFICATE} of which one is for RSASSA-PSS alone and the other is not")


def _public_key(name: str, number: int, certificate: x509.Certificate) -> CertificatePublicKeyTypes:
    try:
        return certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise _Unusable(f"has a {name} with a public key that cannot be read, in certificate {number}") from None


def _validity(certificate: x509.Certificate) -> Validity:
    try:
        return Validity(certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    except ValueError:
        raise _Unusable("has a certificate whose dates cannot be read") from None


def _strong(number: int, certificate: x509.Certificate) -> None:
    """Refuse what OpenSSL would refuse to serve with."""
    where = f"certificate {number} of its {CERTIFICATE}"
    if fault := _weak_key(_public_key(CERTIFICATE, number, certificate)):
        raise _Unusable(f"cannot be used: the key of {where} {fault}")
    try:
        digest = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        raise _Unusable(f"cannot be used: {where} has an unknown signature algorithm") from None
    # The signature of a self-signed certificate is not checked when it is trusted.
    if isinstance(digest, hashes.MD5 | hashes.SHA1) and certificate.issuer != certificate.subject:
        raise _Unusable(f"cannot be used: {where} is signed with {digest.name}, which clients and OpenSSL refuse")


def _weak_key(key: CertificatePublicKeyTypes) -> str:
    if isinstance(key, rsa.RSAPublicKey):
        return (
            f"has {key.key_size} bits, and OpenSSL requires {LEAST_RSA_BITS}" if key.key_size < LEAST_RSA_BITS else ""
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
