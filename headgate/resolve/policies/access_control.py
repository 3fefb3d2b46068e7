"""accessControl: allows or denies clients by address."""

from __future__ import annotations

from headgate.api.nginx_org import policy as api
from headgate.networks import as_compared
from headgate.resolve.policies.lowering import Lowering
from headgate.routes.policies import AccessControl


def lower_access_control(lowering: Lowering, spec: api.AccessControl) -> AccessControl:
    """Lower *spec*."""
    allow, deny = (tuple(map(as_compared, clients or ())) for clients in (spec.allow, spec.deny))
    return AccessControl((lowering.policy,), allow, deny)
