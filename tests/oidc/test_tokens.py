"""ID tokens, each wrong in one way; signatures by keys of every type."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from headgate.oidc.tokens import Expected, Jwk, KeySet, PublishedKeys, TokenError, UnknownKeyError, verified

NOW = 1_800_000_000
EXPECTED = Expected(client="cafe", issuer="https://a.test", nonce="n", access_token="token")
CLAIMS: dict[str, Any] = {
    "iss": "https://a.test", "sub": "alice", "aud": "cafe", "exp": NOW + 60, "iat": NOW, "nonce": "n",
}  # fmt: skip
Signer = Callable[[bytes], bytes]


def text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def number(value: int, size: int = 0) -> str:
    return text(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def signers() -> dict[str, tuple[Jwk, Signer]]:
    """A key for each algorithm, and what signs with it."""
    big, short = rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, 1024)
    found: dict[str, tuple[Jwk, Signer]] = {}
    for bits, digest in (("256", hashes.SHA256()), ("384", hashes.SHA384()), ("512", hashes.SHA512())):
        pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
        for letter, pads in (("RS", padding.PKCS1v15()), ("PS", pss)):
            found[letter + bits] = (
                _rsa(big, letter + bits),
                lambda data, pads=pads, digest=digest: big.sign(data, pads, digest),  # type: ignore[misc]
            )
        curve = {"256": ec.SECP256R1(), "384": ec.SECP384R1(), "512": ec.SECP521R1()}[bits]
        found[f"ES{bits}"] = _elliptic(ec.generate_private_key(curve), f"ES{bits}", digest)
    found["short"] = _rsa(short, "short"), lambda data: short.sign(data, padding.PKCS1v15(), hashes.SHA256())
    for name, key in (("Ed25519", ed25519.Ed25519PrivateKey.generate()), ("Ed448", ed448.Ed448PrivateKey.generate())):
        public = text(key.public_key().public_bytes_raw())
        found[name] = Jwk(kty="OKP", crv=name, x=public, kid=name), key.sign
    return found


def _rsa(key: rsa.RSAPrivateKey, kid: str) -> Jwk:
    numbers = key.public_key().public_numbers()
    return Jwk(kty="RSA", n=number(numbers.n), e=number(numbers.e), kid=kid)


def _elliptic(key: ec.EllipticCurvePrivateKey, kid: str, digest: hashes.HashAlgorithm) -> tuple[Jwk, Signer]:
    numbers, size = key.public_key().public_numbers(), (key.curve.key_size + 7) // 8
    names = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
    jwk = Jwk(kty="EC", crv=names[kid], x=number(numbers.x, size), y=number(numbers.y, size), kid=kid)

    def sign(data: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(data, ec.ECDSA(digest)))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")

    return jwk, sign


KEYS = signers()
EVERY = KeySet(tuple(jwk for jwk, _ in KEYS.values()))
ALGORITHMS = {name: "EdDSA" if name.startswith("Ed") else name for name in KEYS if name != "short"}


def token(name: str = "ES256", claims: dict[str, Any] | None = None, **header: Any) -> str:
    head = {"alg": ALGORITHMS.get(name, "RS256"), "kid": name, **header}
    parts = [text(json.dumps(part).encode()) for part in (head, {**CLAIMS, **(claims or {})})]
    signed = ".".join(parts)
    return f"{signed}.{text(KEYS[name][1](signed.encode()))}"


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm(name: str) -> None:
    good = token(name)
    assert verified(good, EVERY, EXPECTED, NOW).sub == "alice"
    head, payload, signature = good.split(".")
    other = text(json.dumps({**CLAIMS, "sub": "root"}).encode())
    for wrong in (f"{head}.{other}.{signature}", f"{head}.{payload}.", f"{head}.{payload}.{signature[:-8]}",
                  f"{head}.{payload}.{text(b'0' * 64)}", f"{head}.{payload}.{signature}.x"):  # fmt: skip
        with pytest.raises(TokenError):
            verified(wrong, EVERY, EXPECTED, NOW)
    for algorithm in {*ALGORITHMS.values(), "none", "HS256", "", "R", "ES256K"} - {ALGORITHMS[name]}:
        with pytest.raises(TokenError):
            verified(token(name, alg=algorithm), EVERY, EXPECTED, NOW)
    with pytest.raises(UnknownKeyError):
        verified(token(name, kid="other"), EVERY, EXPECTED, NOW)
    assert verified(token(name, kid=None), EVERY, EXPECTED, NOW)


def test_a_key_that_cannot_be_read_leaves_the_others() -> None:
    jwk, _ = KEYS["ES256"]
    published = json.dumps({"keys": [{"kty": "x", "kid": 7}, 5, None, msgspec.to_builtins(jwk)]}).encode()
    keys = msgspec.json.decode(published, type=PublishedKeys).readable()
    assert keys == KeySet((jwk,))


def test_a_short_key_is_none() -> None:
    with pytest.raises(TokenError, match="wrong signature"):
        verified(token("short"), EVERY, EXPECTED, NOW)


def test_what_a_key_is_for_counts() -> None:
    jwk, _ = KEYS["ES256"]
    for wrong in ({"use": "enc"}, {"alg": "ES384"}, {"crv": "P-384"}, {"x": ""}, {"y": "!"}, {"kty": "RSA"}):
        fields = {name: getattr(jwk, name) for name in jwk.__struct_fields__} | wrong
        with pytest.raises(TokenError):
            verified(token(), KeySet((Jwk(**fields),)), EXPECTED, NOW)


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"iss": "https://b.test"}, "issuer"), ({"iss": 5}, "type"), ({"aud": "x"}, "not for the client"),
        ({"aud": []}, "not for the client"), ({"aud": ["cafe", "x"]}, "several clients"),
        ({"aud": ["cafe", "x"], "azp": "x"}, "azp"), ({"azp": "x"}, "azp"), ({"exp": NOW - 61}, "expired"),
        ({"exp": "soon"}, "type"), ({"iat": NOW + 61}, "not valid yet"), ({"nbf": NOW + 61}, "not valid yet"),
        ({"nonce": "m"}, "nonce"), ({"nonce": None}, "nonce"), ({"at_hash": "x"}, "at_hash"), ({"sub": ""}, "sub"),
        ({"sub": "a\r\nX: y"}, "sub"), ({"sub": "ä"}, "sub"),
    ],
)  # fmt: skip
def test_each_claim(claims: dict[str, Any], reason: str) -> None:
    with pytest.raises(TokenError, match=reason):
        verified(token(claims=claims), EVERY, EXPECTED, NOW)


@pytest.mark.parametrize(
    "claims", [{"aud": ["cafe"]}, {"aud": ["cafe", "x"], "azp": "cafe"}, {"exp": NOW - 59}, {"iat": NOW + 59.5}]
)
def test_claims_that_are_as_good(claims: dict[str, Any]) -> None:
    assert verified(token(claims=claims), EVERY, EXPECTED, NOW)


@pytest.mark.parametrize(
    "wrong", ["", ".", "..", "a.b.c", "e30.e30.", "e30=.e30=.e30=", "x" * 70_000, "\ud800.e30.e30"]
)
def test_what_is_no_token(wrong: str) -> None:
    with pytest.raises(TokenError):
        verified(wrong, EVERY, EXPECTED, NOW)


def test_critical_extensions_are_not_known() -> None:
    with pytest.raises(TokenError, match="critical"):
        verified(token(crit=["b64"], b64=False), EVERY, EXPECTED, NOW)
