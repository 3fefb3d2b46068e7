"""Header lists, each in full: nginx inherits such a list whole or not at all."""

from __future__ import annotations

from functools import lru_cache

from headgate.ir.http import Hsts
from headgate.settings import ConfigParams, Header, Quoted, Words
from headgate.settings.headers import HeaderSettings

HSTS = "Strict-Transport-Security"
HSTS_VARIABLE = Quoted("$hsts_header_val")
ALT_SVC = "Alt-Svc"
ALT_SVC_VARIABLE = Quoted("$headgate_alt_svc")
NOTHING = Header("X-Headgate", Quoted(""))
"""A header without a value is not sent, but it ends the inheritance of the list above."""


SERVER_PORT = "$server_port"
PASSED_PORT = "$headgate_server_port"
"""The port of a connection where HTTPS may arrive over a Unix socket, which has none."""


def request_headers(params: ConfigParams, *, port: str = SERVER_PORT, websocket: bool = False) -> tuple[Header, ...]:
    """Return the headers that are sent to a backend besides those of the client.

    A header of the user replaces the default of that name.

    *port* is the variable of the port on which a request came.
    """
    proto = "" if params.headers.disable_forwarded_headers else "https" if params.tls.redirect_to_https else "$scheme"
    return _sent(proto, port, websocket, not params.upstream.keepalive, params.headers.proxy_set_headers)


@lru_cache(maxsize=256)
def _sent(proto: str, port: str, websocket: bool, plain: bool, users: tuple[Header, ...]) -> tuple[Header, ...]:  # noqa: FBT001 - keys of a cache
    """Return the headers; without *proto* none of those that forward, *plain* without one about the connection."""
    headers = [("Host", "$host"), ("X-Real-IP", "$remote_addr")]
    if proto:
        headers += [
            ("X-Forwarded-For", "$proxy_add_x_forwarded_for"),
            ("X-Forwarded-Host", "$host"),
            ("X-Forwarded-Port", port),
            ("X-Forwarded-Proto", proto),
        ]
    if websocket:
        headers += [("Upgrade", "$http_upgrade"), ("Connection", "$connection_upgrade")]
    elif not plain:
        headers.append(("Connection", ""))
    own = {header.name.lower(): header for header in users}
    ours = [Header(name, Quoted(value)) for name, value in headers if name.lower() not in own]
    return (*ours, *own.values())


def response_headers(
    around: tuple[Header, ...], headers: HeaderSettings, *, own: tuple[Header, ...] | None
) -> tuple[Header, ...]:
    """Return what clients are sent, given the list *around* and that of the place itself (``add-header-inherit``)."""
    mode = headers.add_header_inherit or "on"
    if own is None:
        return () if mode == "off" else around
    if mode != "merge":
        return own
    named = {header.name.lower() for header in own}
    return (*(header for header in around if header.name.lower() not in named), *own)


def with_hsts(headers: tuple[Header, ...], hsts: Hsts | None) -> tuple[Header, ...]:
    """Return *headers* and HSTS; it must stand in every list, or the list would hide it."""
    return (*headers, Header(HSTS, HSTS_VARIABLE, always=True)) if hsts else headers


def with_alternative(headers: tuple[Header, ...], alternative: Header | None) -> tuple[Header, ...]:
    """Return *headers* and that by which clients learn of HTTP/3, unless there is one of the user's."""
    if alternative is None or any(header.name.lower() == alternative.name.lower() for header in headers):
        return headers
    return (*headers, alternative)


def printed(headers: tuple[Header, ...], around: tuple[Header, ...]) -> tuple[Header, ...] | None:
    """Return the list to print inside a block whose surroundings have *around*; ``None`` where that list holds."""
    if headers == around:
        return None
    return headers or (NOTHING,)


def proxy_redirect(params: ConfigParams) -> Words | None:
    """Return the arguments of ``proxy_redirect``; ``None`` if it is not set."""
    proxy = params.proxy
    words = (proxy.proxy_redirect_from, proxy.proxy_redirect_to)
    return Words(word for word in words if word is not None) or None


def hsts(params: ConfigParams, *, tls: bool) -> Hsts | None:
    """Return the HSTS of a host: on TLS, or behind a proxy that says it had TLS."""
    headers = params.headers
    if not headers.hsts or not (tls or headers.hsts_behind_proxy):
        return None
    domains = " includeSubDomains;" if headers.hsts_include_subdomains else ""
    value = Quoted(f"max-age={headers.hsts_max_age};{domains} preload")
    if headers.hsts_behind_proxy:
        return Hsts(value, "$http_x_forwarded_proto", "https")
    return Hsts(value, "$https", "on")


def hidden(params: ConfigParams, hsts: Hsts | None, alternative: Header | None) -> tuple[str, ...]:
    """Return the headers of backends that clients do not see; ours replaces a backend's HSTS, and its *alternative*."""
    own = (*((HSTS,) if hsts else ()), *((ALT_SVC,) if alternative else ()))
    return (*own, *params.headers.proxy_hide_headers)
