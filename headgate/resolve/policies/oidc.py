"""oidc: clients log in with OpenID Connect."""

from __future__ import annotations

from headgate.api.nginx_org import policy as api
from headgate.resolve.contents import SecretKind
from headgate.resolve.policies.lowering import Lowering
from headgate.routes.policies import Oidc
from headgate.validation.oidc import OPENID, asked_urls

REDIRECT, LEFT = "/_codexch", "/_logout"


def lower_oidc(lowering: Lowering, spec: api.OIDC) -> Oidc:
    """Lower *spec* (Unusable: a Secret or a URL of it cannot be used)."""
    for field, url in asked_urls(spec).items():
        lowering.url(field, url)
    return Oidc(
        policy=lowering.policy,
        issuer=spec.issuer or "",
        authorization=spec.auth_endpoint or "",
        token=spec.token_endpoint or "",
        keys=spec.jwks_uri or "",
        end_session=spec.end_session_endpoint or "",
        client=spec.client_id,
        secret=lowering.optional_secret("clientSecret", spec.client_secret, SecretKind.OIDC),
        scopes=tuple((spec.scope or OPENID).split("+")),
        arguments="&".join(spec.auth_extra_args or ()),
        path=spec.redirect_uri or REDIRECT,
        left=spec.post_logout_redirect_uri or LEFT,
        passes=spec.access_token_enable,
        verify=spec.ssl_verify,
        authority=lowering.optional_secret("trustedCertSecret", spec.trusted_cert_secret, SecretKind.CA),
    )
