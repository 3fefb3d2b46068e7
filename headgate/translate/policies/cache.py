"""cache: ``proxy_cache``."""

from __future__ import annotations

from collections.abc import Iterator

from headgate.ir.http import CacheZone, Line
from headgate.routes.policies import Cache
from headgate.settings import Quoted, Words
from headgate.translate import naming
from headgate.translate.policies.parts import Part, Site

IGNORED = ("Cache-Control", "Expires", "Set-Cookie", "Vary", "X-Accel-Expires")


def translate_cache(site: Site) -> Part:
    """Return the directives of a location; nginx stores no responses of gRPC."""
    found = site.policies.cache
    if found is None or site.server:
        return Part()
    if site.grpc:
        words = "has no effect on gRPC, whose responses nginx does not store", "they are not stored"
        site.draft.warn(site.origin, "", f"Policy {found.policy.key}", words)
        return Part()
    return Part(lines=tuple(_lines(_zone(site, found), found)))


def _zone(site: Site, found: Cache) -> str:
    """Note the zone of *found*; its name has a hash of all that nginx refuses to change at a reload."""
    owner = site.origin
    name = f"{owner.namespace}_{owner.name}_{owner.kind.lower()}_{found.zone}"
    fixed = (found.size, *found.path_parameters)
    zone = naming.hashed(name, fixed, site.draft.salt)
    path = Quoted(f"{site.draft.env.layout.temp}/{zone}")
    parameters = Words(found.path_parameters)
    site.draft.caches[zone] = CacheZone(path, zone, found.size, parameters, owner)
    return zone


def _lines(zone: str, found: Cache) -> Iterator[Line]:
    yield "proxy_cache", Words((zone,))
    yield "proxy_cache_key", Words((Quoted(found.key),))
    if found.override:
        yield "proxy_ignore_headers", Words(IGNORED)
    yield from (("proxy_cache_valid", Words(words)) for words in found.valid)
    lists = {
        "proxy_cache_methods": found.methods,
        "proxy_cache_use_stale": found.use_stale,
        "proxy_no_cache": tuple(map(Quoted, found.no_cache)),
        "proxy_cache_bypass": tuple(map(Quoted, found.bypass)),
    }
    yield from ((name, Words(words)) for name, words in lists.items() if words)
    if found.min_uses:
        yield "proxy_cache_min_uses", Words((str(found.min_uses),))
    flags = {
        "proxy_cache_background_update": found.background_update,
        "proxy_cache_revalidate": found.revalidate,
        "proxy_cache_lock": found.lock,
    }
    yield from ((name, Words(("on",))) for name, given in flags.items() if given)
    times = {"proxy_cache_lock_timeout": found.lock_timeout, "proxy_cache_lock_age": found.lock_age}
    yield from ((name, Words((time,))) for name, time in times.items() if time)
