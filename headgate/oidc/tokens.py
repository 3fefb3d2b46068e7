"""ID tokens: signatures (RFC 7515, 7518, 8037) and claims (OpenID Connect Core 1.0, 3.1.3.7)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

SKEW_S: Final = 60
"""Seconds by which the clock of a provider may differ."""
LONGEST: Final = 64 * 1024
LEAST_RSA_BITS: Final = 2048

_HASHES: Final[Mapping[str, Callable[[], hashes.HashAlgorithm]]] = {
    "256": hashes.SHA256,
    "384": hashes.SHA384,
    "512": hashes.SHA512,
}
_CURVES: Final[Mapping[str, ec.EllipticCurve]] = MappingProxyType(
    {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
)
_CURVE_OF: Final = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


class TokenError(Exception):
    """Why a token is not accepted, as the end of a sentence that begins with what it is."""


class UnknownKeyError(TokenError):
    """No key of the set fits the token: the provider may have new ones."""


class Jwk(msgspec.Struct, frozen=True):
    """A public key of a set (RFC 7517); fields that it does not have are empty."""

    kty: str = ""
    kid: str | None = None
    use: str | None = None
    alg: str | None = None
    n: str = ""
    e: str = ""
    crv: str = ""
    x: str = ""
    y: str = ""


class KeySet(msgspec.Struct, frozen=True):
    """A set of keys; those of types that are unknown here are in it, too."""

    keys: tuple[Jwk, ...]


class PublishedKeys(msgspec.Struct, frozen=True):
    """A set as a provider publishes it: keys that are not what RFC 7517 says do not keep the others from being used."""

    keys: tuple[msgspec.Raw, ...]

    def readable(self) -> KeySet:
        """Return the keys that can be read."""
        return KeySet(tuple(filter(None, map(_jwk, self.keys))))


class _Header(msgspec.Struct, frozen=True):
    alg: str
    kid: str | None = None
    crit: tuple[str, ...] | None = None


class Claims(msgspec.Struct, frozen=True):
    """The claims of an ID token that are looked at."""

    iss: str
    sub: str
    aud: str | tuple[str, ...]
    exp: int | float
    iat: int | float
    nbf: int | float | None = None
    azp: str | None = None
    nonce: str | None = None
    at_hash: str | None = None

    @property
    def audience(self) -> tuple[str, ...]:
        """For whom it is."""
        return (self.aud,) if isinstance(self.aud, str) else self.aud


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """What must be in a token.

    Attributes:
        client: our client ID.
        issuer: the provider, empty if it is not known.
        nonce: that of the login, ``None`` where a refresh need not have one.
        access_token: came with it, empty for none.
    """

    client: str
    issuer: str = ""
    nonce: str | None = None
    access_token: str = ""


def _jwk(data: msgspec.Raw) -> Jwk | None:
    try:
        return msgspec.json.decode(data, type=Jwk)
    except msgspec.DecodeError:
        return None


def verified(token: str, keys: KeySet, expected: Expected, now: float) -> Claims:
    """Return the claims of *token*, whose signature is of one of *keys*.

    Raises:
        UnknownKeyError: there is no key for it.
        TokenError: it is not what is *expected*.
    """
    signed, header, payload, signature = _parts(token)
    _check_signature(header, keys, signed, signature)
    try:
        claims = msgspec.json.decode(payload, type=Claims)
    except msgspec.DecodeError as error:
        raise TokenError(f"lacks a claim, or has one of another type: {error}") from None
    _check(claims, expected, now, header.alg)
    return claims


def _parts(token: str) -> tuple[bytes, _Header, bytes, bytes]:
    if len(token) > LONGEST:
        raise TokenError(f"is longer than {LONGEST} characters")
    pieces = token.split(".")
    try:
        head, payload, signature = (decoded(piece) for piece in pieces)
        header = msgspec.json.decode(head, type=_Header)
    except (ValueError, msgspec.DecodeError):
        raise TokenError("is not a signed JSON Web Token") from None
    if header.crit is not None:
        raise TokenError("has critical extensions")
    return token.rpartition(".")[0].encode(), header, payload, signature


def decoded(text: str) -> bytes:
    """Return what *text* is in base64url without padding (ValueError: it is not)."""
    if "=" in text:
        raise ValueError("padded")
    return base64.b64decode((text + "=" * (-len(text) % 4)).encode("ascii"), altchars=b"-_", validate=True)


def _check_signature(header: _Header, keys: KeySet, signed: bytes, signature: bytes) -> None:
    if header.alg not in _VERIFIERS:
        raise TokenError(f"is signed with {header.alg!r}, which is not one of {', '.join(_VERIFIERS)}")
    found = [key for key in keys.keys if _fits(key, header)]
    if not found:
        raise UnknownKeyError("is signed with a key that is not in the key set of the provider")
    for key in found:
        try:
            _VERIFIERS[header.alg](key, header.alg, signed, signature)
        except (InvalidSignature, ValueError, UnsupportedAlgorithm):
            continue
        return
    raise TokenError("has a wrong signature")


def _fits(key: Jwk, header: _Header) -> bool:
    types = {"R": "RSA", "P": "RSA", "S": "EC", "d": "OKP"}
    letter = header.alg[0] if header.alg[0] in "RP" else header.alg[1]
    return (
        key.kty == types.get(letter)
        and key.use in {None, "sig"}
        and key.alg in {None, header.alg}
        and (header.kid is None or key.kid == header.kid)
        and (header.alg not in _CURVE_OF or key.crv == _CURVE_OF[header.alg])
    )


def _number(text: str) -> int:
    return int.from_bytes(decoded(text), "big")


def _verify_rsa(key: Jwk, algorithm: str, signed: bytes, signature: bytes) -> None:
    public = rsa.RSAPublicNumbers(_number(key.e), _number(key.n)).public_key()
    if public.key_size < LEAST_RSA_BITS:
        raise ValueError("too short")
    digest = _HASHES[algorithm[2:]]()
    if algorithm.startswith("P"):
        pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
        public.verify(signature, signed, pss, digest)
    else:
        public.verify(signature, signed, padding.PKCS1v15(), digest)


def _verify_ec(key: Jwk, algorithm: str, signed: bytes, signature: bytes) -> None:
    curve = _CURVES[key.crv]
    size = (curve.key_size + 7) // 8
    if len(signature) != 2 * size:
        raise ValueError("another size")
    public = ec.EllipticCurvePublicNumbers(_number(key.x), _number(key.y), curve).public_key()
    r, s = (int.from_bytes(half, "big") for half in (signature[:size], signature[size:]))
    public.verify(encode_dss_signature(r, s), signed, ec.ECDSA(_HASHES[algorithm[2:]]()))


def _verify_edwards(key: Jwk, _: str, signed: bytes, signature: bytes) -> None:
    data = decoded(key.x)
    if key.crv == "Ed25519":
        ed25519.Ed25519PublicKey.from_public_bytes(data).verify(signature, signed)
    elif key.crv == "Ed448":
        ed448.Ed448PublicKey.from_public_bytes(data).verify(signature, signed)
    else:
        raise ValueError("another curve")


_VERIFIERS: Final[Mapping[str, Callable[[Jwk, str, bytes, bytes], None]]] = MappingProxyType(
    {
        **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), _verify_rsa),
        **dict.fromkeys(_CURVE_OF, _verify_ec),
        "EdDSA": _verify_edwards,
    }
)


def _check(claims: Claims, expected: Expected, now: float, algorithm: str) -> None:
    if fault := next(_faults(claims, expected, now, algorithm), ""):
        raise TokenError(fault)


def _faults(claims: Claims, expected: Expected, now: float, algorithm: str) -> Iterator[str]:
    if expected.issuer and claims.iss != expected.issuer:
        yield f"is of the issuer {claims.iss!r}, not {expected.issuer!r}"
    if expected.client not in claims.audience:
        yield f"is for {', '.join(claims.audience)}, not for the client {expected.client!r}"
    if len(claims.audience) > 1 and claims.azp is None:
        yield "is for several clients and does not say to whom it was issued (azp)"
    if claims.azp not in {None, expected.client}:
        yield f"was issued to {claims.azp!r} (azp), not to the client {expected.client!r}"
    if not claims.exp > now - SKEW_S:
        yield "is expired (exp)"
    if claims.iat > now + SKEW_S or (claims.nbf or 0) > now + SKEW_S:
        yield "is not valid yet (iat, nbf); compare the clocks"
    if expected.nonce is not None and not hmac.compare_digest(claims.nonce or "", expected.nonce):
        yield "is not for this login (nonce)"
    if claims.at_hash is not None and expected.access_token and claims.at_hash != _at_hash(expected, algorithm):
        yield "does not belong to the access token (at_hash)"
    if not claims.sub or not claims.sub.isprintable() or not claims.sub.isascii():
        yield "has a subject (sub) that no header can hold"


def _at_hash(expected: Expected, algorithm: str) -> str:
    digest = hashlib.new(f"sha{algorithm[2:]}" if algorithm[2:].isdigit() else "sha512", expected.access_token.encode())
    half = digest.digest()[: digest.digest_size // 2]
    return base64.urlsafe_b64encode(half).decode().rstrip("=")
