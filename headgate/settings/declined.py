"""Knobs of the incumbent that Headgate does not have, each with the reason that users are told."""

from __future__ import annotations

from collections.abc import Iterator

PLUS = "a feature of NGINX Plus that Headgate does not have yet"
APP_PROTECT = "for F5 App Protect, which is closed software that Headgate does not drive"

_ANNOTATIONS = {
    "nginx.com/health-checks": PLUS,
    "nginx.com/health-checks-mandatory": PLUS,
    "nginx.com/health-checks-mandatory-queue": PLUS,
    "nginx.com/slow-start": "slow start, which open-source NGINX cannot do",
    "nginx.com/jwt-key": PLUS,
    "nginx.com/jwt-realm": PLUS,
    "nginx.com/jwt-token": PLUS,
    "nginx.com/jwt-login-url": PLUS,
    "nginx.com/sticky-cookie-services": PLUS,
    "nginx.org/sticky-cookie-services": "not there yet (sticky sessions come with dynamic endpoints)",
    "nginx.com/policies": "not there yet (Policies come with the custom resources)",
    "nginx.org/policies": "not there yet (Policies come with the custom resources)",
    "nginx.org/custom-http-errors": "not there yet",
    "nginx.org/limit-req-scale": "not there yet",
}

_GUARDS = ("nginx.org/policies", "nginx.com/policies", "nginx.com/jwt-", "appprotect.f5.com/", "appprotectdos.f5.com/")
"""Annotations that decide who may ask: to serve without them would let in whom they keep out."""

_KEYS = {
    "virtualserver-template": "not there yet (VirtualServers come with the custom resources)",
    "transportserver-template": "not there yet (TransportServers come with the custom resources)",
    "resolver-addresses": "not there yet",
    "resolver-ipv6": "not there yet",
    "resolver-valid": "not there yet",
    "resolver-timeout": "not there yet",
}

_WHOLE = {"annotation": _ANNOTATIONS, "configmap": _KEYS}
_PREFIXES = {
    "annotation": {"appprotect.f5.com/": APP_PROTECT, "appprotectdos.f5.com/": APP_PROTECT},
    "configmap": {
        "app-protect-": APP_PROTECT,
        "zone-sync": PLUS,
        "oidc-": PLUS,
        "otel-": "not there yet (OpenTelemetry)",
        "mgmt:": "for NGINX Plus licences and usage reports, which open-source NGINX does not have",
    },
}


def declined(place: str, key: str) -> str:
    """Return why *key* of *place* (``annotation`` or ``configmap``) has no effect, or ``""`` if it is unknown."""
    if key in _WHOLE[place]:
        return _WHOLE[place][key]
    return next((reason for prefix, reason in _PREFIXES[place].items() if key.startswith(prefix)), "")


def guards(key: str) -> bool:
    """Whether an Ingress must not be served without what the annotation *key* asks for."""
    return key.startswith(_GUARDS)


def declined_rows(place: str) -> Iterator[tuple[str, str]]:
    """Yield key (``prefix*`` for a family) and reason of everything declined at *place*, for the reference pages."""
    yield from _WHOLE[place].items()
    yield from ((f"{prefix}*", reason) for prefix, reason in _PREFIXES[place].items())
