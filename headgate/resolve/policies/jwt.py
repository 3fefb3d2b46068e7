"""jwt: clients authenticate with a JSON Web Token."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import msgspec

from headgate.api.nginx_org import policy as api
from headgate.ir.live import LiveKey, LiveToken
from headgate.problems import ObjectRef, Problem
from headgate.resolve.contents import SecretKind
from headgate.resolve.jwk import every_doubt, read_key_set
from headgate.resolve.key_sets import FetchedKeys, KeySource
from headgate.resolve.policies.lowering import USUAL_DEPTH, Lowering, Unusable
from headgate.resolve.search import USED, Search
from headgate.routes.policies import Jwt
from headgate.settings.auth import token_realm
from headgate.settings.values import Duration

NO_LUA: Final = "needs the live data plane (-data-plane=live and an nginx with Lua)"
CLOSED: Final = "requests that it guards are answered 500"
WAITING: Final = "requests that it guards are answered 500 until then"


def lower_jwt(lowering: Lowering, spec: api.JWT) -> Jwt:
    """Lower *spec* (Unusable: its Secret or URL cannot be used, or nginx has no Lua)."""
    known = secret_keys(lowering, spec.secret) if spec.secret else ()
    if spec.jwks_uri:
        lowering.url("jwksURI", spec.jwks_uri)
    if not lowering.search.checks_tokens:
        raise Unusable(NO_LUA)
    found = Jwt(
        policy=lowering.policy,
        realm=str(token_realm(spec.realm)),
        token=spec.token or "",
        issuer=spec.issuer or "",
        audience=spec.audience or (),
        leeway=_seconds(spec.leeway),
        keys=spec.jwks_uri or f"Secret {lowering.policy.namespace}/{spec.secret}",
    )
    keys = _fetched(lowering, spec) if spec.jwks_uri else known
    lowering.search.guard_by_token(found, live_token(found, keys))
    return found


def secret_keys(lowering: Lowering, name: str) -> tuple[LiveKey, ...]:
    """Return the keys of a Secret (Unusable: there are none)."""
    return msgspec.json.decode(lowering.content("secret", name, SecretKind.JWK), type=tuple[LiveKey, ...])


def annotated_jwt(search: Search, origin: ObjectRef, field: str, found: Jwt, name: str) -> Jwt | str:
    """Return *found*, which annotations of *origin* ask for, with the keys of the Secret *name*, or why not."""
    reference, data = search.secret_content(origin, field, name, SecretKind.JWK, CLOSED)
    if reference.error:
        return f"needs Secret {reference.ref.key}, which {reference.error}"
    if not search.checks_tokens:
        search.report(Problem(origin, field, name, NO_LUA, CLOSED))
        return NO_LUA
    search.guard_by_token(found, live_token(found, msgspec.json.decode(data, type=tuple[LiveKey, ...])))
    return found


def live_token(found: Jwt, keys: tuple[LiveKey, ...]) -> LiveToken:
    """Return what workers are to know of *found*."""
    kind, _, name = found.token.removeprefix("$").partition("_")
    source = {"http": "http", "arg": "arg", "cookie": "cookie"}.get(kind, "authorization")
    if found.token.lower() == "$http_authorization":
        source = "authorization"
    return msgspec.convert(
        {
            "realm": found.realm,
            "source": source,
            "name": name.lower() if source in {"http", "arg"} else name if source == "cookie" else "",
            "keys": keys,
            "issuer": found.issuer,
            "audience": found.audience,
            "leeway": found.leeway,
            "login_url": found.login_url,
        },
        LiveToken,
    )


def _seconds(text: str | None) -> float:
    return Duration.parse(text).seconds if text else 0.0


def _fetched(lowering: Lowering, spec: api.JWT) -> tuple[LiveKey, ...]:
    """Return the keys of the set that is fetched, none as long as there are none, which is reported."""
    authority = (
        lowering.content("trustedCertSecret", spec.trusted_cert_secret, SecretKind.CA)
        if (spec.trusted_cert_secret)
        else b""
    )
    source = KeySource(
        url=spec.jwks_uri or "",
        period=_seconds(spec.key_cache),
        verify=spec.ssl_verify,
        depth=USUAL_DEPTH if spec.ssl_verify_depth is None else spec.ssl_verify_depth,
        authority=authority,
        server_name=(urlsplit(spec.sni_name).hostname or "") if spec.sni_enabled and spec.sni_name else "",
    )
    return _keys_of(lowering, spec, lowering.search.fetched_keys(lowering.policy, source))


def _keys_of(lowering: Lowering, spec: api.JWT, found: FetchedKeys | None) -> tuple[LiveKey, ...]:
    field, url = f"{lowering.path}.jwksURI", spec.jwks_uri or ""
    if found is None:  # the first try is under way
        return ()
    if found.data is None:
        problem = Problem(lowering.policy, field, url, f"cannot be fetched: {found.fault}", WAITING, passing=True)
        lowering.search.report(problem)
        return ()
    if found.fault:
        reason = f"cannot be fetched again: {found.fault}"
        lowering.search.report(Problem(lowering.policy, field, url, reason, "the last keys stay in use", passing=True))
    read = read_key_set(found.data, secrets=False)
    for doubt in every_doubt(read):
        lowering.search.report(Problem(lowering.policy, field, url, doubt, CLOSED if read.error else USED))
    return read.keys
