"""Sets of JSON Web Keys (RFC 7517), checked, and written as what nginx's workers verify signatures with.

A key is left out, with a warning, if it cannot verify one of the algorithms of RFC 7518 §3.1 and RFC 8037: it is for
encryption, of another type, or damaged. The algorithms of a key follow from its type, so that a public key is never
taken for a secret.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from headgate.api import Secret
from headgate.ir.live import LiveKey
from headgate.resolve.contents import Content

ENTRY: Final = "jwk"
"""The entry of a Secret that holds the set."""
KEYS_END: Final = "-jwk"
MOST_KEYS: Final = 64
MOST_BYTES: Final = 256 * 1024
LEAST_RSA_BITS: Final = 2048
"""What RFC 7518 §3.3 and §3.5 ask for."""
MOST_RSA_BITS: Final = 8192
"""A check of a signature costs more with each bit."""
_MOST_EXPONENT: Final = 64
"""Bits of an RSA exponent."""
_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES: Final[Mapping[str, tuple[str, type[ec.EllipticCurve], int]]] = {
    "P-256": ("ES256", ec.SECP256R1, 32),
    "P-384": ("ES384", ec.SECP384R1, 48),
    "P-521": ("ES512", ec.SECP521R1, 66),
}
_HMAC: Final = {"HS256": 32, "HS384": 48, "HS512": 64}
"""The bytes that a secret should have (RFC 7518 §3.2)."""
_TEXT: Final = re.compile(r"[A-Za-z0-9_-]+")


class KeySet(msgspec.Struct, frozen=True, gc=False):
    """A set that was read: its *keys*, what is doubtful, and why there are none; *error* is empty if there are some."""

    keys: tuple[LiveKey, ...] = ()
    doubts: tuple[str, ...] = ()
    error: str = ""


class _Unfit(Exception):  # noqa: N818 - a verdict about a key, which never leaves this module
    """Why a key is left out; the text reads after the name of the key."""


def check_key_set(secret: Secret) -> Content:
    """Check a Secret of type nginx.org/jwk; the file is never written, its content is pushed."""
    data = secret.value(ENTRY)
    if data is None:
        there = ENTRY in (secret.data or {})
        return Content(error=f"has an entry {ENTRY!r} that is not base64" if there else f"has no entry {ENTRY!r}")
    found = read_key_set(data, secrets=True)
    if found.error:
        return Content(error=found.error)
    return Content(files=((KEYS_END, msgspec.json.encode(found.keys)),), warnings=found.doubts)


def read_key_set(data: bytes, *, secrets: bool) -> KeySet:
    """Read a set, or one key; *secrets* says whether keys for ``HS…`` count, which nobody else may know."""
    if len(data) > MOST_BYTES:
        return KeySet(error=f"has a key set of more than {MOST_BYTES} bytes")
    try:
        document = json.loads(data.decode())
    except (ValueError, RecursionError):
        return KeySet(error="has a key set that is not JSON")
    entries = _entries(document)
    if entries is None:
        return KeySet(error="has a key set that is neither a list of keys ('keys') nor a key ('kty')")
    if len(entries) > MOST_KEYS:
        return KeySet(error=f"has a key set of more than {MOST_KEYS} keys")
    keys: list[LiveKey] = []
    doubts: list[str] = []
    for index, entry in enumerate(entries):
        name = _name(entry, index)
        try:
            key, doubt = _read(entry, secrets=secrets)
        except _Unfit as unfit:
            doubts.append(f"has {name} that {unfit}, and is left out")
            continue
        keys.append(key)
        if doubt:
            doubts.append(f"has {name} that {doubt}")
    if not keys:
        reasons = f": {'; '.join(doubts)}" if doubts else ""
        return KeySet(error=f"has a key set without a usable key{reasons}")
    return KeySet(tuple(keys), tuple(doubts))


def _entries(document: Any) -> list[Any] | None:
    if not isinstance(document, dict):
        return None
    if "keys" in document:
        return document["keys"] if isinstance(document["keys"], list) else None
    return [document] if "kty" in document else None


def _name(entry: Any, index: int) -> str:
    found = entry.get("kid") if isinstance(entry, dict) else None
    return f"the key {found[:64]!r}" if isinstance(found, str) and found else f"the key number {index + 1}"


def _read(entry: Any, *, secrets: bool) -> tuple[LiveKey, str]:
    """Return a key, and what is doubtful about it.

    Raises:
        _Unfit: it cannot be used.
    """
    if not isinstance(entry, dict):
        raise _Unfit("is not an object")
    kind, use, operations = entry.get("kty"), entry.get("use"), entry.get("key_ops")
    if use is not None and use != "sig":
        raise _Unfit(f"is for another use than signatures ({_short(use)})")
    if operations is not None and not (isinstance(operations, list) and "verify" in operations):
        raise _Unfit("may not verify signatures (key_ops)")
    read = _READERS.get(kind) if isinstance(kind, str) else None
    if read is None or kind is None:
        raise _Unfit(f"is of type {_short(kind)}, which is not RSA, EC, OKP or oct")
    if kind == "oct" and not secrets:
        raise _Unfit("is a secret, which a server must not give to everybody")
    algorithms, key = read(entry)
    algorithms = _allowed(algorithms, entry.get("alg"))
    if "kid" in entry and not isinstance(entry["kid"], str):
        raise _Unfit("has a kid that is not text")
    if not _is_unicode(entry.get("kid", "")):
        raise _Unfit("has a kid with half of a surrogate pair, which is no character")
    found = LiveKey(algorithms, base64.b64encode(key).decode(), entry.get("kid", ""))
    return found, _doubt(entry, kind, algorithms, key)


def _allowed(algorithms: tuple[str, ...], named: Any) -> tuple[str, ...]:
    if named is None:
        return algorithms
    if named not in algorithms:
        raise _Unfit(f"is for {_short(named)}, which is none of {', '.join(algorithms)}")
    return (named,)


def _doubt(entry: Mapping[str, Any], kind: str, algorithms: tuple[str, ...], key: bytes) -> str:
    if kind == "oct":
        least = min(_HMAC[name] for name in algorithms)
        return f"is shorter than the {least} bytes that {algorithms[0]} needs" if len(key) < least else ""
    return "has its private half beside it, which only the signer needs" if "d" in entry else ""


def _rsa(entry: Mapping[str, Any]) -> tuple[tuple[str, ...], bytes]:
    modulus, exponent = (int.from_bytes(_bytes(entry, name)) for name in ("n", "e"))
    if modulus.bit_length() < LEAST_RSA_BITS:
        raise _Unfit(f"has {modulus.bit_length()} bits, fewer than {LEAST_RSA_BITS}")
    if modulus.bit_length() > MOST_RSA_BITS or exponent.bit_length() > _MOST_EXPONENT:
        raise _Unfit(f"has more than {MOST_RSA_BITS} bits, or an exponent of more than {_MOST_EXPONENT}")
    try:
        key = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    except ValueError as error:
        raise _Unfit("is not a valid RSA key") from error
    return _RSA, key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _elliptic(entry: Mapping[str, Any]) -> tuple[tuple[str, ...], bytes]:
    name = entry.get("crv")
    if not isinstance(name, str) or name not in _CURVES:
        raise _Unfit(f"is on the curve {_short(name)}, which is not {', '.join(_CURVES)}")
    algorithm, curve, size = _CURVES[name]
    x, y = _bytes(entry, "x"), _bytes(entry, "y")
    if {len(x), len(y)} != {size}:
        raise _Unfit(f"has coordinates of {len(x)} and {len(y)} bytes, and they must have {size}")
    try:
        key = ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), curve()).public_key()
    except ValueError as error:
        raise _Unfit("is not a point of its curve") from error
    return (algorithm,), key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _edwards(entry: Mapping[str, Any]) -> tuple[tuple[str, ...], bytes]:
    if entry.get("crv") != "Ed25519":
        raise _Unfit(f"is on the curve {_short(entry.get('crv'))}, which is not Ed25519")
    try:
        key = ed25519.Ed25519PublicKey.from_public_bytes(_bytes(entry, "x"))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _Unfit("is not a valid Ed25519 key") from error
    return ("EdDSA",), key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _secret(entry: Mapping[str, Any]) -> tuple[tuple[str, ...], bytes]:
    return tuple(_HMAC), _bytes(entry, "k")


_READERS: Final = {"RSA": _rsa, "EC": _elliptic, "OKP": _edwards, "oct": _secret}


def _bytes(entry: Mapping[str, Any], name: str) -> bytes:
    """Return a member in base64url (RFC 7515 §2); padding is accepted, as some issuers write it."""
    text = entry.get(name)
    if not isinstance(text, str) or not _TEXT.fullmatch(stripped := text.rstrip("=")):
        raise _Unfit(f"has no {name} in base64url")
    try:
        return base64.b64decode(stripped + "=" * (-len(stripped) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise _Unfit(f"has no {name} in base64url") from error


def _is_unicode(text: str) -> bool:
    """Whether *text* can be written as UTF-8; the escapes of JSON can name surrogates, which cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return repr(text[:32])


def every_doubt(found: KeySet) -> Iterator[str]:
    """Yield all that is to be said about a set."""
    yield from found.doubts
    if found.error:
        yield found.error
