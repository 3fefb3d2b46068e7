"""The rules of a Policy of type oidc over several fields."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from headgate.api.nginx_org.policy import OIDC
from headgate.validation.fields import Fault
from headgate.validation.rules import Rules

OPENID: Final = "openid"
LOGOUT: Final = "/logout"
FRONT_CHANNEL: Final = "/front_channel_logout"
RESERVED: Final = frozenset((LOGOUT, FRONT_CHANNEL))
"""Where sessions end, on every host with a Policy of this type; paths of the incumbent."""
_BEYOND_PATH: Final = re.compile(r"[$?#\"']")
"""Characters of a path that nginx or a URL would read as something else."""
_ARGUMENT: Final = re.compile(r"(?P<name>[A-Za-z0-9._~+\-]+)(?:=(?:[A-Za-z0-9._~+/:@!*(),=\-]|%[0-9A-Fa-f]{2})*)?")
_OWN_ARGUMENTS: Final = frozenset(
    ("client_id", "code_challenge", "code_challenge_method", "nonce", "redirect_uri", "response_mode", "response_type",
     "scope", "state")
)  # fmt: skip
"""What every login sets itself."""


def oidc_faults(spec: OIDC, path: str, rules: Rules) -> Iterator[Fault]:
    """Yield what is wrong with *spec*, which is at *path*."""
    if "enable-oidc" not in rules.gates:
        yield path, "", "is not permitted; start Headgate with -enable-oidc"
    yield from _provider(spec, path)
    yield from _client(spec, path)
    yield from _paths(spec, path)
    yield from _arguments(spec, path)


def _provider(spec: OIDC, path: str) -> Iterator[Fault]:
    given = {"authEndpoint": spec.auth_endpoint, "tokenEndpoint": spec.token_endpoint, "jwksURI": spec.jwks_uri}
    for name in (name for name, value in given.items() if not value and not spec.issuer):
        yield f"{path}.{name}", "", "is missing; it is needed unless the issuer is given"
    if spec.issuer is not None and not spec.issuer:
        yield f"{path}.issuer", "", "is empty, so that the issuer of tokens would not be compared; leave it out"
    if spec.trusted_cert_secret and not spec.ssl_verify:
        yield f"{path}.trustedCertSecret", spec.trusted_cert_secret, "needs sslVerify: true"


def _client(spec: OIDC, path: str) -> Iterator[Fault]:
    if bool(spec.client_secret) == spec.pkce_enable:
        found = "has both" if spec.pkce_enable else "has neither"
        reason = f"must have exactly one of clientSecret, pkceEnable: true, and {found}; PKCE is used with both"
        yield f"{path}.clientSecret", spec.client_secret or "", reason
    scopes = (spec.scope or OPENID).split("+")
    if OPENID not in scopes or "" in scopes:
        yield f"{path}.scope", spec.scope or "", f"must contain {OPENID}, and have one + between two scopes"


def _paths(spec: OIDC, path: str) -> Iterator[Fault]:
    if spec.post_logout_redirect_uri and not (spec.end_session_endpoint or spec.issuer):
        yield f"{path}.postLogoutRedirectURI", spec.post_logout_redirect_uri, "needs endSessionEndpoint"
    for name, text in (("redirectURI", spec.redirect_uri), ("postLogoutRedirectURI", spec.post_logout_redirect_uri)):
        if text and (found := _BEYOND_PATH.search(text)):
            yield f"{path}.{name}", text, f"has a {found[0]} in it"
        elif text in RESERVED:
            yield f"{path}.{name}", text, "is where clients log out; use another path"
    if spec.redirect_uri and spec.redirect_uri == spec.post_logout_redirect_uri:
        yield f"{path}.redirectURI", spec.redirect_uri, "is the postLogoutRedirectURI, too; use another path"


def _arguments(spec: OIDC, path: str) -> Iterator[Fault]:
    for index, text in enumerate(spec.auth_extra_args or ()):
        for argument in text.split("&"):
            if not (found := _ARGUMENT.fullmatch(argument)):
                yield f"{path}.authExtraArgs[{index}]", text, "is not an argument of a URL, such as prompt=login"
            elif found["name"] in _OWN_ARGUMENTS:
                yield f"{path}.authExtraArgs[{index}]", text, f"sets {found['name']}, which belongs to the login itself"


def asked_urls(spec: OIDC) -> dict[str, str]:
    """Return the URLs that Headgate asks, by their fields; the issuer is asked for what the Policy does not name."""
    whole = spec.auth_endpoint and spec.token_endpoint and spec.jwks_uri
    given = {
        "issuer": None if whole else spec.issuer, "tokenEndpoint": spec.token_endpoint, "jwksURI": spec.jwks_uri,
    }  # fmt: skip
    return {field: url for field, url in given.items() if url}


def _unverified(spec: OIDC) -> Iterator[tuple[str, str, str, str]]:
    """Yield that somebody else could answer in place of the provider."""
    asked = asked_urls(spec)
    plain = [field for field, url in asked.items() if url.startswith("http:")]
    effect = "anybody who can answer in place of the provider decides who is logged in"
    if plain:
        yield "spec.oidc", "", f"asks {', '.join(plain)} without TLS", effect
    elif asked and not spec.ssl_verify:
        yield "spec.oidc", "", f"asks {', '.join(asked)} without sslVerify: true", effect


def oidc_doubts(spec: OIDC) -> Iterator[tuple[str, str, str, str]]:
    """Yield what is likely a mistake, or has no effect: field, value, reason and effect."""
    yield from _unverified(spec)
    if spec.zone_sync_leeway is not None:
        reason = "is for replicas of NGINX Plus; here every replica can open a session as soon as the browser has it"
        yield "spec.oidc.zoneSyncLeeway", str(spec.zone_sync_leeway), reason, "it has no effect"
    if spec.ssl_verify_depth is not None:
        reason = "limits the length of the certificate chain of the provider, which Headgate does not"
        yield "spec.oidc.sslVerifyDepth", str(spec.ssl_verify_depth), reason, "a chain may be longer"
