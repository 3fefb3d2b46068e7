"""cors: headers of responses, and the answer to preflight requests (Fetch standard)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from headgate.ir.http import VariableMap
from headgate.routes.policies import Cors
from headgate.settings import Header, Quoted
from headgate.translate import naming
from headgate.translate.policies.parts import Part, Site

ORIGIN = "Access-Control-Allow-Origin"
HEADERS = (
    ORIGIN, "Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "Access-Control-Expose-Headers",
    "Access-Control-Allow-Credentials", "Access-Control-Max-Age",
)  # fmt: skip


def translate_cors(site: Site) -> Part:
    """Return the headers of the Policy, in place of those of backends."""
    cors = site.policies.cors
    if cors is None:
        return Part()
    headers = tuple(Header(name, Quoted(value), always=True) for name, value in _headers(site, cors))
    return Part(headers=headers, hidden=HEADERS, preflight=not site.server)


def _headers(site: Site, cors: Cors) -> Iterator[tuple[str, str]]:
    if "*" in cors.origins:
        yield ORIGIN, "*"
    elif cors.matched or len(cors.origins) > 1 or "*" in cors.origins[0]:
        yield ORIGIN, _allowed(site, cors)
        yield "Vary", "Origin"
    else:
        yield ORIGIN, cors.origins[0]
        yield "Vary", "Origin"
    lists = {HEADERS[1]: cors.methods, HEADERS[2]: cors.headers, HEADERS[3]: cors.exposed}
    yield from ((name, ", ".join(values)) for name, values in lists.items() if values)
    if cors.credentials:
        yield HEADERS[4], "true"
    if cors.max_age is not None:
        yield HEADERS[5], str(cors.max_age)


def _allowed(site: Site, cors: Cors) -> str:
    """Note the map from the origin of a request to itself, or to nothing where it is not allowed."""
    lines = tuple((Quoted(_pattern(origin)), Quoted("$http_origin")) for origin in cors.origins)
    owner, policy = site.origin, cors.policy
    name = f"cors_origin_{owner.namespace}_{owner.name}_{owner.kind.lower()}_{policy.namespace}_{policy.name}"
    name = site.draft.policy_variable(name, policy)
    rest = (Quoted("default"), Quoted(""))
    site.draft.maps[name] = VariableMap(Quoted("$http_origin"), name, (*lines, rest), owner)
    return f"${name}"


def _pattern(origin: str) -> str:
    """Return the entry of a map; a star is one label. Browsers write origins in lower case."""
    if "*" not in origin:
        return naming.map_key(origin)
    before, _, after = origin.partition("*")
    return rf"~^{re.escape(before.lower())}[^./:@]+{re.escape(after.lower())}\z"
