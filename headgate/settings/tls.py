"""TLS towards clients, and the redirects that lead there."""

from __future__ import annotations

import ssl
from functools import lru_cache
from typing import Annotated

from headgate.settings.dialect import Scope
from headgate.settings.diffie_hellman import dh_parameters
from headgate.settings.parsers import Unfit, accepts, matching, number
from headgate.settings.registry import Settings, Where, setting
from headgate.settings.values import Quoted, Words

PROTOCOLS = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
STREAMS = "The ConfigMap applies to TransportServers that terminate TLS too; in the incumbent it applies to HTTP only."
_LONGEST = 4000
"""Characters of a list that OpenSSL is asked about; nginx takes no longer argument."""
_cipher_list = matching(r"[A-Za-z0-9:,!+@=_. \-]+", "an OpenSSL cipher list (letters, digits and : , ! + - @ = _ .)")


@accepts(f"some of {', '.join(PROTOCOLS[2:])}")
def protocols(text: str) -> Words:
    """Parse the arguments of ``ssl_protocols``."""
    words = tuple(dict.fromkeys(text.split()))
    if not words or any(word not in PROTOCOLS for word in words):
        raise Unfit(f"not a list of protocols; use {', '.join(PROTOCOLS[2:])}")
    return Words(words)


@accepts("OpenSSL cipher list")
def ciphers(text: str) -> Quoted | None:
    """Parse an OpenSSL cipher list (openssl-ciphers(1)) that names some cipher; an empty text says nothing.

    Space at the ends does not count.
    """
    if not text.strip():
        return None
    found = _cipher_list(text)
    if len(found) > _LONGEST or not _finds_cipher(found):
        raise Unfit("not a list in which OpenSSL finds a cipher, for example HIGH:!aNULL:!MD5")
    return Quoted(found)


@lru_cache(maxsize=256)
def _finds_cipher(text: str) -> bool:
    """Whether OpenSSL finds a cipher in the list; nginx refuses everything together with a list that has none."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ciphers(text)
    except ssl.SSLError:
        return False
    return True


@accepts("301, 302, 307, 308")
def redirect_code(text: str) -> int:
    """Parse the status of a redirect."""
    if text.strip() not in {"301", "302", "307", "308"}:
        raise Unfit("not one of 301, 302, 307, 308")
    return int(text)


class TlsSettings(Settings):
    """Protocols, ciphers and redirects."""

    ssl_protocols: Annotated[
        Words | None,
        setting(
            "ssl-protocols",
            "TLS versions, also of TransportServers.",
            Scope.SERVER,
            Where.CONFIGMAP,
            parse=protocols,
            context="http, stream",
            example="TLSv1.2 TLSv1.3",
            differs=STREAMS,
        ),
    ] = None
    ssl_ciphers: Annotated[
        Quoted | None,
        setting(
            "ssl-ciphers",
            "OpenSSL list of ciphers for TLS up to 1.2; that of the ConfigMap applies to TransportServers too.",
            Scope.SERVER,
            parse=ciphers,
            empty=True,
            context="http, server, stream",
            example="HIGH:!aNULL:!MD5",
            narrow=True,
            differs="The annotation is validated and generated as one argument; the incumbent inserts it unchecked, "
            f"so that it can contain directives. {STREAMS}",
        ),
    ] = None
    ssl_prefer_server_ciphers: Annotated[
        bool,
        setting(
            "ssl-prefer-server-ciphers",
            "Whether the server's order of ciphers counts; the ConfigMap decides for TransportServers too.",
            Scope.SERVER,
            context="http, server, stream",
            narrow=True,
            differs="An Ingress with an invalid value is refused; the incumbent logs it and uses the default. "
            f"{STREAMS}",
        ),
    ] = False
    ssl_dhparam: Annotated[
        str | None,
        setting(
            "ssl-dhparam-file",
            "Diffie-Hellman parameters (PEM), also of TransportServers.",
            Scope.SERVER,
            Where.CONFIGMAP,
            parse=dh_parameters,
            context="http, stream",
            differs=STREAMS,
        ),
    ] = None
    http2: Annotated[
        bool,
        setting("http2", "HTTP/2 on TLS listeners; gRPC needs it.", Scope.SERVER, Where.CONFIGMAP, context="server"),
    ] = False
    http3: Annotated[
        bool,
        setting(
            "http3",
            "HTTP/3 on TLS listeners, by UDP on the same ports.",
            Scope.SERVER,
            Where.CONFIGMAP,
            directive="listen",
            context="server",
        ),
    ] = False
    http3_advertised_port: Annotated[
        int | None,
        setting(
            "http3-advertised-port",
            "Port of UDP that clients are told for the HTTPS port, if they reach it by another one than nginx has.",
            Scope.SERVER,
            Where.CONFIGMAP,
            parse=number(1, 65535),
            directive="add_header",
            context="server",
            requires="http3",
            example="443",
        ),
    ] = None
    ssl_redirect: Annotated[
        bool,
        setting(
            "ssl-redirect",
            "Redirect plain HTTP of hosts with TLS to HTTPS.",
            Scope.SERVER,
            directive="return",
            context="server",
        ),
        setting(
            "ssl-redirect",
            "Deprecated spelling of nginx.org/ssl-redirect, used where that is absent.",
            Scope.SERVER,
            Where.ANNOTATION,
            annotation="ingress.kubernetes.io/ssl-redirect",
            directive="return",
            context="server",
            yields_to="nginx.org/ssl-redirect",
            deprecated=True,
        ),
    ] = True
    redirect_to_https: Annotated[
        bool,
        setting(
            "redirect-to-https",
            "Redirect requests that a proxy in front received over plain HTTP (X-Forwarded-Proto: http).",
            Scope.SERVER,
            directive="return",
            context="server",
        ),
    ] = False
    http_redirect_code: Annotated[
        int,
        setting(
            "http-redirect-code",
            "Status of both redirects.",
            Scope.SERVER,
            parse=redirect_code,
            directive="return",
            context="server",
            example="308",
        ),
    ] = 301
