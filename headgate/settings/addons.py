"""What is of modules that not every nginx has: compression with Brotli, and places of clients by GeoIP2."""

from __future__ import annotations

import re
from typing import Annotated, Final

from headgate.settings.dialect import Scope
from headgate.settings.parsers import Unfit, accepts, number
from headgate.settings.registry import Settings, Where, setting
from headgate.settings.values import Words

TYPES: Final = (
    "application/xml+rss application/atom+xml application/javascript application/x-javascript application/json"
    " application/rss+xml application/vnd.ms-fontobject application/x-font-ttf application/x-web-app-manifest+json"
    " application/xhtml+xml application/xml font/opentype image/svg+xml image/x-icon text/css text/javascript"
    " text/plain text/x-component"
)
"""The types that ingress-nginx compresses, beside text/html."""
_TYPE: Final = r"(?:\*|[A-Za-z0-9][A-Za-z0-9.+_-]*/(?:\*|[A-Za-z0-9][A-Za-z0-9.+_-]*))"
_TYPES: Final = re.compile(rf"{_TYPE}(?: +{_TYPE})*")


@accepts("types such as text/css, separated by spaces", example="text/css application/json")
def types(text: str) -> Words:
    """Parse types of content."""
    if not _TYPES.fullmatch(text.strip()):
        raise Unfit("not types such as text/css, separated by spaces")
    return Words(text.split())


class AddonSettings(Settings):
    """Settings of modules that are loaded where one of them is in use."""

    brotli: Annotated[
        bool, setting("enable-brotli", "Compress responses with Brotli.", Scope.LOCATION, Where.NOWHERE)
    ] = False
    brotli_comp_level: Annotated[
        int,
        setting("brotli-level", "How hard, from 0 to 11.", Scope.LOCATION, Where.NOWHERE, parse=number(0, 11)),
    ] = 4
    brotli_min_length: Annotated[
        int,
        setting("brotli-min-length", "The shortest, in bytes.", Scope.LOCATION, Where.NOWHERE, parse=number(0, 2**30)),
    ] = 20
    brotli_types: Annotated[
        Words,
        setting("brotli-types", "Of which types, beside text/html.", Scope.LOCATION, Where.NOWHERE, parse=types),
    ] = Words(TYPES.split())
    geoip2: Annotated[
        bool, setting("use-geoip2", "Read GeoIP2 databases into variables.", Scope.SERVER, Where.NOWHERE)
    ] = False
    geoip2_autoreload: Annotated[
        int,
        setting(
            "geoip2-autoreload-in-minutes",
            "Minutes after which nginx looks for a newer database, 0 for never.",
            Scope.SERVER,
            Where.NOWHERE,
            parse=number(0, 525_600),
        ),
    ] = 0
