"""The TLS handshake: which certificate a client is shown, or why it is turned away."""

from __future__ import annotations

from headgate.explain.answer import TlsAnswer
from headgate.explain.matching import default_of, named
from headgate.explain.nearby import covers
from headgate.explain.picture import Picture, Placed, Site
from headgate.translate.tls import SECRETS, tls_entry, tls_secret

ALERT = "(alert unrecognized_name)"


def handshake(picture: Picture, sni: str, port: int) -> TlsAnswer:
    """Return what a client that names *sni* (empty: nothing) meets on *port*, where TLS is spoken."""
    servers = [placed.server for placed in picture.placed]
    matching = named(servers, sni, port) if sni else []
    server = matching[0] if matching else default_of(servers, port)
    placed = next(found for found in picture.placed if found.server is server)
    if server.tls and server.tls.reject:
        return TlsAnswer(accepted=False, secret="", why=_refusal(placed, sni))
    if server.tls and server.tls.certificate and placed.site:
        return _shown(placed.site, placed.host, "the host has a TLS context of its own")
    return _shared(picture, sni)


def _shared(picture: Picture, sni: str) -> TlsAnswer:
    """Choose from the map of certificates, as the context of the default server does."""
    hosts = [(site, host) for site in picture.sites for host in site.master.hosts if sni and covers(host, sni)]
    for site, host in sorted(hosts, key=lambda found: found[1] != sni):
        if found := _entry(site, host):
            return found
    if picture.env.default_certificate and picture.default_secret:
        why = "no Ingress has a certificate for this name, so it is that of -default-server-tls-secret"
        return TlsAnswer(accepted=True, secret=picture.default_secret.key, why=why)
    why = "there is no certificate for this name (alert internal_error)"
    return TlsAnswer(accepted=False, secret="", why=why)


def _entry(site: Site, host: str) -> TlsAnswer | None:
    """Return the certificate of *host*, if the map has one."""
    entry = tls_entry(site.master, host)
    secret = tls_secret(site.master, entry) if entry else None
    files = {f"{SECRETS}{certificate.file}" for certificate in site.translated.certificates}
    if secret is None or secret.error or secret.file not in files:
        return None
    return _shown(site, host, f"spec.tls of {site.master.ingress.ref} names it for {host}")


def _shown(site: Site, host: str, why: str) -> TlsAnswer:
    entry = tls_entry(site.master, host)
    secret = tls_secret(site.master, entry) if entry else None
    if entry and not entry.secret_name:
        why = f"spec.tls of {site.master.ingress.ref} names no Secret for {host}, so it is that of -wildcard-tls-secret"
    return TlsAnswer(accepted=True, secret=secret.ref.key if secret else "", why=why)


def _refusal(placed: Placed, sni: str) -> str:
    """Say why a server turns clients away."""
    if not (placed.host and placed.site):
        name = sni or "clients without a server name"
        return f"no Ingress has TLS for {name}, and there is no -default-server-tls-secret {ALERT}"
    entry = tls_entry(placed.site.master, placed.host)
    secret = tls_secret(placed.site.master, entry) if entry else None
    if secret is None:
        named_ = f"Secret {entry.secret_name}" if entry and entry.secret_name else "no Secret"
        return f"spec.tls of {placed.site.master.ingress.ref} names {named_}, and no -wildcard-tls-secret helps {ALERT}"
    return f"Secret {secret.ref.key} {secret.error} {ALERT}"
