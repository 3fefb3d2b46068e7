"""cors: cross-origin requests are allowed."""

from __future__ import annotations

from headgate.api.nginx_org import policy as api
from headgate.resolve.policies.lowering import Lowering
from headgate.routes.policies import Cors

USUAL_AGE = 86_400
"""Seconds, as the definition of the resource has it."""


def lower_cors(lowering: Lowering, spec: api.CORS) -> Cors:
    """Lower *spec*."""
    return Cors(
        policy=lowering.policy,
        origins=spec.allow_origin or (),
        methods=spec.allow_methods or (),
        headers=spec.allow_headers or (),
        exposed=spec.expose_headers or (),
        credentials=bool(spec.allow_credentials),
        max_age=USUAL_AGE if spec.max_age is None else spec.max_age,
    )
