"""What a JSON Web Token gets at a location: the same as workers decide in ``jwt.lua``, with the reason."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_public_key

from headgate.ir.live import LiveKey, LiveToken

LONGEST: Final = 16384
LONGEST_HEADER: Final = 4096
DEEPEST: Final = 32
MOST_TRIES: Final = 8
PARTS: Final = 3
LARGEST: Final = 2**53
"""Numbers beyond that are no times."""
_TEXT: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_HASHES: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}
_SIZES: Final = {"ES256": 32, "ES384": 48, "ES512": 66}
ALGORITHMS: Final = frozenset(
    ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", *_SIZES, "EdDSA", "HS256", "HS384", "HS512")
)


class _Refused(Exception):  # noqa: N818 - a verdict, which never leaves this module
    """Why a token is refused."""


def refusal(guard: LiveToken, token: str, now: float) -> str:
    """Return why *guard* refuses *token* at the time *now* (seconds since 1970), or ``""`` if it lets it in."""
    try:
        _inspect(guard, token, now)
    except _Refused as refused:
        return str(refused)
    return ""


def _inspect(guard: LiveToken, token: str, now: float) -> None:
    if len(token) > LONGEST:
        raise _Refused("it is too long")
    parts = token.split(".")
    if len(parts) != PARTS or not all(parts) or len(parts[0]) > LONGEST_HEADER:
        raise _Refused("it is not made of three parts")
    header = _object(parts[0], "header is")
    _check_header(header)
    signature = _decoded(parts[2])
    text = f"{parts[0]}.{parts[1]}".encode()
    if signature is None or not _is_signed(guard, header, text, signature):
        raise _Refused("no key verifies its signature")
    _check_claims(guard, _object(parts[1], "claims are"), now)


def _decoded(text: str) -> bytes | None:
    """Return the bytes that *text* encodes, ``None`` unless it is their only encoding (RFC 7515 §2)."""
    if not _TEXT.fullmatch(text):
        return None
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        return None
    return data if base64.urlsafe_b64encode(data).rstrip(b"=").decode() == text else None


def _object(text: str, what: str) -> Mapping[str, Any]:
    data = _decoded(text)
    try:
        found = None if data is None else json.loads(data.decode(), object_pairs_hook=_once, parse_constant=_constant)
        if _depth(found) > DEEPEST:
            found = None
        json.dumps(found, ensure_ascii=False).encode()  # a lone surrogate is no text
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _Refused(f"its {what} not an object of JSON")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _constant(_: str) -> None:
    raise ValueError


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(_depth, inner), default=0)


def _check_header(header: Mapping[str, Any]) -> None:
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise _Refused("alg is not supported")
    if not {"crit", "b64", "zip", "enc"}.isdisjoint(header):
        raise _Refused("it has extensions that are not supported")
    if "kid" in header and not isinstance(header["kid"], str):
        raise _Refused("kid is not text")


def _check_claims(guard: LiveToken, claims: Mapping[str, Any], now: float) -> None:
    for name in ("exp", "nbf"):
        if name in claims and not _is_time(claims[name]):
            raise _Refused("exp or nbf is not a number")
    if guard.issuer and claims.get("iss") != guard.issuer:
        raise _Refused("iss is another one")
    audience = claims.get("aud")
    named = [audience] if isinstance(audience, str) else audience if isinstance(audience, list) else []
    if guard.audience and not any(isinstance(each, str) and each in guard.audience for each in named):
        raise _Refused("aud is another one")
    if "exp" in claims and now >= claims["exp"] + guard.leeway:
        raise _Refused("it is expired")
    if "nbf" in claims and now < claims["nbf"] - guard.leeway:
        raise _Refused("it is not valid yet")


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST


def _is_signed(guard: LiveToken, header: Mapping[str, Any], text: bytes, signature: bytes) -> bool:
    algorithm, name = header["alg"], header.get("kid")
    fitting = [each for each in guard.keys if algorithm in each.algorithms and (name is None or each.id in {"", name})]
    return any(_verifies(each, algorithm, text, signature) for each in fitting[:MOST_TRIES])


def _verifies(key: LiveKey, algorithm: str, text: bytes, signature: bytes) -> bool:
    data = base64.b64decode(key.key)
    if algorithm.startswith("HS"):
        return hmac.compare_digest(hmac.digest(data, text, f"sha{algorithm[2:]}"), signature)
    public = load_der_public_key(data)
    try:
        if isinstance(public, ed25519.Ed25519PublicKey):
            public.verify(signature, text)
        elif isinstance(public, ec.EllipticCurvePublicKey):
            size = _SIZES[algorithm]
            if len(signature) != 2 * size:
                return False
            pair = encode_dss_signature(int.from_bytes(signature[:size]), int.from_bytes(signature[size:]))
            public.verify(pair, text, ec.ECDSA(_HASHES[algorithm[2:]]))
        elif isinstance(public, rsa.RSAPublicKey):
            chosen = _HASHES[algorithm[2:]]
            pss = padding.PSS(padding.MGF1(chosen), padding.PSS.DIGEST_LENGTH)
            public.verify(signature, text, padding.PKCS1v15() if algorithm.startswith("RS") else pss, chosen)
    except (InvalidSignature, ValueError):
        return False
    return True
