"""Keys and JSON Web Tokens of the tests: made by ``cryptography``, not by Headgate's own code."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

Json = dict[str, Any]
_HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
_CURVES: dict[str, tuple[str, ec.EllipticCurve, int]] = {
    "ES256": ("P-256", ec.SECP256R1(), 32),
    "ES384": ("P-384", ec.SECP384R1(), 48),
    "ES512": ("P-521", ec.SECP521R1(), 66),
}
ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256", "HS384", "HS512",
)  # fmt: skip


def encode(data: bytes | str | Json | list[Any]) -> str:
    """Return *data* in base64url without padding; an object as JSON."""
    if isinstance(data, dict | list):
        data = json.dumps(data, separators=(",", ":"))
    return base64.urlsafe_b64encode(data.encode() if isinstance(data, str) else data).rstrip(b"=").decode()


def _number(value: int, size: int = 0) -> str:
    return encode(value.to_bytes(size or (value.bit_length() + 7) // 8))


class SigningKey:
    """A key that signs with one algorithm; ``jwk`` is what verifies it."""

    def __init__(self, algorithm: str, name: str, jwk: Json, sign: Callable[[bytes], bytes]) -> None:
        self.algorithm, self.name, self.sign = algorithm, name, sign
        self.jwk = {**jwk, **({"kid": name} if name else {})}

    def token(self, claims: Any = None, header: Json | None = None, **more: Any) -> str:
        """Return a token with *claims*, by default one that is good for an hour; *more* are further claims."""
        whole = {"sub": "me", "exp": int(time.time()) + 3600, **more} if claims is None else claims
        return self.signed(encode(self.header(header)), encode(whole))

    def header(self, header: Json | None = None) -> Json:
        """Return the header with *header* in it; ``None`` is the value of a member that is left out."""
        whole = {"alg": self.algorithm, "typ": "JWT", **({"kid": self.name} if self.name else {}), **(header or {})}
        return {name: value for name, value in whole.items() if value is not None}

    def signed(self, header: str, claims: str) -> str:
        """Return a token of two parts that are encoded already."""
        return f"{header}.{claims}.{encode(self.sign(f'{header}.{claims}'.encode()))}"


@cache
def key(algorithm: str, name: str = "", number: int = 0) -> SigningKey:
    """Return a key for *algorithm*, with the ``kid`` *name*; another one for each *number*."""
    bits = algorithm[2:]
    if algorithm.startswith(("RS", "PS")):
        return _rsa(algorithm, name, number)
    if algorithm.startswith("ES"):
        curve, kind, size = _CURVES[algorithm]
        private = ec.generate_private_key(kind)
        numbers = private.public_key().public_numbers()
        jwk = {"kty": "EC", "crv": curve, "x": _number(numbers.x, size), "y": _number(numbers.y, size)}

        def sign(text: bytes) -> bytes:
            r, s = decode_dss_signature(private.sign(text, ec.ECDSA(_HASHES[bits])))
            return r.to_bytes(size) + s.to_bytes(size)

        return SigningKey(algorithm, name, jwk, sign)
    if algorithm == "EdDSA":
        edwards = ed25519.Ed25519PrivateKey.generate()
        jwk = {"kty": "OKP", "crv": "Ed25519", "x": encode(edwards.public_key().public_bytes_raw())}
        return SigningKey(algorithm, name, jwk, edwards.sign)
    secret = f"secret {number} of {algorithm}".encode().ljust(64, b"-")
    jwk = {"kty": "oct", "k": encode(secret)}
    return SigningKey(algorithm, name, jwk, lambda text: hmac.digest(secret, text, f"sha{bits}"))


@cache
def _private(number: int) -> rsa.RSAPrivateKey:
    del number
    return rsa.generate_private_key(65537, 2048)


def _rsa(algorithm: str, name: str, number: int) -> SigningKey:
    private, chosen = _private(number), _HASHES[algorithm[2:]]
    numbers = private.public_key().public_numbers()
    jwk = {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}
    if algorithm.startswith("RS"):
        return SigningKey(algorithm, name, jwk, lambda text: private.sign(text, padding.PKCS1v15(), chosen))
    pss = padding.PSS(padding.MGF1(chosen), padding.PSS.DIGEST_LENGTH)
    return SigningKey(algorithm, name, jwk, lambda text: private.sign(text, pss, chosen))


def key_set(*keys: SigningKey) -> bytes:
    """Return the set of what verifies *keys*."""
    return json.dumps({"keys": [each.jwk for each in keys]}).encode()
