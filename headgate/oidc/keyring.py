"""The keys that cookies are sealed with: all replicas have the same, and they are renewed with an overlap.

A key is published before it is used, so that each replica and each worker of nginx can open what any other seals; and
it stays for as long after it was used last as something sealed with it may live.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from typing import Final, Self

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
ID_CHARACTERS: Final = 8
USED_S: Final = 24 * 3600
"""Seconds for which a key seals before the next one does."""
AHEAD_S: Final = 900
"""Seconds for which a key is published before it seals."""
NGINX: Final = "session"
"""The use of a key that nginx's workers know; what they do not have to open is sealed with a key for another use."""
CONTROLLER: Final = "controller"


class SealKey(msgspec.Struct, frozen=True):
    """A key.

    Attributes:
        id: eight hexadecimal digits by which it is found.
        secret: 32 bytes, from which the key for each use is derived (RFC 5869).
        begins: when it may seal (seconds since 1970).
    """

    id: str
    secret: bytes
    begins: int

    def __repr__(self) -> str:
        """Name the key, without what it is."""
        return f"SealKey({self.id})"

    def for_use(self, use: str) -> bytes:
        """Return the key for *use*."""
        return HKDF(SHA256(), KEY_BYTES, salt=None, info=f"headgate {use}".encode()).derive(self.secret)

    @classmethod
    def random(cls, begins: int) -> Self:
        """Make a key that may seal from *begins* on."""
        return cls(secrets.token_hex(ID_CHARACTERS // 2), secrets.token_bytes(KEY_BYTES), begins)


class Keyring(msgspec.Struct, frozen=True):
    """All keys that count, the newest first. At least one."""

    keys: tuple[SealKey, ...]

    @classmethod
    def first(cls, now: int) -> Self:
        """Make one where there is none."""
        return cls((SealKey.random(now),))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read what ``encode`` wrote.

        Raises:
            ValueError: it is something else.
        """
        try:
            found = msgspec.json.decode(data, type=cls)
        except msgspec.DecodeError as error:
            raise ValueError(str(error)) from None
        if not found.keys or any(len(key.secret) != KEY_BYTES or not _is_id(key.id) for key in found.keys):
            raise ValueError(f"each key has an id of {ID_CHARACTERS} hexadecimal digits and {KEY_BYTES} bytes")
        return found

    def encode(self) -> bytes:
        """Return the keys as JSON, with the secrets in base64."""
        return msgspec.json.encode(self)

    def renewed(self, now: int, kept_s: int) -> Keyring:
        """Return the keys that should be there at *now*; the same object if these are.

        *kept_s* is for how long after it was sealed something must be opened.
        """
        keys = sorted(self.keys, key=lambda key: key.begins, reverse=True)
        if keys[0].begins + USED_S - AHEAD_S <= now:
            keys.insert(0, SealKey.random(max(now + AHEAD_S, keys[0].begins + USED_S)))
        # A key seals until the next newer one does.
        ends = [None, *(key.begins for key in keys[:-1])]
        kept = tuple(key for key, end in zip(keys, ends, strict=True) if end is None or end + kept_s > now)
        return self if kept == self.keys else Keyring(kept)

    def sealing(self, now: int) -> SealKey:
        """Return the key that seals at *now*."""
        usable = [key for key in self.keys if key.begins <= now]
        return max(usable, key=lambda key: key.begins) if usable else min(self.keys, key=lambda key: key.begins)

    def for_nginx(self) -> Mapping[str, str]:
        """Return what nginx's workers open sessions with, in base64 by the ids."""
        return {key.id: base64.b64encode(key.for_use(NGINX)).decode() for key in self.keys}

    def seal(self, data: bytes, use: str, purpose: str, now: int) -> str:
        """Seal *data* for *purpose* with the key for *use*: AES-256-GCM, a random nonce, in base64url."""
        key, nonce = self.sealing(now), secrets.token_bytes(NONCE_BYTES)
        sealed = AESGCM(key.for_use(use)).encrypt(nonce, data, purpose.encode())
        return key.id + base64.urlsafe_b64encode(nonce + sealed).decode().rstrip("=")

    def open(self, text: str, use: str, purpose: str) -> bytes | None:
        """Return what ``seal`` was given; ``None`` if *text* is not from it, or for another purpose."""
        key = next((key for key in self.keys if key.id == text[:ID_CHARACTERS]), None)
        if key is None:
            return None
        try:
            sealed = base64.b64decode(_padded(text[ID_CHARACTERS:]), altchars=b"-_", validate=True)
            return AESGCM(key.for_use(use)).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], purpose.encode())
        except (InvalidTag, ValueError):
            return None


def _padded(text: str) -> str:
    return text + "=" * (-len(text) % 4)


def _is_id(text: str) -> bool:
    return len(text) == ID_CHARACTERS and not set(text) - set("0123456789abcdef")
