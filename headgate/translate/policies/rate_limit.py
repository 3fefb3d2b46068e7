"""rateLimit: ``limit_req``, and maps for limits of some requests only."""

from __future__ import annotations

from collections.abc import Iterator

from headgate.ir.http import LimitRequests, LimitZone, VariableMap
from headgate.problems import ObjectRef
from headgate.routes.policies import LimitCondition, RateLimit
from headgate.settings import Quoted, Size, Words
from headgate.translate import naming
from headgate.translate.draft import Draft
from headgate.translate.policies.exempt import counted
from headgate.translate.policies.jwt import claim_variable
from headgate.translate.sharing import limit_words, share


def translate_rate_limits(draft: Draft, origin: ObjectRef, limits: tuple[RateLimit, ...]) -> LimitRequests | None:
    """Return the *limits* of a place of *origin* and note their zones; the first one says how refusals look."""
    if not limits:
        return None
    first, *more = [_parameters(draft, origin, limit, limits) for limit in limits]
    leading = limits[0]
    return LimitRequests(first, leading.dry_run, leading.log_level, leading.status, tuple(more))


def _parameters(draft: Draft, origin: ObjectRef, limit: RateLimit, limits: tuple[RateLimit, ...]) -> Words:
    key = limit.key if limit.condition is None else _conditional(draft, origin, limit, limit.condition, limits)
    key = counted(draft, origin, key, limit.exempt)
    name = f"pol_rl_{limit.policy.namespace}_{limit.policy.name}{limit.part}_{origin.namespace}_{origin.name}"
    zone = naming.hashed(f"{name}_{origin.kind.lower()}", (key,), draft.salt)
    rate = share(limit.rate, draft.env.replicas) if limit.scale else limit.rate
    size = max(Size(limit.size), naming.SMALLEST_ZONE, key=lambda size: size.bytes)
    draft.zones[zone] = LimitZone(Quoted(key), zone, size, rate, origin)
    return limit_words(zone, burst=limit.burst, delay=limit.delay, no_delay=limit.no_delay)


def _conditional(
    draft: Draft, origin: ObjectRef, limit: RateLimit, own: LimitCondition, limits: tuple[RateLimit, ...]
) -> str:
    """Note the map from the variable of a condition to the key, which is empty for requests of other limits."""
    conditions = [each.condition for each in limits if each.condition and each.condition.variable == own.variable]
    lines = tuple(_lines(limit.key, own, conditions))
    end = f"{limit.policy.namespace}_{limit.policy.name}_{naming.digest((lines, own.variable))[1:]}"
    name = naming.variable(origin, f"rl_{end}", draft.salt)
    source = f"${claim_variable(own)}" if own.claim else own.variable
    draft.maps[name] = VariableMap(Quoted(source), name, lines, origin)
    return f"${name}"


def _lines(key: str, own: LimitCondition, conditions: list[LimitCondition]) -> Iterator[tuple[Quoted, Quoted]]:
    """Yield the lines of the map; of two with the same value the first one counts."""
    seen: set[str] = set()
    for each in conditions:
        if each.value not in seen:
            yield Quoted(naming.map_key(each.value)), Quoted(key if each == own else "")
        seen.add(each.value)
    yield Quoted("default"), Quoted(key if own.default else "")
