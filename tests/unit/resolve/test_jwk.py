"""Which keys of a set verify tokens, with which algorithms, and what is said of the others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headgate.resolve.jwk import MOST_BYTES, MOST_KEYS, read_key_set
from tests.tokens import ALGORITHMS, encode, key

RSA, EC, OCT = key("RS256").jwk, key("ES256").jwk, key("HS256").jwk


def read(*entries: Any, secrets: bool = True) -> Any:
    return read_key_set(json.dumps({"keys": list(entries)}).encode(), secrets=secrets)


def test_the_algorithms_of_a_key_are_those_of_its_type() -> None:
    families = {"RS": 6, "PS": 6, "ES": 1, "Ed": 1, "HS": 3}
    for name in ALGORITHMS:
        (found,) = read(key(name, "one").jwk).keys
        assert name in found.algorithms
        assert len(found.algorithms) == families[name[:2]]
        assert found.id == "one"
        (bound,) = read({**key(name).jwk, "alg": name, "use": "sig", "key_ops": ["verify"]}).keys
        assert (bound.algorithms, bound.id) == ((name,), "")


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({**RSA, "use": "enc"}, "for another use"),
        ({**RSA, "key_ops": ["sign"]}, "may not verify"),
        ({**RSA, "key_ops": "verify"}, "may not verify"),
        ({**RSA, "alg": "ES256"}, "is for 'ES256', which is none of RS256"),
        ({**RSA, "alg": "HS256"}, "is for 'HS256'"),
        ({**RSA, "alg": "none"}, "is for 'none'"),
        ({**RSA, "kid": 7}, "kid that is not text"),
        ({**RSA, "kid": "\ud800"}, "half of a surrogate pair"),
        ({**RSA, "n": RSA["n"][:300]}, "fewer than 2048"),
        ({**RSA, "n": RSA["n"] * 5}, "more than 8192 bits"),
        ({**RSA, "e": encode(b"\2")}, "not a valid RSA key"),
        ({**RSA, "n": "+/=="}, "no n in base64url"),
        ({**EC, "crv": "secp256k1"}, "on the curve 'secp256k1'"),
        ({**EC, "crv": "P-384"}, "coordinates of 32 and 32 bytes"),
        ({**EC, "y": EC["x"]}, "not a point of its curve"),
        ({**key("EdDSA").jwk, "crv": "Ed448"}, "not Ed25519"),
        ({**key("EdDSA").jwk, "x": encode(b"short")}, "not a valid Ed25519 key"),
        ({"kty": "oct"}, "no k in base64url"),
        ({"kty": "oct", "k": ""}, "no k in base64url"),
        ({"kty": ["RSA"]}, "is of type"),
        ("text", "is not an object"),
    ],
)
def test_a_key_that_cannot_be_used_is_left_out_with_the_reason(entry: Any, reason: str) -> None:
    found = read(entry, EC)
    assert len(found.keys) == 1
    assert reason in found.doubts[0]
    assert found.doubts[0].endswith("and is left out")
    alone = read(entry)
    assert alone.keys == ()
    assert reason in alone.error


def test_secrets_count_only_where_nobody_else_knows_them() -> None:
    assert read(OCT, EC, secrets=False).keys == read(EC).keys
    assert "must not give to everybody" in read(OCT, secrets=False).error


def test_what_is_doubtful_is_used() -> None:
    assert "private half" in read({**EC, "d": "AQAB"}).doubts[0]
    assert "shorter than the 32 bytes" in read({"kty": "oct", "k": "ZmFudGFzdGljand0", "kid": "0001"}).doubts[0]
    assert "shorter than the 64 bytes" in read({"kty": "oct", "k": "ZmFudGFzdGljand0", "alg": "HS512"}).doubts[0]


def test_one_key_is_a_set() -> None:
    assert len(read_key_set(json.dumps(EC).encode(), secrets=True).keys) == 1


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b"null", b'{"keys": {}}', b'{"keys": []}', b"\xff", b"{" * 100_000, b" " * (MOST_BYTES + 1)],
)
def test_what_is_no_set_has_no_keys(data: bytes) -> None:
    found = read_key_set(data, secrets=True)
    assert found.keys == ()
    assert found.error.startswith("has a key set")


def test_a_set_has_an_end() -> None:
    assert read(*[EC] * MOST_KEYS).keys
    assert "more than 64 keys" in read(*[EC] * (MOST_KEYS + 1)).error
