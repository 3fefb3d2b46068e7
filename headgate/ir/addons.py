"""Modules of nginx that are loaded only if a snippet or a setting needs them."""

from __future__ import annotations

import re
from typing import Final

import msgspec

HEADERS_MORE: Final = "ngx_http_headers_more_filter_module"
BROTLI: Final = "ngx_http_brotli_filter_module"
BROTLI_STATIC: Final = "ngx_http_brotli_static_module"
GEOIP2: Final = "ngx_http_geoip2_module"
MODSECURITY: Final = "ngx_http_modsecurity_module"
ADDONS: Final = (HEADERS_MORE, BROTLI, BROTLI_STATIC, GEOIP2, MODSECURITY)
"""Their names; a file of one ends with ``.so``."""
_DIRECTIVE: Final = re.compile(
    rb"(?:^|[\s;{}])(?:(?P<more>more_(?:set|clear)(?:_input)?_headers)|(?P<static>brotli_static)"
    rb"|(?P<brotli>brotli(?:_\w+)?)|(?P<geoip2>geoip2(?:_\w+)?)|(?P<modsecurity>modsecurity(?:_\w+)?))(?=\s)"
)
_MODULES: Final = {
    "more": HEADERS_MORE, "static": BROTLI_STATIC, "brotli": BROTLI, "geoip2": GEOIP2, "modsecurity": MODSECURITY,
}  # fmt: skip


class Addon(msgspec.Struct, frozen=True, order=True):
    """A module that is installed: its name, and the path of its file."""

    name: str
    path: str


def mentioned(text: bytes) -> frozenset[str]:
    """Return the names of the modules whose directives *text*, a configuration, has.

    A word in a quoted value may be taken for a directive: the module is loaded then, and does nothing.
    """
    if not any(word in text for word in (b"more_", b"brotli", b"geoip2", b"modsecurity")):
        return frozenset()
    return frozenset(_MODULES[found.lastgroup] for found in _DIRECTIVE.finditer(text) if found.lastgroup)
