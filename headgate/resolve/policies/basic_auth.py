"""basicAuth: clients authenticate with a password."""

from __future__ import annotations

from headgate.api.nginx_org import policy as api
from headgate.resolve.contents import SecretKind
from headgate.resolve.policies.lowering import Lowering
from headgate.routes.policies import Passwords
from headgate.settings.auth import realm


def lower_basic_auth(lowering: Lowering, spec: api.BasicAuth) -> Passwords:
    """Lower *spec* (Unusable: its Secret cannot be used)."""
    secret = lowering.secret("secret", spec.secret, SecretKind.HTPASSWD)
    return Passwords(lowering.policy, realm(spec.realm or ""), secret)
