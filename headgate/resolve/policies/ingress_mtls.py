"""ingressMTLS: clients authenticate with a certificate."""

from __future__ import annotations

from headgate.api.nginx_org import policy as api
from headgate.ir.layout import SECRETS_FOLDER
from headgate.resolve.contents import SecretKind
from headgate.resolve.policies.lowering import USUAL_DEPTH, Lowering, Unusable
from headgate.routes.policies import ClientCertificates


def lower_ingress_mtls(lowering: Lowering, spec: api.IngressMTLS) -> ClientCertificates:
    """Lower *spec* (Unusable: its Secret cannot be used, or the host has no TLS)."""
    if not lowering.tls:
        raise Unusable("needs TLS for the host (spec.tls)")
    authority = lowering.secret("clientCertSecret", spec.client_cert_secret, SecretKind.CA)
    if authority.others and spec.crl_file_name:
        lowering.warn("crlFileName", f"and ca.crl of Secret {authority.ref.key} both exist", "the file is used")
    return ClientCertificates(
        lowering.policy,
        authority,
        spec.verify_client or "on",
        USUAL_DEPTH if spec.verify_depth is None else spec.verify_depth,
        f"{SECRETS_FOLDER}/{spec.crl_file_name}" if spec.crl_file_name else "".join(authority.others),
    )
