"""Why a resource keeps server blocks, in the words of its settings. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

STREAMS: Final = "it has listeners for TCP, UDP or TLS passthrough"
NO_HOST: Final = "it has no host"
LISTENS: Final = "it has listeners of its own"
TLS: Final = "its TLS settings, or handshakes for it are refused"
PATH: Final = "a path has characters that nginx must escape in a redirect"
INSTEAD: Final = "its redirect to HTTPS depends on other variables"
REGULAR: Final = "a path is a regular expression that not every nginx takes, or with named groups"
CAPTURES: Final = "a header or an answer with a part of a path that is a regular expression ($1)"
REWRITTEN: Final = "a path is changed by variables, or by a regular expression, that not every nginx takes"
GRPC_TOKENS: Final = "gRPC, and server-tokens of its own"
CONDITIONS: Final = "a Policy, or conditions that read variables, or expressions, that not every nginx takes"
POLICY: Final = "a Policy, or client addresses"
PROTOCOL: Final = "a backend speaks FastCGI, or the protocol of the client"
PAGES: Final = "custom error pages"
LINES: Final = "settings of a route that shared locations do not have"

_FIELDS: Final = {
    "zones": "a rate limit",
    "caches": "a cache of responses",
    "snippet": "a snippet",
    "members": "names of backends that nginx resolves",
    "follows": "it has listeners of its own",
    "server: limit": "a rate limit",
    "server: error_page": "custom error pages",
    "server: variables": "variables that logs or templates read",
    "server: access_log_off": "access-log-off",
    "server: snippet": "a snippet of the server",
    "server: gunzip": "gunzip",
    "server: refused": "its requests are answered 500",
    "server: jwt": "a JSON Web Token",
    "server: secure_only": "requests in plain HTTP are refused",
    "location: error_page": "custom error pages",
    "location: limit": "a rate limit",
    "location: variables": "variables that logs or templates read",
    "location: snippet": "a snippet of a route",
    "location: refused": "requests of a route are answered 500",
    "location: jwt": "a JSON Web Token",
    "location: jwt_first": "a JSON Web Token",
    "location: claims": "claims of a JSON Web Token",
    "location: handles_access": "a snippet of a route",
    "location: checks": "a Policy that keeps clients out",
    "location: queue": "requests that wait for an endpoint",
    "location: reads_body": "requests that wait for an endpoint",
    "location: aside": "a Policy that keeps clients out",
}


def differing(found: msgspec.Struct, empty: msgspec.Struct, place: str) -> Iterator[str]:
    """Yield the fields in which *found* is not *empty*, in words where there are some; *place* begins their names."""
    if found != empty:
        names = (name for name in found.__struct_fields__ if getattr(found, name) != getattr(empty, name))
        yield from (_FIELDS.get(f"{place}{name}", f"{place or 'file: '}{name}") for name in names)
