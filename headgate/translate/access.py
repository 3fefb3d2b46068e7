"""Basic authentication and rate limits."""

from __future__ import annotations

from headgate.ir.http import BasicAuth, LimitRequests, LimitZone
from headgate.settings import Quoted
from headgate.settings.limits import LimitSettings
from headgate.translate import naming
from headgate.translate.draft import Draft, Place
from headgate.translate.policies.api_key import reads_client
from headgate.translate.policies.basic_auth import translate_passwords
from headgate.translate.policies.rate_limit import translate_rate_limits
from headgate.translate.sharing import limit_words, share


def translate_auth(draft: Draft, place: Place) -> BasicAuth | None:
    """Return the basic authentication of *place*; a Secret that is not there makes nginx answer 403."""
    if found := place.policies.passwords:
        return translate_passwords(draft, found)
    secret = place.policies.basic_auth
    if secret is None:
        return None
    file = naming.MISSING if secret.error else secret.file
    return BasicAuth(place.params.auth.basic_auth_realm, Quoted(f"{draft.env.layout.conf}/{file}"))


def translate_limit(draft: Draft, place: Place) -> LimitRequests | None:
    """Return the rate limit of *place* and note its zone."""
    limits = place.params.limits
    if not limits.limit_req_rate:
        return translate_rate_limits(draft, place.origin, place.policies.limits)
    zone = naming.limit_zone(place.origin, limits.limit_req_key, draft.salt)
    rate = share(limits.limit_req_rate, draft.env.replicas) if limits.limit_req_scale else limits.limit_req_rate
    size = max(limits.limit_req_zone_size, naming.SMALLEST_ZONE, key=lambda size: size.bytes)
    draft.zones[zone] = LimitZone(Quoted(limits.limit_req_key), zone, size, rate, place.origin)
    words = limit_words(
        zone, burst=limits.limit_req_burst, delay=limits.limit_req_delay, no_delay=limits.limit_req_no_delay
    )
    return LimitRequests(words, limits.limit_req_dry_run, limits.limit_req_log_level, limits.limit_req_status)


def warn_of_idle_limits(draft: Draft, place: Place) -> None:
    """Warn of settings of a rate limit that does not exist, and of one by API keys where no Policy has any."""
    limits = place.params.limits
    if limits.limit_req_rate:
        if reads_client(limits.limit_req_key) and not place.policies.api_keys:
            words = (
                "reads the client of an API key, and no Policy of type apiKey applies here",
                "the limit applies to no request",
            )
            draft.warn(place.origin, place.key("limit_req_key"), limits.limit_req_key, words)
        return
    for name in place.layers[-1].overrides.explicit:
        if name in LimitSettings.__struct_fields__:
            words = (f"does nothing without {place.key('limit_req_rate')}", "it has no effect")
            draft.warn(place.origin, place.key(name), "", words)
