"""What a Secret holds once it is checked: the form that every type of Secret is brought into."""

from __future__ import annotations

import enum
from datetime import datetime, timedelta

import msgspec

SOON = timedelta(days=30)
"""How long before its end a certificate is complained about, unless that is more than a third of its life."""


class SecretKind(enum.Enum):
    """The uses of a Secret; the value is the ``type`` that it must have for this use, unless any may."""

    TLS = "kubernetes.io/tls"
    CA = "nginx.org/ca"
    HTPASSWD = "nginx.org/htpasswd"
    API_KEY = "nginx.org/apikey"
    JWK = "nginx.org/jwk"
    OIDC = "nginx.org/oidc"
    AUTH_FILE = "auth-file"
    """Passwords as ingress-nginx has them in one file."""
    AUTH_MAP = "auth-map"
    """The same by users."""
    AUTHORITY = "authority"
    """Authorities as ingress-nginx has them, perhaps beside a certificate."""
    PAIR = "pair"
    """A certificate and its key, likewise."""

    @property
    def any_type(self) -> bool:
        """Whether a Secret of any type may have this use."""
        return self in {SecretKind.AUTH_FILE, SecretKind.AUTH_MAP, SecretKind.AUTHORITY, SecretKind.PAIR}


class Validity(msgspec.Struct, frozen=True):
    """From when to when a certificate is valid; both with a time zone."""

    start: datetime
    end: datetime

    def warning(self, now: datetime) -> str:
        """Return what is wrong at *now*, or ``""``; the text changes only as the standing changes."""
        if now >= self.end:
            return f"has a certificate that expired on {_spoken(self.end)}, so clients refuse it; renew it"
        if now < self.start:
            return f"has a certificate that is not valid before {_spoken(self.start)}, so clients refuse it until then"
        if now >= self.end - min(SOON, (self.end - self.start) / 3):
            return f"has a certificate that expires on {_spoken(self.end)}; renew it"
        return ""


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of checking a Secret.

    Attributes:
        error: why it cannot be used, empty if it can; then there are no files.
        files: suffix of the file's name → content; the first is the one that the configuration names.
        warnings: what is doubtful and used all the same.
        validity: of its certificate, if it holds one.
        algorithm: of its private key, if it holds one with a certificate.
    """

    error: str = ""
    files: tuple[tuple[str, bytes], ...] = ()
    warnings: tuple[str, ...] = ()
    validity: Validity | None = None
    algorithm: str = ""

    @property
    def expires(self) -> datetime | None:
        """When its certificate ends, if it holds one."""
        return self.validity.end if self.validity else None

    def doubts(self, now: datetime) -> tuple[str, ...]:
        """Return the warnings, and whether the certificate's time is over or near its end at *now*."""
        late = self.validity.warning(now) if self.validity else ""
        return (*self.warnings, late) if late else self.warnings


def _spoken(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"
