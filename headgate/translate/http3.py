"""The header that announces HTTP/3 to clients of HTTPS, and what nginx needs for it once. Pure.

Browsers learn of HTTP/3 by ``Alt-Svc`` (RFC 7838). ``http3 on`` is nginx's default (ngx_http_v3_module).
"""

from __future__ import annotations

from collections.abc import Iterable

from headgate.ir.http3 import Http3
from headgate.routes import Listener
from headgate.settings import Header, Quoted
from headgate.translate import naming
from headgate.translate.environment import Environment
from headgate.translate.headers import ALT_SVC, ALT_SVC_VARIABLE
from headgate.translate.listens import addresses
from headgate.translate.quic import http3, without_http3

MAX_AGE_S = 86400


def alt_svc(env: Environment, *, tls: bool) -> Header | None:
    """Return the header by which clients of a host learn of HTTP/3, if it has *tls* and there is any."""
    return Header(ALT_SVC, ALT_SVC_VARIABLE, always=True) if tls and http3(env) else None


def http3_in_words(env: Environment) -> str:
    """Return where HTTP/3 is served, or why it is not; empty if it is not wanted."""
    if not env.params.tls.http3:
        return ""
    if reason := without_http3(env):
        return f"off: {reason}"
    port, told = env.https_port, env.params.tls.http3_advertised_port
    more = f", and clients are told {told}" if told and told != port else ""
    return f"on, by UDP on port {port}{more}"


def translate_http3(env: Environment, passed: Iterable[str] = ()) -> Http3 | None:
    """Translate what HTTP/3 needs once, ``None`` where there is none; *passed* hosts have TLS passthrough."""
    if not http3(env):
        return None
    port, told = env.https_port, env.params.tls.http3_advertised_port or env.https_port
    # Where TLS is passed on by server names, HTTPS arrives over a Unix socket, which has no port.
    keys = (str(port), *([""] if env.passthrough else []))
    others = ((str(each), None) for each in sorted(env.udp_ports))
    return Http3(
        variable=ALT_SVC_VARIABLE[1:],
        ports=tuple((Quoted(f"on:{key}"), told) for key, told in (*((key, told) for key in keys), *others)),
        max_age=MAX_AGE_S,
        passed=tuple(naming.server_name(host) for host in sorted(passed)),
        listens=tuple(addresses(env, Listener(port, tls=True))),
    )
