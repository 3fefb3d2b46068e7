"""``auth-tls-*`` and ``proxy-ssl-*``: certificates of clients, and TLS to backends."""

from __future__ import annotations

from collections.abc import Iterator

from headgate.api import Secret
from headgate.problems import ObjectRef, Problem
from headgate.resolve.contents import SecretKind
from headgate.resolve.search import Search
from headgate.routes import SecretReference
from headgate.routes.policies import BackendTls, ClientCertificates
from headgate.settings import COMMUNITY, Header, Quoted
from headgate.validation.community import ValidCommunityIngress

CLOSED = "its requests are answered 500"
HOST_CLOSED = "requests to its paths are answered 500"
AUTHORITIES, CERTIFICATE = "ca.crt", "tls.crt"
TOLD = {
    "ssl-client-verify": "$ssl_client_verify",
    "ssl-client-subject-dn": "$ssl_client_s_dn",
    "ssl-client-issuer-dn": "$ssl_client_i_dn",
}
"""Headers for backends about the certificate of a client."""


class Unusable(Exception):  # noqa: N818 - what the Secret is
    """A Secret cannot be used, which is reported; the message says why."""


def client_certificates(search: Search, valid: ValidCommunityIngress) -> ClientCertificates | str | None:
    """Return what *valid* asks of the clients of its hosts, or why that is not possible."""
    said, ref = valid.annotations, valid.ingress.ref
    if said.auth_tls_secret is None:
        if said.auth_tls_match_cn is None:
            return None
        return _report(search, ref, "auth-tls-match-cn", f"needs {COMMUNITY.prefix}auth-tls-secret", HOST_CLOSED)
    try:
        authority = _secret(search, ref, "auth-tls-secret", said.auth_tls_secret, SecretKind.AUTHORITY, HOST_CLOSED)
    except Unusable as error:
        return str(error)
    return ClientCertificates(
        ref,
        authority,
        said.auth_tls_verify_client,
        said.auth_tls_verify_depth or 1,
        "".join(authority.others),
        # Of the subject (RFC 4514) a part that begins so, not text inside of another part.
        subject=rf"(?:^|(?<!\\)[,+])CN=(?:{said.auth_tls_match_cn})" if said.auth_tls_match_cn else "",
        page=said.auth_tls_error_page or "",
    )


def certificate_headers(valid: ValidCommunityIngress, found: ClientCertificates | None) -> Iterator[Header]:
    """Yield the headers for backends about certificates of clients, in place of those that clients send."""
    if found is None or found.verify == "off":
        return
    passed = "$ssl_client_escaped_cert" if valid.annotations.auth_tls_pass_certificate_to_upstream else ""
    yield from (Header(name, Quoted(value)) for name, value in {**TOLD, "ssl-client-cert": passed}.items())


def backend_tls(search: Search, valid: ValidCommunityIngress) -> BackendTls | str | None:
    """Return how *valid* speaks TLS to its backends, or why it cannot."""
    said, ref = valid.annotations, valid.ingress.ref
    if said.proxy_ssl_secret is None:
        if not said.proxy_ssl_verify:
            return None
        return _report(search, ref, "proxy-ssl-verify", f"needs {COMMUNITY.prefix}proxy-ssl-secret", CLOSED)
    own = Secret.KIND.ref(ref.namespace, said.proxy_ssl_secret.rpartition("/")[2])
    has_authorities, has_pair = search.holds(own, AUTHORITIES), search.holds(own, CERTIFICATE)
    if said.proxy_ssl_verify and not has_authorities:
        return _report(search, ref, "proxy-ssl-verify", f"needs {AUTHORITIES} in Secret {own.key}", CLOSED)
    kinds = [
        *([SecretKind.AUTHORITY] if has_authorities else []),
        *([SecretKind.PAIR] if has_pair or not has_authorities else []),
    ]
    try:
        secrets = {
            kind: _secret(search, ref, "proxy-ssl-secret", said.proxy_ssl_secret, kind, CLOSED) for kind in kinds
        }
    except Unusable as error:
        return str(error)
    usual = BackendTls(policy=ref)
    return BackendTls(
        policy=ref,
        certificate=secrets.get(SecretKind.PAIR),
        authority=secrets.get(SecretKind.AUTHORITY),
        verify=said.proxy_ssl_verify,
        depth=said.proxy_ssl_verify_depth or 1,
        protocols=" ".join(said.proxy_ssl_protocols),
        ciphers=said.proxy_ssl_ciphers or usual.ciphers,
        send_name=said.proxy_ssl_server_name,
        name=said.proxy_ssl_name or usual.name,
    )


def _secret(  # noqa: PLR0913 - what is named, by whom, for what
    search: Search, ref: ObjectRef, annotation: str, text: str, kind: SecretKind, effect: str
) -> SecretReference:
    """Return the Secret called *text* (Unusable: it is missing, invalid, or of another namespace)."""
    namespace, _, name = text.rpartition("/")
    if namespace not in {"", ref.namespace}:
        raise Unusable(_report(search, ref, annotation, "is of another namespace, which is not allowed", effect, text))
    found = search.secret(ref, f"{COMMUNITY.prefix}{annotation}", name, kind, effect)
    if found.error:
        raise Unusable(f"Secret {found.ref.key} {found.error}")
    return found


def _report(  # noqa: PLR0913 - the parts of a Problem
    search: Search, ref: ObjectRef, annotation: str, reason: str, effect: str, value: str = ""
) -> str:
    search.report(Problem(ref, f"{COMMUNITY.prefix}{annotation}", value, reason, effect))
    return f"{COMMUNITY.prefix}{annotation} {reason}"
