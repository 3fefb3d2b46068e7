"""externalAuth: a service authorizes each request."""

from __future__ import annotations

from headgate.api.nginx_org import policy as api
from headgate.resolve.contents import SecretKind
from headgate.resolve.policies.lowering import USUAL_DEPTH, Lowering
from headgate.routes import Backend
from headgate.routes.policies import ExternalAuth
from headgate.validation.policy import SIGNIN_BASE

HTTP, HTTPS = 80, 443


def lower_external_auth(lowering: Lowering, spec: api.ExternalAuth) -> ExternalAuth:
    """Lower *spec* (Unusable: its Secret cannot be used)."""
    namespace, _, name = spec.auth_service_name.rpartition("/")
    namespace = namespace or lowering.policy.namespace
    usual = HTTPS if spec.ssl_enabled else HTTP
    port = spec.auth_service_ports[0] if spec.auth_service_ports else usual
    backend = Backend(
        name,
        str(port),
        namespace,
        lowering.endpoints("authServiceName", (namespace, name), port),
        tls=spec.ssl_enabled,
    )
    return ExternalAuth(
        policy=lowering.policy,
        backend=backend,
        path=spec.auth_uri,
        signin=spec.auth_signin_uri or "",
        signin_base=(spec.auth_signin_redirect_base_path or SIGNIN_BASE) if spec.auth_signin_uri else "",
        verify=spec.ssl_verify,
        depth=USUAL_DEPTH if spec.ssl_verify_depth is None else spec.ssl_verify_depth,
        authority=lowering.optional_secret("trustedCertSecret", spec.trusted_cert_secret, SecretKind.CA),
        server_name=spec.sni_name or f"{name}.{namespace}.svc",
        snippet=spec.auth_snippets or "",
    )
