"""accessControl: allows or denies clients by address."""

from __future__ import annotations

from headgate.api.nginx_org import policy as api
from headgate.resolve.policies.lowering import Lowering
from headgate.routes.policies import AccessControl


def lower_access_control(lowering: Lowering, spec: api.AccessControl) -> AccessControl:
    """Lower *spec*."""
    return AccessControl((lowering.policy,), spec.allow or (), spec.deny or ())
