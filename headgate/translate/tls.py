"""How hosts speak TLS: one context for all, certificates chosen by server name through a map.

A host with ciphers or ports of its own gets a context of its own, which costs 0.7 ms at each reload.
"""

from __future__ import annotations

from collections.abc import Iterator

from headgate.ir.http import Certificate, Redirect, Tls, VariableMap
from headgate.ir.layout import SECRETS_FOLDER
from headgate.problems import ObjectRef
from headgate.routes import HttpsRedirect, Route, VirtualHost
from headgate.settings import Quoted
from headgate.settings.tls import TlsSettings
from headgate.translate import naming
from headgate.translate.challenges import unchallenged
from headgate.translate.draft import Draft

WITHOUT_SLASH = "uri_without_slash"
FORWARDED_SCHEME = "forwarded_scheme"


def translate_tls(draft: Draft, host: VirtualHost) -> Tls | None:
    """Decide how *host* speaks TLS and note its certificate; ``None`` for plain HTTP.

    A Secret that is missing or unusable refuses the handshake (``unrecognized_name``), as the incumbent does.
    """
    if not host.name:
        return Tls(reject=draft.env.default_certificate is None)
    if host.tls is None:
        return None
    secret = host.tls.secret
    if secret is None and host.policies.client_certificates and host.tls.default and draft.env.default_certificate:
        # Only a context of its own asks clients for certificates.
        return Tls(certificates=(Quoted(f"$secret_dir_path/{certificate_file(draft.env.default_certificate)}"),))
    if secret is None or secret.error:
        return Tls(reject=not host.tls.default or draft.env.default_certificate is None)
    _warn_of_protocols(draft, host)
    file = certificate_file(secret.file)
    own = _own_context(draft, host)
    draft.certificates.append(Certificate(naming.sni(host.name), file, host.name, own))
    files = (certificate_file(each.file) for each in host.tls.secrets)
    return Tls(certificates=tuple(Quoted(f"$secret_dir_path/{each}") for each in files) if own else ())


def certificate_file(name: str) -> str:
    """Return the entry in the map of certificates of the file called *name*, which lies below ``secrets/``."""
    return name.removeprefix(f"{SECRETS_FOLDER}/")


def redirects(draft: Draft, host: VirtualHost, tls: Tls | None, *, plain: bool) -> Iterator[Redirect]:
    """Yield the redirects to HTTPS: from plain HTTP, and from a proxy in front that had plain HTTP."""
    params = draft.host(host).params
    yield from _to_https(draft, host.origin, host.redirect)
    if tls and plain and params.tls.ssl_redirect:
        port = next((listener.port for listener in host.listeners if listener.tls), draft.env.https_port)
        url = Quoted(f"https://$host:{port}$request_uri")
        yield Redirect("$scheme", params.tls.http_redirect_code, url, unchallenged(draft, host, "$scheme"))
    if params.tls.redirect_to_https:
        code = params.tls.http_redirect_code
        url, source = Quoted("https://$host$request_uri"), "$http_x_forwarded_proto"
        yield Redirect(source, code, url, unchallenged(draft, host, source))


def route_redirects(draft: Draft, route: Route) -> tuple[Redirect, ...]:
    """Return the redirects to HTTPS of the location of *route*."""
    return tuple(_to_https(draft, route.origin, route.redirect))


def _to_https(draft: Draft, origin: ObjectRef, found: HttpsRedirect | None) -> Iterator[Redirect]:
    """Yield the redirects that *found* asks for on behalf of *origin*."""
    if found is None:
        return
    port = found.port or (draft.env.https_port if found.ported else 0)
    asked = "$request_uri" if found.slash else _without_slash(draft, origin)
    url = Quoted(f"https://$host{f':{port}' if port else ''}{asked}")
    yield Redirect(_forwarded_scheme(draft, origin) if found.forwarded else "$scheme", found.code, url)


def _forwarded_scheme(draft: Draft, origin: ObjectRef) -> str:
    """Note the map to the scheme that a proxy in front says, or else that of the connection; return its variable."""
    name = draft.variable(origin, FORWARDED_SCHEME)
    source = "$http_x_forwarded_proto"
    lines = ((Quoted(""), Quoted("$scheme")), (Quoted("default"), Quoted(source)))
    draft.maps[name] = VariableMap(Quoted(source), name, lines, origin)
    return f"${name}"


def _without_slash(draft: Draft, origin: ObjectRef) -> str:
    """Note the map from what is asked for to the same without a slash at its end; return its variable."""
    name = draft.variable(origin, WITHOUT_SLASH)
    lines = ((Quoted("~^(.*)/$"), Quoted("$1")), (Quoted("default"), Quoted("$request_uri")))
    draft.maps[name] = VariableMap(Quoted("$request_uri"), name, lines, origin)
    return f"${name}"


def _own_context(draft: Draft, host: VirtualHost) -> bool:
    place, common = draft.host(host), draft.env.params.tls
    by_snippet = any(name.startswith("ssl_") for name in place.server_snippet.names)
    if host.policies.client_certificates or (host.tls and host.tls.second):
        return True
    return by_snippet or _differ(place.params.tls, common) or any(listener.tls for listener in host.listeners)


def _warn_of_protocols(draft: Draft, host: VirtualHost) -> None:
    """Warn of a snippet that nginx reads and does not heed."""
    place, capabilities = draft.host(host), draft.env.capabilities
    if place.server_snippet.has("ssl_protocols") and not capabilities.protocols_by_host:
        version = ".".join(map(str, capabilities.version))
        words = (f"sets ssl_protocols, which nginx before 1.29.2 ignores for a single host; this is nginx {version}",
                 "the protocols of the ConfigMap are used")  # fmt: skip
        draft.warn(place.origin, place.key("server_snippets"), "", words)


def _differ(own: TlsSettings, common: TlsSettings) -> bool:
    """Whether two hosts cannot share a TLS context."""
    ciphers = own.ssl_ciphers != common.ssl_ciphers
    return ciphers or own.ssl_prefer_server_ciphers != common.ssl_prefer_server_ciphers
