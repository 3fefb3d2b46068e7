"""hsts: Strict-Transport-Security of a server (RFC 6797)."""

from __future__ import annotations

from headgate.ir.http import Hsts
from headgate.routes import policies as routes
from headgate.settings import Quoted


def translate_hsts(found: routes.Hsts) -> Hsts:
    """Return the header, for requests over TLS, or of those over TLS to a proxy in front."""
    words = [f"max-age={found.max_age}"]
    words += ["includeSubDomains"] if found.include_subdomains else []
    words += ["preload"] if found.preload else []
    value = Quoted("; ".join(words))
    if found.behind_proxy:
        return Hsts(value, "$http_x_forwarded_proto", "https")
    return Hsts(value, "$https", "on")
