"""egressMTLS: TLS to endpoints, with a certificate of the controller."""

from __future__ import annotations

from headgate.api.nginx_org import policy as api
from headgate.resolve.contents import SecretKind
from headgate.resolve.policies.lowering import Lowering
from headgate.routes.policies import BackendTls
from headgate.settings.values import unescaped


def lower_egress_mtls(lowering: Lowering, spec: api.EgressMTLS) -> BackendTls:
    """Lower *spec* (Unusable: one of its Secrets cannot be used)."""
    usual = BackendTls(policy=lowering.policy)
    return BackendTls(
        policy=lowering.policy,
        certificate=lowering.optional_secret("tlsSecret", spec.tls_secret, SecretKind.TLS),
        authority=lowering.optional_secret("trustedCertSecret", spec.trusted_cert_secret, SecretKind.CA),
        verify=spec.verify_server,
        depth=usual.depth if spec.verify_depth is None else spec.verify_depth,
        protocols=" ".join((spec.protocols or usual.protocols).split()),
        ciphers=unescaped(spec.ciphers or usual.ciphers).strip(),
        session_reuse=spec.session_reuse is not False,
        send_name=spec.server_name,
        name=spec.ssl_name or usual.name,
    )
