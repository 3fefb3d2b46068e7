"""Limits of connections: ``limit_conn``."""

from __future__ import annotations

from headgate.ir.http import LimitZone
from headgate.settings import Quoted, Words
from headgate.translate import naming
from headgate.translate.policies.exempt import counted
from headgate.translate.policies.parts import Part, Site


def translate_connection_limit(site: Site) -> Part:
    """Return the directives, and note the zone; all locations of an object count together."""
    found, owner = site.policies.connections, site.origin
    if found is None:
        return Part()
    key = counted(site.draft, owner, found.key, found.exempt)
    name = f"connections_{owner.namespace}_{owner.name}_{owner.kind.lower()}"
    zone = naming.hashed(name, (key,), site.draft.salt)
    site.draft.zones[zone] = LimitZone(Quoted(key), zone, found.size, "", owner)
    lines = ("limit_conn", Words((zone, str(found.most)))), ("limit_conn_status", Words((str(found.status),)))
    return Part(lines=lines)
