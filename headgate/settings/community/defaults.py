"""What holds for the community's Ingresses without annotations, where ingress-nginx and the F5 controller differ."""

from __future__ import annotations

from headgate.settings.dialect import COMMUNITY
from headgate.settings.overrides import Overrides
from headgate.settings.values import Duration

DEFAULTS = Overrides(
    explicit={
        "proxy_connect_timeout": Duration("5s"),
        "proxy_next_upstream_tries": 3,
        "proxy_buffering": False,
        "proxy_redirect_from": "off",
        "lb_method": None,
        "max_fails": 0,
        "http_redirect_code": 308,
        "http2": True,
        "server_tokens": False,
        "ssl_redirect": False,
    },
    dialect=COMMUNITY,
)
"""The redirect to HTTPS is one of routes, not of the host; HSTS, of the host, is in its Policies."""
HSTS_MAX_AGE = 31_536_000
