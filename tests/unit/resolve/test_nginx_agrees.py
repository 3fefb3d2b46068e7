"""What the store accepts, nginx loads whole; what it refuses, nginx would refuse too, but only at the handshake.

How the same things may be written, and what clients see of it: tests/live/test_live_pem_forms.py.
"""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, PrivateFormat

from headgate.resolve import LocalSecretStore, SecretKind
from tests.directories import short_directory
from tests.nginx_binaries import BINARIES, capabilities
from tests.unit.resolve.api_objects import NOW, Issuer, key_pem, secret, with_sha1

CONFIG = """
pid {0}/pid; error_log {0}/error.log; events {{}}
http {{
    access_log off; client_body_temp_path {0}/1; proxy_temp_path {0}/2;
    fastcgi_temp_path {0}/3; uwsgi_temp_path {0}/4; scgi_temp_path {0}/5;
    server {{ listen unix:{0}/s ssl; ssl_certificate {0}/pair; ssl_certificate_key {0}/pair; {1} }}
}}
"""
PARAMETERS = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"

EC, OTHER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
ED = ed25519.Ed25519PrivateKey.generate()
RSA = rsa.generate_private_key(65537, 2048)
WEAK = rsa.generate_private_key(65537, 1024)
ROOT, RSA_ROOT = Issuer(), Issuer(key=RSA)
LEAF = ROOT.issue(EC.public_key())

PAIRS = {
    "elliptic curve": (LEAF, key_pem(EC), True),
    "Ed25519": (ROOT.issue(ED.public_key()), key_pem(ED), True),
    "RSA": (ROOT.issue(RSA.public_key()), key_pem(RSA), True),
    "chain": (LEAF + ROOT.pem, key_pem(EC), True),
    "text around": (b"Bag Attributes\n" + LEAF, b"\r\nkey:\r\n" + key_pem(EC), True),
    "parameters": (LEAF, PARAMETERS + key_pem(EC, form=PrivateFormat.TraditionalOpenSSL), True),
    "SHA-1 in a root": (LEAF + with_sha1(RSA_ROOT.pem), key_pem(EC), True),
    "SHA-1": (with_sha1(RSA_ROOT.issue(EC.public_key())), key_pem(EC), False),
    "weak RSA": (ROOT.issue(WEAK.public_key()), key_pem(WEAK), False),
    "key of another": (LEAF, key_pem(OTHER), False),
    "wrong order": (ROOT.pem + LEAF, key_pem(EC), False),
    "encrypted": (LEAF, key_pem(EC, BestAvailableEncryption(b"x")), False),
    "cut short": (LEAF[:-60], key_pem(EC), False),
}


@pytest.fixture(params=sorted(BINARIES))
def nginx(request: pytest.FixtureRequest) -> str:
    return BINARIES[request.param]


@pytest.fixture
def directory() -> Iterator[Path]:
    with short_directory() as path:
        yield path


def refusal(nginx: str, directory: Path, more: str = "") -> str:
    """Return why nginx refuses the file ``pair`` and the directives *more*, or ``""``."""
    (directory / "nginx.conf").write_text(CONFIG.format(directory, more.format(directory)))
    command = [
        nginx,
        "-t",
        "-p",
        str(directory),
        "-e",
        str(directory / "error.log"),
        "-c",
        str(directory / "nginx.conf"),
    ]
    # Without a terminal nginx cannot ask for the password of a key.
    run = subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, start_new_session=True, check=False
    )
    return "" if run.returncode == 0 else run.stderr


@pytest.mark.parametrize("case", PAIRS)
def test_store_and_nginx_accept_the_same_pairs(nginx: str, directory: Path, case: str) -> None:
    chain, key, fine = PAIRS[case]
    found = secret("kubernetes.io/tls", tls_crt=chain, tls_key=key)
    valid = LocalSecretStore().get(found.ref, found, SecretKind.TLS, NOW)
    assert bool(valid.files) is fine
    (directory / "pair").write_bytes(valid.files[0].data if fine else chain + b"\n" + key)
    lenient = case == "SHA-1" and capabilities(nginx).openssl.startswith("OpenSSL 3.6")  # it loads such a certificate
    assert bool(refusal(nginx, directory)) is not (fine or lenient)


LIST, OTHER_LIST = ROOT.revocations(), RSA_ROOT.revocations()
AUTHORITIES = {
    "plain": (ROOT.pem + RSA_ROOT.pem, LIST + OTHER_LIST),
    "crlf": ((ROOT.pem + RSA_ROOT.pem).replace(b"\n", b"\r\n"), (LIST + OTHER_LIST).replace(b"\n", b"\r\n")),
    "no newline between": (ROOT.pem.strip() + RSA_ROOT.pem, LIST.strip() + OTHER_LIST),
    "bom": (b"\xef\xbb\xbf" + ROOT.pem + b" " + RSA_ROOT.pem, b"\xef\xbb\xbf" + LIST + b" " + OTHER_LIST),
    "text around": (b"root: " + ROOT.pem + b"\nother: " + RSA_ROOT.pem, b"first: " + LIST + b"x: 1\n " + OTHER_LIST),
}


@pytest.mark.parametrize("case", AUTHORITIES)
def test_every_authority_and_every_revocation_list_is_loaded(nginx: str, directory: Path, case: str) -> None:
    authorities, revocations = AUTHORITIES[case]
    found = secret("nginx.org/ca", ca_crt=authorities, ca_crl=revocations)
    valid = LocalSecretStore().get(found.ref, found, SecretKind.CA, NOW)
    for name, file in zip(("ca", "crl"), valid.files, strict=True):
        (directory / name).write_bytes(file.data)
    (directory / "pair").write_bytes(LEAF + key_pem(EC))
    assert refusal(nginx, directory, "ssl_verify_client on; ssl_client_certificate {0}/ca; ssl_crl {0}/crl;") == ""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for name in ("ca", "crl"):
        context.load_verify_locations(directory / name)
    assert context.cert_store_stats() == {"x509": 2, "crl": 2, "x509_ca": 0}
