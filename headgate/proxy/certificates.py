"""A certificate for the hosts, issued by an authority that can do little harm.

The key of an authority that a browser trusts can be used to impersonate every site that the authority may name. So the
key that is kept on disk belongs to an authority that is limited to names for tests on one machine (RFC 6761: localhost
and test, which do not exist in the Internet) by a critical extension (RFC 5280, name constraints). For other hosts an
authority is made that is limited to them, and whose key is never written.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import ipaddress
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Self

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

RESERVED: Final = ("localhost", "test")
"""The domains of the authority that is kept."""
LOOPBACK: Final = ("127.0.0.0/8", "::1/128")
HOSTLESS: Final = ("localhost",)
"""What the certificate names where every host is served.

It names no addresses, since some clients (gRPC) refuse those of an authority with constraints on addresses.
"""
AUTHORITY_DAYS: Final = 365
RENEWED_DAYS: Final = 60
"""An authority with fewer days left is replaced."""
CERTIFICATE_DAYS: Final = 30
OWNER_ONLY: Final = 0o600
CERTIFICATE, KEY, LOCK = "ca.pem", "ca-key.pem", "ca.lock"


class Pair(msgspec.Struct, frozen=True):
    """A certificate, its key, and the certificate of its authority (PEM)."""

    certificate: bytes
    key: bytes
    authority: bytes


class Authority(msgspec.Struct, frozen=True):
    """What certificates are issued by.

    Attributes:
        certificate: its certificate.
        key: its key.
        path: the file of its certificate, for clients.
        kept: whether the next run has the same one.
    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    path: Path
    kept: bool

    @classmethod
    def new(cls, domains: Sequence[str], path: Path, now: dt.datetime, *, kept: bool) -> Self:
        """Make one that may name *domains*, what is below them, and loopback addresses; nothing is written."""
        key = ec.generate_private_key(ec.SECP256R1())
        serial = x509.random_serial_number()
        name = _name(f"Headgate proxy CA {serial:x}"[:40])
        permitted: list[x509.GeneralName] = [x509.DNSName(domain) for domain in domains]
        permitted += [x509.IPAddress(ipaddress.ip_network(network)) for network in LOOPBACK]
        end = now + dt.timedelta(days=AUTHORITY_DAYS)
        certificate = (
            _builder(name, name, key.public_key(), serial, (now, end))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.NameConstraints(permitted, None), critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key, path, kept)

    @property
    def pem(self) -> bytes:
        """The certificate (PEM)."""
        return self.certificate.public_bytes(Encoding.PEM)

    def issue(self, hosts: Sequence[str], now: dt.datetime) -> Pair:
        """Return a certificate for *hosts*, which may have a wildcard."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName(host) for host in hosts]
        span = now, min(now + dt.timedelta(days=CERTIFICATE_DAYS), self.certificate.not_valid_after_utc)
        certificate = (
            _builder(_name("Headgate proxy"), self.certificate.subject, key.public_key(), None, span)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return Pair(certificate.public_bytes(Encoding.PEM), _pem(key), self.pem)


def data_directory(environ: Mapping[str, str]) -> Path:
    """Return where the authority is kept (XDG Base Directory Specification, which ignores a relative path)."""
    home = environ.get("XDG_DATA_HOME", "")
    return (Path(home) if home.startswith("/") else Path.home() / ".local" / "share") / "headgate"


def authority(hosts: Sequence[str], kept: Path, scratch: Path, now: dt.datetime) -> Authority:
    """Return the authority for *hosts*: the one in the directory *kept* if it may name all of them, else a new one.

    The certificate of a new one is written to *scratch*, its key is not.

    Args:
        hosts: names, which may have a wildcard.
        kept: where the lasting one is, or will be.
        scratch: a directory of this run.
        now: the time.

    Raises:
        OSError: a file cannot be read or written.
    """
    domains = tuple(dict.fromkeys(host.removeprefix("*.") for host in hosts))
    if all(map(_is_reserved, domains)):
        return _kept(kept, now)
    made = Authority.new(domains, scratch / CERTIFICATE, now, kept=False)
    made.path.write_bytes(made.pem)
    return made


def _kept(directory: Path, now: dt.datetime) -> Authority:
    directory.mkdir(parents=True, exist_ok=True)
    with _alone(directory / LOCK):
        if found := _read(directory, now):
            return found
        made = Authority.new(RESERVED, directory / CERTIFICATE, now, kept=True)
        _write(directory / KEY, _pem(made.key), OWNER_ONLY)
        _write(made.path, made.pem, 0o644)
        return made


def _read(directory: Path, now: dt.datetime) -> Authority | None:
    """Return the authority in *directory* unless it is not there, ends soon, or others may have read its key."""
    try:
        if (directory / KEY).stat().st_mode & 0o077:
            return None
        key = load_pem_private_key((directory / KEY).read_bytes(), None)
        certificate = x509.load_pem_x509_certificate((directory / CERTIFICATE).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        return None
    if certificate.not_valid_after_utc - now < dt.timedelta(days=RENEWED_DAYS):
        return None
    return Authority(certificate, key, directory / CERTIFICATE, kept=True)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other proxies from making an authority at the same time."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, OWNER_ONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(path: Path, data: bytes, mode: int) -> None:
    """Replace the file at *path*, which is never there in part or readable to others."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    new.replace(path)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    serial: int | None,
    span: tuple[dt.datetime, dt.datetime],
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(span[0] - dt.timedelta(hours=1))
        .not_valid_after(span[1])
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _is_reserved(domain: str) -> bool:
    return any(domain == name or domain.endswith(f".{name}") for name in RESERVED)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
