"""Whether listeners speak HTTP/3, and why not. Pure.

QUIC needs TLSv1.3 (RFC 9001), and there is no PROXY protocol in it.
"""

from __future__ import annotations

from headgate.ir.snippets import read
from headgate.routes import Listener
from headgate.translate.environment import Environment

_PROTOCOL = "TLSv1.3"


def http3(env: Environment) -> bool:
    """Whether TLS listeners speak HTTP/3."""
    return env.params.tls.http3 and not without_http3(env)


def quic(env: Environment, listener: Listener) -> bool:
    """Whether *listener* speaks HTTP/3; on its port of UDP may be a listener of a TransportServer."""
    return listener.tls and http3(env) and listener.port not in env.udp_ports


def without_http3(env: Environment) -> str:
    """Return why there is no HTTP/3 even if it is wanted, empty if there can be."""
    if not env.capabilities.http3:
        version = ".".join(map(str, env.capabilities.version))
        return f"needs ngx_http_v3_module, which this nginx ({version}) does not have; it is in nginx 1.25 and newer"
    if env.params.client.proxy_protocol:
        return (
            "cannot be used with proxy-protocol, which QUIC does not have: for every request of HTTP/3 the address of "
            "the load balancer would be taken for the client's"
        )
    if _PROTOCOL not in _protocols(env):
        return f"needs {_PROTOCOL}, which ssl-protocols (or an ssl_protocols in the http-snippets) does not have"
    return ""


def _protocols(env: Environment) -> tuple[str, ...]:
    """Return the protocols of TLS in ``http {}``, where nginx's default has TLSv1.3."""
    stated = [found.arguments for found in read(env.params.snippets.http_snippets).named("ssl_protocols")]
    return tuple(stated[-1] if stated else env.params.tls.ssl_protocols or (_PROTOCOL,))
