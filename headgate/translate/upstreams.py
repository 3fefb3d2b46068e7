"""Service ports become upstreams."""

from __future__ import annotations

from headgate.ir import Layout
from headgate.ir.http import Upstream
from headgate.problems import ObjectRef
from headgate.resolve.ex import Endpoints
from headgate.settings import ConfigParams, Words

NOBODY = "nginx-502-server"
"""The socket on which nginx itself answers 502, for upstreams without endpoints."""


def translate_upstream(  # noqa: PLR0913 - a name, who asks for what, and where it comes from
    name: str, origin: ObjectRef, service: str, endpoints: Endpoints, params: ConfigParams, layout: Layout
) -> Upstream:
    """Return the upstream called *name* for a *service* of *origin*; one without endpoints answers 502."""
    settings = params.upstream
    if not endpoints.servers:
        return Upstream(name=name, servers=(f"unix:{layout.socket(NOBODY)}",), origin=origin, service=service)
    several = len(endpoints.servers) > 1
    return Upstream(
        name=name,
        servers=endpoints.servers,
        origin=origin,
        service=service,
        pods=endpoints.pods,
        parameters=_parameters(params),
        method=settings.lb_method,
        zone=Words((name, str(settings.upstream_zone_size))) if several and settings.upstream_zone_size.bytes else None,
        keepalive=settings.keepalive,
    )


def _parameters(params: ConfigParams) -> Words:
    """Return what differs from nginx's own defaults (max_fails=1 fail_timeout=10s max_conns=0)."""
    settings = params.upstream
    words = []
    if settings.max_fails != 1:
        words.append(f"max_fails={settings.max_fails}")
    if settings.fail_timeout != "10s":
        words.append(f"fail_timeout={settings.fail_timeout}")
    if settings.max_conns:
        words.append(f"max_conns={settings.max_conns}")
    return Words(words)
