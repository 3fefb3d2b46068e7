"""Settings of the incumbent that Headgate does not have, each with the reason in messages."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping

import msgspec


class Outlook(enum.Enum):
    """Whether what is not there will be."""

    COMING = "coming"
    DECLINED = "declined"


class Absence(msgspec.Struct, frozen=True):
    """Why a setting does nothing; the reason completes the sentence "'value' is …"."""

    outlook: Outlook
    reason: str


def _declined(reason: str) -> Absence:
    return Absence(Outlook.DECLINED, reason)


_POLICIES = _declined(
    "for Policies of F5 WAF for NGINX, which needs NGINX Plus; write nginx.org/policies for all others"
)
_OIDC_ZONE = _declined(
    "the size of memory in which NGINX Plus keeps sessions; here a session is a sealed cookie, which needs none"
)
_OIDC_SIDS = _declined(
    "how long NGINX Plus remembers the sessions of providers; here a front-channel logout deletes the cookies of the "
    "browser that sends it, and nothing is remembered"
)
_ZONE_SYNC = _declined(
    "for memory that replicas of NGINX Plus share; here sessions of OpenID Connect are cookies that every replica can "
    "open, and rate limits are divided among the replicas (scale: true of a Policy)"
)
_APP_PROTECT = _declined("for F5 App Protect, closed software of NGINX Plus that Headgate does not drive")

_ANNOTATIONS: Mapping[str, Absence] = {
    "nginx.com/policies": _POLICIES,
}

_GUARDS = ("nginx.com/policies", "nginx.com/jwt-", "appprotect.f5.com/", "appprotectdos.f5.com/")
"""Annotations that restrict access: serving without them would allow requests that they deny."""

_KEYS: Mapping[str, Absence] = {
    "oidc-sids-timeout": _OIDC_SIDS,
    **{
        f"oidc-{what}-zone-size": _OIDC_ZONE
        for what in ("pkce", "id-tokens", "access-tokens", "refresh-tokens", "sids")
    },
}

_WHOLE = {"annotation": _ANNOTATIONS, "configmap": _KEYS}
_PREFIXES: Mapping[str, Mapping[str, Absence]] = {
    "annotation": {"appprotect.f5.com/": _APP_PROTECT, "appprotectdos.f5.com/": _APP_PROTECT},
    "configmap": {
        "app-protect-": _APP_PROTECT,
        "zone-sync": _ZONE_SYNC,
        "mgmt:": _declined("for NGINX Plus licences and usage reports, which open-source NGINX does not have"),
    },
}


def absence(place: str, key: str) -> Absence | None:
    """Return why *key* of *place* (``annotation`` or ``configmap``) has no effect, ``None`` if it is unknown."""
    families = (found for prefix, found in _PREFIXES[place].items() if key.startswith(prefix))
    return _WHOLE[place].get(key) or next(families, None)


def declined(place: str, key: str) -> str:
    """Return the reason why *key* of *place* has no effect, or ``""`` if it is unknown."""
    found = absence(place, key)
    return found.reason if found else ""


def guards(key: str) -> bool:
    """Whether an Ingress must not be served without what the annotation *key* asks for."""
    return key.startswith(_GUARDS)


def absences(place: str) -> Iterator[tuple[str, Absence]]:
    """Yield key (``prefix*`` for a family) and Absence of everything that is not there at *place*."""
    yield from _WHOLE[place].items()
    yield from ((f"{prefix}*", found) for prefix, found in _PREFIXES[place].items())
