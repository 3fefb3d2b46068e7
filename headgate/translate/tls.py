"""How hosts speak TLS: one context for all, certificates chosen by server name through a map.

A host with ciphers or ports of its own gets a context of its own, which costs 0.7 ms at each reload.
"""

from __future__ import annotations

from collections.abc import Iterator

from headgate.api.networking import IngressTLS
from headgate.ir.http import Certificate, Redirect, Tls
from headgate.resolve.ex import IngressEx, SecretReference
from headgate.settings import Quoted
from headgate.translate import naming
from headgate.translate.draft import Draft

SECRETS = "secrets/"


def translate_tls(draft: Draft, host: str) -> Tls | None:
    """Decide how *host* speaks TLS and note its certificate; ``None`` for plain HTTP.

    A Secret that is missing or unusable refuses the handshake (``unrecognized_name``), as the incumbent does.
    """
    if not host:
        return Tls(reject=draft.env.default_certificate is None)
    entry = tls_entry(draft.master.ex, host)
    if entry is None:
        return None
    secret = tls_secret(draft.master.ex, entry)
    if secret is None or secret.error:
        return Tls(reject=True)
    file = secret.file.removeprefix(SECRETS)
    draft.certificates.append(Certificate(naming.sni(host), file))
    return Tls(certificate=Quoted(f"$secret_dir_path/{file}") if _own_context(draft) else None)


def redirects(draft: Draft, tls: Tls | None, *, plain: bool) -> Iterator[Redirect]:
    """Yield the redirects to HTTPS: from plain HTTP, and from a proxy in front that had plain HTTP."""
    params = draft.master.params
    if tls and plain and params.tls.ssl_redirect:
        port = (params.routing.listen_ports_ssl or (draft.env.https_port,))[0]
        yield Redirect("$scheme", params.tls.http_redirect_code, Quoted(f"https://$host:{port}$request_uri"))
    if params.tls.redirect_to_https:
        code = params.tls.http_redirect_code
        yield Redirect("$http_x_forwarded_proto", code, Quoted("https://$host$request_uri"))


def tls_entry(ex: IngressEx, host: str) -> IngressTLS | None:
    """Return what *ex* says about TLS for *host*: the first entry that names it."""
    spec = ex.ingress.spec
    return next((tls for tls in (spec and spec.tls) or () if host in (tls.hosts or ())), None)


def tls_secret(ex: IngressEx, entry: IngressTLS) -> SecretReference | None:
    """Return the Secret that *entry* names, else the wildcard certificate, if there is one."""
    return ex.secrets.get(entry.secret_name) if entry.secret_name else ex.wildcard


def _own_context(draft: Draft) -> bool:
    own, common = draft.master.params.tls, draft.env.params.tls
    ciphers = own.ssl_ciphers != common.ssl_ciphers
    order = own.ssl_prefer_server_ciphers != common.ssl_prefer_server_ciphers
    return ciphers or order or bool(draft.master.params.routing.listen_ports_ssl)
