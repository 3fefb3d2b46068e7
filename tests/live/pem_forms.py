"""The forms in which people write a certificate chain and its key, and what is told of those that cannot be used."""

from __future__ import annotations

import base64
import datetime as dt
import re
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs7,
)

BEGIN, END = (dt.datetime(year, 1, 1, tzinfo=dt.UTC) for year in (2020, 2120))
TRADITIONAL = PrivateFormat.TraditionalOpenSSL
PARAMETERS = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
DH = b"-----BEGIN DH PARAMETERS-----\nMAYCAQUCAQI=\n-----END DH PARAMETERS-----\n"
BOM = b"\xef\xbb\xbf"
SHA256 = b"8f14e45fceea167a5a36dedd4bea2543f4b1c8a1b0a4b0d3c6d1b2a3948576ab"


class Form(NamedTuple):
    """``tls.crt`` and ``tls.key``; ``told`` is why they cannot be used, empty if a client gets the whole chain."""

    crt: bytes
    key: bytes
    told: str = ""


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def issued(public_key: Any, name: str, issuer: str, key: Any, *, authority: bool = False) -> x509.Certificate:
    """Sign a certificate of *name* with *key*, which is that of *issuer*."""
    builder = x509.CertificateBuilder().subject_name(_name(name)).issuer_name(_name(issuer)).public_key(public_key)
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(BEGIN).not_valid_after(END)
    constraints = x509.BasicConstraints(ca=authority, path_length=None)
    return builder.add_extension(constraints, critical=True).sign(key, hashes.SHA256())


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def private(key: Any, form: PrivateFormat = PrivateFormat.PKCS8, password: bytes = b"") -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, form, encryption)


def leaf(key: Any) -> bytes:
    """A certificate for *key* by the intermediate authority."""
    return pem(issued(key.public_key(), "leaf.test", "Intermediate", _MIDDLE_KEY))


def block(label: bytes, der: bytes, columns: int = 64) -> bytes:
    text = base64.b64encode(der)
    lines = b"\n".join(text[at : at + columns] for at in range(0, len(text), columns))
    return b"-----BEGIN %b-----\n%b\n-----END %b-----\n" % (label, lines, label)


def indented(text: bytes) -> bytes:
    return re.sub(rb"(?m)^", b"  ", text)


def body(text: bytes) -> bytes:
    return b"\n".join(text.splitlines()[1:-1]) + b"\n"


def _wrong_numbers(key: rsa.RSAPrivateKey) -> bytes:
    """*key* with one bit of its first prime changed, as by a slip in its base64; its public half is whole."""
    der = key.private_bytes(Encoding.DER, TRADITIONAL, NoEncryption())
    prime = key.private_numbers().p
    wrong = der.replace(prime.to_bytes(128, "big"), (prime ^ (1 << 500)).to_bytes(128, "big"))
    assert wrong != der
    return block(b"RSA PRIVATE KEY", wrong)


def _tlv(tag: int, content: bytes) -> bytes:
    """Return DER of more than 255 bytes."""
    return bytes([tag, 0x82]) + len(content).to_bytes(2, "big") + content


def for_pss(key: rsa.RSAPrivateKey) -> bytes:
    """Return *key* as one of RSASSA-PSS alone, without parameters (RFC 4055 §1.2); PEM."""
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return block(b"PRIVATE KEY", _tlv(0x30, der[4:].replace(_RSA, _PSS)))


def leaf_for_pss(key: rsa.RSAPrivateKey) -> bytes:
    """Return a leaf for ``for_pss(key)``; PEM."""
    certificate = x509.load_pem_x509_certificate(leaf(key))
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    named = _tlv(0x30, public[4:].replace(_RSA, _PSS))
    signed = _tlv(0x30, certificate.tbs_certificate_bytes[4:].replace(public, named))
    signature = b"\0" + _MIDDLE_KEY.sign(signed, ec.ECDSA(hashes.SHA256()))
    return block(b"CERTIFICATE", _tlv(0x30, signed + _ECDSA + bytes([0x03, len(signature)]) + signature))


_RSA, _PSS = bytes.fromhex("300d06092a864886f70d0101010500"), bytes.fromhex("300b06092a864886f70d01010a")
_ECDSA = bytes.fromhex("300a06082a8648ce3d040302")
_ROOT_KEY, _MIDDLE_KEY, KEY, OTHER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(4))
RSA = rsa.generate_private_key(65537, 2048)
ED25519, ED448 = ed25519.Ed25519PrivateKey.generate(), ed448.Ed448PrivateKey.generate()
P521 = ec.generate_private_key(ec.SECP521R1())
DSA = dsa.generate_private_key(1024)  # the time for a longer one is that of ten tests
ROOT = pem(issued(_ROOT_KEY.public_key(), "Root", "Root", _ROOT_KEY, authority=True))
_MIDDLE = issued(_MIDDLE_KEY.public_key(), "Intermediate", "Root", _ROOT_KEY, authority=True)
MIDDLE, LEAF, PRIVATE = pem(_MIDDLE), leaf(KEY), private(KEY)
CHAIN = LEAF + MIDDLE
DER = x509.load_pem_x509_certificate(LEAF).public_bytes(Encoding.DER)
BUNDLE = pkcs7.serialize_certificates([_MIDDLE], Encoding.DER)

SERVED = {
    "plain": Form(CHAIN, PRIVATE),
    "crlf": Form(CHAIN.replace(b"\n", b"\r\n"), PRIVATE.replace(b"\n", b"\r\n")),
    "cr-only": Form(CHAIN.replace(b"\n", b"\r"), PRIVATE.replace(b"\n", b"\r")),
    "no-newline-between": Form(LEAF.strip() + MIDDLE, PRIVATE),
    "no-newline-at-the-end": Form(CHAIN.strip(), PRIVATE.strip()),
    "indented": Form(indented(CHAIN), indented(PRIVATE)),
    "second-indented": Form(LEAF + indented(MIDDLE), PRIVATE),
    "trailing-spaces": Form(CHAIN.replace(b"\n", b" \t\n"), PRIVATE.replace(b"\n", b"  \n")),
    "bom": Form(BOM + CHAIN, BOM + PRIVATE),
    "bom-between": Form(LEAF + BOM + MIDDLE, PRIVATE),
    "text-around": Form(b"Bag Attributes\n  x: 1\n" + LEAF + b"\nissuer=Root\n" + MIDDLE + b"end", b"key:\n" + PRIVATE),
    "text-in-front-of-a-block": Form(b"leaf: " + LEAF + b"chain: " + MIDDLE, b"key: " + PRIVATE),
    "fingerprint": Form(SHA256 + b"\n" + CHAIN, PRIVATE),
    "empty-lines": Form(CHAIN.replace(b"\n", b"\n\n"), PRIVATE.replace(b"\n", b"\n\n")),
    "one-line": Form(block(b"CERTIFICATE", DER, 10_000) + MIDDLE, PRIVATE),
    "76-columns": Form(block(b"CERTIFICATE", DER, 76) + MIDDLE, PRIVATE),
    "old-label": Form(CHAIN.replace(b" CERTIFICATE", b" X509 CERTIFICATE"), PRIVATE),
    "key-first": Form(PRIVATE + CHAIN, PRIVATE),
    "key-in-the-chain": Form(LEAF + PRIVATE + MIDDLE, b""),
    "chain-beside-the-key": Form(LEAF, PRIVATE + MIDDLE),
    "bundle-twice": Form(CHAIN + PRIVATE, CHAIN + PRIVATE),
    "leaf-twice": Form(LEAF + CHAIN, PRIVATE),
    "key-of-another-in-front": Form(CHAIN, private(OTHER) + PRIVATE),
    "key-of-another-in-the-chain": Form(private(OTHER) + CHAIN, PRIVATE),
    "encrypted-key-in-front": Form(CHAIN, private(KEY, password=b"x") + PRIVATE),
    "ec-parameters": Form(CHAIN, PARAMETERS + private(KEY, TRADITIONAL)),
    "dh-parameters": Form(CHAIN + DH, PRIVATE),
    "rsa": Form(leaf(RSA) + MIDDLE, private(RSA)),
    "rsa-traditional": Form(leaf(RSA) + MIDDLE, private(RSA, TRADITIONAL)),
    "ed25519": Form(leaf(ED25519) + MIDDLE, private(ED25519)),
    "ed448": Form(leaf(ED448) + MIDDLE, private(ED448)),
    "p-521": Form(leaf(P521) + MIDDLE, private(P521, TRADITIONAL)),
    "rsassa-pss": Form(leaf_for_pss(RSA) + MIDDLE, for_pss(RSA)),
    "root-too": Form(CHAIN + ROOT, PRIVATE),
}
"""A client that trusts the root alone is shown the leaf and the intermediate certificate."""

TOLD = {
    "encrypted": Form(CHAIN, private(KEY, password=b"x"), "is encrypted"),
    "encrypted-traditional": Form(CHAIN, private(KEY, TRADITIONAL, b"x"), "is encrypted"),
    "key-of-another": Form(CHAIN, private(OTHER), "does not belong to its tls.crt"),
    "rsa-key-of-an-ec-leaf": Form(CHAIN, private(RSA), "does not belong to its tls.crt"),
    "wrong-order": Form(MIDDLE + LEAF, PRIVATE, "belongs to certificate 2 of tls.crt; put that one first"),
    "dsa": Form(leaf(DSA), private(DSA), "of a kind that TLS has no use for"),
    "four-dashes": Form(LEAF + MIDDLE[1:], PRIVATE, "outside of a block"),
    "four-dashes-at-the-end": Form(LEAF + MIDDLE[:-2] + b"\n", PRIVATE, "has no END line"),
    "other-dashes": Form(LEAF + MIDDLE.replace(b"-----BEGIN", "\u2014BEGIN".encode()), PRIVATE, "outside of a block"),
    "cut-short": Form(LEAF + MIDDLE[:-40], PRIVATE, "has no END line"),
    "end-alone": Form(LEAF + MIDDLE[28:], PRIVATE, "outside of a block"),
    "base64-damaged": Form(LEAF + MIDDLE.replace(b"MII", b"MI*", 1), PRIVATE, "is not base64"),
    "letter-lost": Form(LEAF + MIDDLE.replace(b"MII", b"MI", 1), PRIVATE, "is not base64"),
    "content-damaged": Form(LEAF + block(b"CERTIFICATE", DER[:-9]), PRIVATE, "is no certificate"),
    "pkcs7": Form(LEAF + block(b"PKCS7", BUNDLE), PRIVATE, "with a PKCS7 in line"),
    "trusted": Form(CHAIN.replace(b" CERTIFICATE", b" TRUSTED CERTIFICATE"), PRIVATE, "with a TRUSTED CERTIFICATE"),
    "backslash-n": Form(CHAIN.replace(b"\n", b"\\n"), PRIVATE, "is not base64"),
    "der": Form(DER, PRIVATE, "not a chain of certificates in PEM form"),
    "utf-16": Form(CHAIN.decode().encode("utf-16"), PRIVATE, "not a chain of certificates in PEM form"),
    "empty-chain": Form(b"", PRIVATE, "not a chain of certificates in PEM form"),
    "empty-key": Form(CHAIN, b"", "without a private key in PEM form"),
    "no-private-key": Form(
        CHAIN,
        KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "without a private key in PEM form",
    ),
    "openssh": Form(CHAIN, private(KEY, PrivateFormat.OpenSSH), "cannot be read as a private key"),
    "wrong-label": Form(CHAIN, PRIVATE.replace(b" PRIVATE", b" EC PRIVATE"), "cannot be read as a private key"),
    "key-damaged": Form(CHAIN, PRIVATE.replace(b"\n-----END", b"*\n-----END"), "is not base64"),
    "pss-key-of-an-rsa-leaf": Form(leaf(RSA) + MIDDLE, for_pss(RSA), "one is for RSASSA-PSS alone"),
    "rsa-key-of-a-pss-leaf": Form(leaf_for_pss(RSA) + MIDDLE, private(RSA), "one is for RSASSA-PSS alone"),
    "rsa-wrong-numbers": Form(leaf(RSA), _wrong_numbers(RSA), "that is inconsistent and cannot sign"),
}
"""Clients are refused, and the owner of the Ingress is told why."""
