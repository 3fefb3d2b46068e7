"""ACME challenges on the host of another object: what goes before all locations spares their paths.

nginx looks at redirects and refusals of a server before it looks for a location, so that a location cannot lift them.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from headgate.ir.http import Location, VariableMap
from headgate.routes import VirtualHost
from headgate.settings import Header, Quoted, Words
from headgate.translate.draft import Draft
from headgate.translate.paths import LocationPath

HTTPS = "$https"
"""Empty for requests in plain HTTP."""
SECRET: Final = ("Authorization", "Cookie")
"""Headers of requests that are for the host and not for a solver."""
ANSWERED: Final = ("Content-Type", "Set-Cookie", "X-Content-Type-Options")
"""Headers of a solver that clients do not get."""
BYTES: Final = "application/octet-stream"


def unchallenged(draft: Draft, host: VirtualHost, source: str, instead: str = "") -> str:
    """Note a variable that is *source*, and *instead* for the challenges of *host*; ``""`` if it has none."""
    if not host.challenges:
        return ""
    name = draft.variable(host.origin, f"unchallenged_{draft.count(host.origin, 'unchallenged')}")
    # A regular expression, because nginx compares the other entries of a map without regard to case.
    lines = [(Quoted(rf"~^{re.escape(path)}\z"), Quoted(instead)) for path in host.challenges]
    draft.maps[name] = VariableMap(Quoted("$uri"), name, (*lines, (Quoted("default"), Quoted(source))), host.origin)
    return f"${name}"


class Around(msgspec.Struct, frozen=True):
    """The lists of headers around a location: of requests, of responses, and those that clients do not get."""

    requests: tuple[Header, ...]
    responses: tuple[Header, ...]
    hidden: tuple[str, ...]


def challenge_parts(host: VirtualHost, path: LocationPath, shared: Location, around: Around) -> dict[str, Any]:
    """Return the attributes by which the location of a challenge lifts what the server asks of clients.

    The solver may be somebody else's: it is sent no cookies and passwords of the host, and browsers neither show nor
    run its answer, which would have the rights of the host. The type is that of RFC 8555 (§8.3).
    """
    if path.modifier != "=" or path.path not in host.challenges:
        return {}
    sent = around.requests if shared.request_headers is None else shared.request_headers
    answered = around.responses if shared.response_headers is None else shared.response_headers
    withheld = dict.fromkeys((*around.hidden, *ANSWERED))
    return {
        "open": True,
        "jwt": "",
        "jwt_first": False,
        "session": None,
        "request_headers": (*(header for header in sent if header.name not in SECRET), *map(_without, SECRET)),
        "response_headers": answered or None,
        "added": (Header("Content-Type", Quoted(BYTES)), Header("X-Content-Type-Options", Quoted("nosniff"))),
        "lines": (
            *shared.lines,
            *(("proxy_hide_header", Words((name,))) for name in withheld),
            ("auth_basic", Words(("off",))),
        ),
    }


def _without(name: str) -> Header:
    return Header(name, Quoted(""))
