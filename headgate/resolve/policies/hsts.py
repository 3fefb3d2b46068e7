"""hsts: browsers use HTTPS only."""

from __future__ import annotations

from headgate.api.nginx_org import policy as api
from headgate.resolve.policies.lowering import Lowering, Unusable
from headgate.routes.policies import Hsts


def lower_hsts(lowering: Lowering, spec: api.HSTS) -> Hsts:
    """Lower *spec* (Unusable: the host has no TLS, and there is no proxy in front that has)."""
    if not lowering.tls and not spec.behind_proxy:
        raise Unusable("needs TLS for the host (spec.tls), or behindProxy: true")
    return Hsts(lowering.policy, spec.max_age or 0, spec.include_sub_domains, spec.preload, spec.behind_proxy)
