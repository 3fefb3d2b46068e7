"""rateLimit: how many requests are accepted."""

from __future__ import annotations

from headgate.api.nginx_org import policy as api
from headgate.resolve.policies.lowering import Lowering
from headgate.routes.policies import LimitCondition, RateLimit
from headgate.settings.values import Size, unescaped

USUAL_STATUS = 503


def lower_rate_limit(lowering: Lowering, spec: api.RateLimit) -> RateLimit:
    """Lower *spec*; nginx knows units in lower case only."""
    return RateLimit(
        policy=lowering.policy,
        key=unescaped(spec.key),
        rate=spec.rate.lower(),
        size=str(Size.parse(spec.zone_size)),
        burst=spec.burst or 0,
        delay=spec.delay or 0,
        no_delay=bool(spec.no_delay),
        dry_run=bool(spec.dry_run),
        log_level=spec.log_level or "error",
        status=spec.reject_code or USUAL_STATUS,
        scale=spec.scale,
        condition=_condition(spec.condition),
    )


def _condition(condition: api.RateLimitCondition | None) -> LimitCondition | None:
    """Return the condition; its variable is written ``$name``."""
    if condition is None:
        return None
    if condition.jwt:
        claim = condition.jwt.claim
        return LimitCondition(f"claim {claim}", condition.jwt.match, condition.default, tuple(claim.split(".")))
    if not condition.variables:
        return None
    each = condition.variables[0]
    return LimitCondition(f"${each.name.strip('${}')}", each.match, condition.default)
