"""Who may ask, and how often: basic authentication and rate limits."""

from __future__ import annotations

from headgate.ir.http import BasicAuth, LimitRequests, LimitZone
from headgate.settings import Quoted, Words
from headgate.settings.registry import PREFIX
from headgate.translate import naming
from headgate.translate.draft import Draft, Member


def translate_auth(draft: Draft, member: Member) -> BasicAuth | None:
    """Return the basic authentication of *member*; a Secret that is not there makes nginx answer 403."""
    auth = member.params.auth
    if not auth.basic_auth_secret:
        return None
    secret = member.ex.secrets.get(auth.basic_auth_secret)
    file = secret.file if secret and not secret.error else f"secrets/{naming.MISSING}"
    return BasicAuth(auth.basic_auth_realm, Quoted(f"{draft.env.layout.conf}/{file}"))


def translate_limit(draft: Draft, member: Member) -> LimitRequests | None:
    """Return the rate limit of *member* and note its zone."""
    limits = member.params.limits
    if not limits.limit_req_rate:
        _idle(draft, member)
        return None
    zone = naming.limit_zone(member.ref, limits.limit_req_key, draft.salt)
    rate = _share(limits.limit_req_rate, draft.env.replicas) if limits.limit_req_scale else limits.limit_req_rate
    size = max(limits.limit_req_zone_size, naming.SMALLEST_ZONE, key=lambda size: size.bytes)
    draft.zones[zone] = LimitZone(Quoted(limits.limit_req_key), zone, size, rate)
    words = [f"zone={zone}"]
    if limits.limit_req_burst:
        words.append(f"burst={limits.limit_req_burst}")
    if limits.limit_req_no_delay:
        words.append("nodelay")
    elif limits.limit_req_delay:
        words.append(f"delay={limits.limit_req_delay}")
    return LimitRequests(Words(words), limits.limit_req_dry_run, limits.limit_req_log_level, limits.limit_req_status)


def _share(rate: str, replicas: int) -> str:
    """Return what one of *replicas* may let through of *rate* (``10r/s``), in minutes where it does not divide."""
    count, unit = int(rate[: -len("r/s")]), rate[-1]
    if count % replicas == 0:
        return f"{count // replicas}r/{unit}"
    return f"{max(count * (60 if unit == 's' else 1) // replicas, 1)}r/m"


def _idle(draft: Draft, member: Member) -> None:
    """Say which annotations shape a rate limit that is not there; a master's may be for its minions."""
    if member is draft.master and draft.master not in draft.members:
        return
    for name in member.ex.said.get("limits", ()):
        key = "limit-req-reject-code" if name == "limit_req_status" else name.replace("_", "-")
        draft.warn(member.ref, PREFIX + key, "", (f"does nothing without {PREFIX}limit-req-rate", "it has no effect"))
