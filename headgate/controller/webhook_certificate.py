"""The certificate that Headgate makes for its admission webhook: what a Secret has of it, and what it should have.

An authority that only API servers trust, by the ``caBundle`` of a webhook configuration, issues the certificate. Both
are renewed long before they end. A new authority stands beside the old one, and issues nothing before ``OVERLAP`` is
over, so that every API server trusts it by then, whichever replica it asks.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME: Final = dt.timedelta(days=90)
RENEWED: Final = dt.timedelta(days=30)
"""How long before its end a certificate is replaced."""
AUTHORITY_LIFETIME: Final = dt.timedelta(days=730)
AUTHORITY_RENEWED: Final = dt.timedelta(days=180)
"""The same for the authority: longer than a certificate lives, so that none outlives its issuer."""
OVERLAP: Final = dt.timedelta(hours=1)
"""How old an authority is before it issues a certificate, where an older one is still trusted."""
SKEW: Final = dt.timedelta(hours=1)
"""How far the clock of an API server may be behind."""
AUTHORITY_NAME: Final = "Headgate admission webhook"


class Held(msgspec.Struct, frozen=True):
    """What a Secret has, as PEM; empty where it has nothing.

    Attributes:
        authorities: certificates of the authorities, the newest first: the ``caBundle``.
        authority_key: the key of the newest one.
        certificate: what the webhook shows.
        key: the key of that.
    """

    authorities: bytes = b""
    authority_key: bytes = b""
    certificate: bytes = b""
    key: bytes = b""

    def __repr__(self) -> str:
        """Hide the keys."""
        return "Held(…)"


class _Pair(msgspec.Struct, frozen=True):
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def kept(held: Held, names: Iterable[str], now: dt.datetime) -> Held:
    """Return what the Secret should have at *now* for the DNS *names* of the webhook; *held* if nothing is to be done.

    Whatever cannot be used is made anew; nothing is raised.
    """
    wanted = tuple(names)
    trusted = [each for each in _certificates(held.authorities) if each.not_valid_after_utc > now]
    authority = _pair(next(iter(trusted), None), held.authority_key)
    if authority is None or authority.certificate.not_valid_after_utc - now < AUTHORITY_RENEWED:
        authority = _authority(now)
        trusted.insert(0, authority.certificate)
    leaf = _pair(next(iter(_certificates(held.certificate)), None), held.key)
    if leaf is None or not _serves(leaf.certificate, trusted, wanted, now) or _is_due(leaf, authority, now):
        leaf = _leaf(authority, wanted, now)
    found = Held(b"".join(map(_text, trusted)), _pem(authority.key), _text(leaf.certificate), _pem(leaf.key))
    return held if _same(held, found) else found


def usable(held: Held, now: dt.datetime) -> bool:
    """Whether the certificate in *held* belongs to its key and has not ended."""
    leaf = _pair(next(iter(_certificates(held.certificate)), None), held.key)
    return leaf is not None and leaf.certificate.not_valid_after_utc > now


def _serves(
    leaf: x509.Certificate, trusted: Iterable[x509.Certificate], names: tuple[str, ...], now: dt.datetime
) -> bool:
    """Whether a client that trusts *trusted* accepts *leaf* for *names*."""
    if leaf.not_valid_after_utc <= now or _names(leaf) != names:
        return False
    return any(_issued(leaf, each) for each in trusted)


def _is_due(leaf: _Pair, authority: _Pair, now: dt.datetime) -> bool:
    """Whether *leaf*, which serves, is to be replaced: it is near its end, or of an authority that goes."""
    if now - authority.certificate.not_valid_before_utc - SKEW < OVERLAP:
        return False
    ends = leaf.certificate.not_valid_after_utc - now < RENEWED
    return ends or not _issued(leaf.certificate, authority.certificate)


def _issued(leaf: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple(found.value.get_values_for_type(x509.DNSName))


def _certificates(pem: bytes) -> list[x509.Certificate]:
    try:
        found = x509.load_pem_x509_certificates(pem)
    except ValueError:
        return []
    return sorted(found, key=lambda each: each.not_valid_before_utc, reverse=True)


def _pair(certificate: x509.Certificate | None, key: bytes) -> _Pair | None:
    """Return both if they belong together."""
    try:
        private = load_pem_private_key(key, None)
    except (ValueError, TypeError):
        return None
    if certificate is None or not isinstance(private, ec.EllipticCurvePrivateKey):
        return None
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    same = private.public_key().public_bytes(*form) == certificate.public_key().public_bytes(*form)
    return _Pair(certificate, private) if same else None


def _same(held: Held, found: Held) -> bool:
    """Whether *held* is *found*, perhaps spelled otherwise."""
    forms = (held.authorities, found.authorities), (held.certificate, found.certificate)
    return all(_certificates(a) == _certificates(b) for a, b in forms) and all(
        _spelled(a) == _spelled(b) for a, b in ((held.authority_key, found.authority_key), (held.key, found.key))
    )


def _spelled(key: bytes) -> bytes:
    return b"".join(key.split())


# --- making ---------------------------------------------------------------------------------------------


def _authority(now: dt.datetime) -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, AUTHORITY_NAME)])
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    builder = (
        _builder(name, name, key.public_key(), now, now + AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
    )
    return _Pair(builder.sign(key, hashes.SHA256()), key)


def _leaf(authority: _Pair, names: tuple[str, ...], now: dt.datetime) -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    end = min(now + LIFETIME, authority.certificate.not_valid_after_utc)
    # Common names have 64 characters at most, and no client reads them.
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, AUTHORITY_NAME)])
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    builder = (
        _builder(subject, authority.certificate.subject, key.public_key(), now, end)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(issuer_key, critical=False)
    )
    return _Pair(builder.sign(authority.key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, begin: dt.datetime, end: dt.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin - SKEW)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _text(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)
