"""Parameters of Diffie-Hellman key exchange: nginx would refuse everything together with broken ones."""

from __future__ import annotations

import base64

from headgate.settings.parsers import Unfit, accepts, matching

_pem = matching(
    r"-----BEGIN DH PARAMETERS-----\s[A-Za-z0-9+/=\s]+-----END DH PARAMETERS-----",
    "PEM of DH parameters (-----BEGIN DH PARAMETERS-----)",
)
SEQUENCE, INTEGER, LONG_FORM = 0x30, 0x02, 0x80
"""Tags and the mark of a length of several bytes (X.690)."""
FEWEST_BITS = 2048
"""RFC 9325; OpenSSL refuses shorter groups at its usual security level."""
FFDHE2048 = """-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
-----END DH PARAMETERS-----"""
"""A group that is safe to share (RFC 7919, appendix A.1)."""


@accepts("DH parameters in PEM form, of 2048 bits or more", example=FFDHE2048)
def dh_parameters(text: str) -> str:
    """Parse Diffie-Hellman parameters (PKCS #3, RFC 7468): nginx would refuse everything together with broken ones."""
    pem = _pem(text)
    try:
        der = base64.b64decode("".join(pem.splitlines()[1:-1]), validate=True)
        prime, rest = _integer(_content(der, SEQUENCE)[0])
        _integer(rest)
    except (ValueError, IndexError):
        raise Unfit("PEM without DH parameters in it; make them with `openssl dhparam 2048`") from None
    if prime.bit_length() < FEWEST_BITS:
        raise Unfit(f"a group of {prime.bit_length()} bits; use {FEWEST_BITS} or more")
    return pem


def _integer(der: bytes) -> tuple[int, bytes]:
    """Return the integer that *der* begins with, and the rest."""
    content, rest = _content(der, INTEGER)
    return int.from_bytes(content, "big"), rest


def _content(der: bytes, tag: int) -> tuple[bytes, bytes]:
    """Return the content of the element that *der* begins with, and the rest (ValueError, IndexError: it has none)."""
    if der[0] != tag:
        raise ValueError("another tag")
    size, start = der[1], 2
    if size & LONG_FORM:
        start += size - LONG_FORM
        size = int.from_bytes(der[2:start], "big")
    if len(der) < start + size:
        raise ValueError("cut short")
    return der[start : start + size], der[start + size :]
