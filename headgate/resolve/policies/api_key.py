"""apiKey: clients authenticate with an API key."""

from __future__ import annotations

from headgate.api.nginx_org import policy as api
from headgate.resolve.contents import SecretKind
from headgate.resolve.policies.lowering import Lowering
from headgate.routes.policies import ApiKeys


def lower_api_key(lowering: Lowering, spec: api.APIKey) -> ApiKeys:
    """Lower *spec* (Unusable: its Secret cannot be used)."""
    secret = lowering.secret("clientSecret", spec.client_secret, SecretKind.API_KEY)
    supplied = spec.supplied_in or api.SuppliedIn()
    return ApiKeys(lowering.policy, secret, supplied.header or (), supplied.query or ())
