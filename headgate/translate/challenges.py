"""ACME challenges on the host of another object: what goes before all locations spares their paths.

nginx looks at redirects and refusals of a server before it looks for a location, so that a location cannot lift them.
"""

from __future__ import annotations

import re
from typing import Any

from headgate.ir.http import Location, VariableMap
from headgate.routes import VirtualHost
from headgate.settings import Quoted, Words
from headgate.translate.draft import Draft
from headgate.translate.paths import LocationPath

HTTPS = "$https"
"""Empty for requests in plain HTTP."""


def unchallenged(draft: Draft, host: VirtualHost, source: str, instead: str = "") -> str:
    """Note a variable that is *source*, and *instead* for the challenges of *host*; ``""`` if it has none."""
    if not host.challenges:
        return ""
    name = draft.variable(host.origin, f"unchallenged_{draft.count(host.origin, 'unchallenged')}")
    # A regular expression, because nginx compares the other entries of a map without regard to case.
    lines = [(Quoted(rf"~^{re.escape(path)}\z"), Quoted(instead)) for path in host.challenges]
    draft.maps[name] = VariableMap(Quoted("$uri"), name, (*lines, (Quoted("default"), Quoted(source))), host.origin)
    return f"${name}"


def challenge_parts(host: VirtualHost, path: LocationPath, shared: Location) -> dict[str, Any]:
    """Return the attributes by which the location of a challenge lifts what the server asks of clients."""
    if path.modifier != "=" or path.path not in host.challenges:
        return {}
    return {"open": True, "lines": (*shared.lines, ("auth_basic", Words(("off",))))}
