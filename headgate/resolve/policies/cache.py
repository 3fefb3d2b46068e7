"""cache: responses are cached."""

from __future__ import annotations

from collections.abc import Iterator

from headgate.api.nginx_org import policy as api
from headgate.resolve.policies.lowering import Lowering
from headgate.routes.policies import Cache
from headgate.settings.values import unescaped

USUAL_KEY = "$scheme$proxy_host$request_uri"


def lower_cache(lowering: Lowering, spec: api.Cache) -> Cache:
    """Lower *spec*."""
    lock = spec.lock or api.CacheLock()
    conditions = spec.conditions or api.CacheConditions()
    return Cache(
        policy=lowering.policy,
        zone=spec.cache_zone_name,
        size=spec.cache_zone_size.lower(),
        path_parameters=tuple(_parameters(spec)),
        key=unescaped(spec.cache_key or USUAL_KEY),
        valid=_valid(spec),
        methods=spec.allowed_methods or (),
        min_uses=spec.cache_min_uses or 0,
        use_stale=spec.cache_use_stale or (),
        background_update=spec.cache_background_update,
        revalidate=spec.cache_revalidate,
        override=spec.override_upstream_cache,
        lock=lock.enable,
        lock_timeout=lock.timeout or "",
        lock_age=lock.age or "",
        no_cache=tuple(map(unescaped, conditions.no_cache or ())),
        bypass=tuple(map(unescaped, conditions.bypass or ())),
    )


def _parameters(spec: api.Cache) -> Iterator[str]:
    """Yield the parameters of ``proxy_cache_path`` but the zone."""
    manager = spec.manager or api.CacheManager()
    given = {
        "levels": spec.levels,
        "inactive": spec.inactive,
        "max_size": spec.max_size,
        "min_free": spec.min_free,
        "manager_files": manager.files,
        "manager_sleep": manager.sleep,
        "manager_threshold": manager.threshold,
    }
    yield from (f"{name}={str(value).lower()}" for name, value in given.items() if value)
    if not spec.use_temp_path:
        yield "use_temp_path=off"


def _valid(spec: api.Cache) -> tuple[tuple[str, ...], ...]:
    """Return the arguments of each ``proxy_cache_valid``."""
    if not spec.time:
        return ()
    return tuple((str(code), spec.time) for code in spec.allowed_codes) if spec.allowed_codes else ((spec.time,),)
