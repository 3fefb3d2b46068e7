"""How several Policies of one type are combined at one place."""

from __future__ import annotations

from typing import Final, TypeVar

from headgate.resolve.policies.lowering import Unusable
from headgate.routes.policies import AccessControl, RateLimit

T = TypeVar("T")
Warned = tuple[str, str]
"""Reason and effect; two empty texts for no warning."""
FINE: Final[Warned] = ("", "")


def first(before: T, _: T) -> tuple[T, Warned]:
    """Keep the first one."""
    return before, ("is the second Policy of its type here; remove one of them", "the first one applies")


def none(_: T, __: T) -> tuple[T, Warned]:
    """Refuse both (Unusable): which keys are accepted must not depend on an order."""
    raise Unusable("is the second Policy of its type here, and there may be one; remove one of them")


def merged_access(before: AccessControl, more: AccessControl) -> tuple[AccessControl, Warned]:
    """Join the lists; where some are allowed, all others are denied, so that a list of the denied has no effect."""
    whole = AccessControl((*before.policies, *more.policies), (*before.allow, *more.allow), (*before.deny, *more.deny))
    if whole.allow and whole.deny and not (before.allow and before.deny):
        reason = "and an earlier Policy here do not fit together: one has allow and the other deny; use one of the two"
        return whole, (reason, "deny has no effect: all clients that are not allowed are denied")
    return whole, FINE


def merged_limits(before: tuple[RateLimit, ...], more: tuple[RateLimit, ...]) -> tuple[tuple[RateLimit, ...], Warned]:
    """Apply all limits; how refusals are answered and logged is one setting of nginx for all of them.

    Raises:
        Unusable: two limits on one variable are the default.
    """
    leading, added = before[0], more[0]
    own = added.condition
    if own and own.default:
        for limit in before:
            if limit.condition and limit.condition.default and limit.condition.variable == own.variable:
                raise Unusable(f"is the second default for {own.variable}, and there may be one")
    differing = [
        name
        for name, attribute in {"dryRun": "dry_run", "logLevel": "log_level", "rejectCode": "status"}.items()
        if getattr(leading, attribute) != getattr(added, attribute)
    ]
    words = ", ".join(differing)
    reason = f"differs in {words} from Policy {leading.policy.key}, which comes first"
    return (*before, *more), (reason, "what the first one says applies to all of them") if differing else FINE
