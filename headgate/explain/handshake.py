"""The TLS handshake: which certificate a client is shown, or why it is turned away."""

from __future__ import annotations

from headgate.explain.answer import TlsAnswer
from headgate.explain.matching import default_of, named
from headgate.explain.view import ClusterView, ResourceView, ServerView, covers
from headgate.routes import VirtualHost
from headgate.translate.tls import certificate_file

ALERT = "(alert unrecognized_name)"


def handshake(view: ClusterView, sni: str, port: int) -> TlsAnswer:
    """Return what a client that names *sni* (empty: nothing) meets on *port*, where TLS is spoken."""
    servers = [found.server for found in view.servers]
    matching = named(servers, sni, port) if sni else []
    server = matching[0] if matching else default_of(servers, port)
    found = next(found for found in view.servers if found.server is server)
    if server.tls and server.tls.reject:
        where = f" on port {port}" if sni and view.has(sni) else ""
        return TlsAnswer(accepted=False, secret="", why=_refusal(found, sni, port, where))
    host = found.virtual_host
    if server.tls and server.tls.certificates and host:
        return _shown(host, "the server of this host has its own certificate")
    return _shared(view, sni)


def _shared(view: ClusterView, sni: str) -> TlsAnswer:
    """Choose from the map of certificates, as the context of the default server does."""
    covering = [
        (resource, host)
        for resource in view.resources
        for host in resource.table.hosts
        if sni and covers(host.name, sni)
    ]
    for resource, host in sorted(covering, key=lambda found: found[1].name != sni):
        if answer := _entry(resource, host):
            return answer
    if view.env.default_certificate and view.default_secret:
        why = (
            "no Ingress or VirtualServer has a certificate for this name, so that of -default-server-tls-secret is used"
        )
        return TlsAnswer(accepted=True, secret=view.default_secret.key, why=why)
    if view.env.default_certificate:
        why = "no object has a certificate for this name, so the one is used that each process makes for itself"
        return TlsAnswer(accepted=True, secret="", why=why)
    why = f"there is no certificate for this name {ALERT}"
    return TlsAnswer(accepted=False, secret="", why=why)


def _entry(resource: ResourceView, host: VirtualHost) -> TlsAnswer | None:
    """Return the certificate of *host*, if the map has one."""
    secret = host.tls.secret if host.tls else None
    files = {certificate.file for certificate in resource.translated.certificates}
    if secret is None or secret.error or certificate_file(secret.file) not in files:
        return None
    return _shown(host, f"spec.tls of {host.origin} names it for {host.name}")


def _shown(host: VirtualHost, why: str) -> TlsAnswer:
    if host.tls and not host.tls.named:
        why = f"spec.tls of {host.origin} names no Secret for {host.name}, so that of -wildcard-tls-secret is used"
    if host.tls and host.tls.second:
        why += f"; clients that cannot use it are shown that of Secret {host.tls.second.ref.key}"
    secret = host.tls.secret if host.tls else None
    return TlsAnswer(accepted=True, secret=secret.ref.key if secret else "", why=why)


def _refusal(found: ServerView, sni: str, port: int, where: str) -> str:
    """Say why a server turns clients away; *where* names the port if the host is served on another one."""
    host = found.virtual_host
    if found.unserved:
        unserved = f"no Ingress or VirtualServer serves {sni} on port {port}"
        return f"{unserved}, and the wildcard that covers it does not answer for it {ALERT}"
    if host is None or not host.name:
        name = sni or "clients without a server name"
        return (
            f"no Ingress or VirtualServer has TLS for {name}{where}, and there is no -default-server-tls-secret {ALERT}"
        )
    secret = host.tls.secret if host.tls else None
    if host.tls and host.tls.default and (secret is None or secret.error):
        return f"{host.name} has no certificate of its own, and there is no -default-server-tls-secret {ALERT}"
    if secret is None:
        secret_name = f"Secret {host.tls.named}" if host.tls and host.tls.named else "no Secret"
        return f"spec.tls of {host.origin} names {secret_name}, and no -wildcard-tls-secret helps {ALERT}"
    return f"Secret {secret.ref.key} {secret.error} {ALERT}"
