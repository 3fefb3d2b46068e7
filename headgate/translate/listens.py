"""Listeners become ``listen`` lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from headgate.ir.http import QUIC, Server
from headgate.ir.layout import HTTPS_SOCKET
from headgate.routes import Listener
from headgate.settings import Words
from headgate.translate.environment import Environment
from headgate.translate.quic import quic

_SOCKET = "unix:"


def listens(env: Environment, found: Iterable[Listener], *, default: bool = False) -> tuple[Words, ...]:
    """Return the arguments of every ``listen``: each port for IPv4 and, where wanted, for IPv6, or for each address.

    Plain HTTP goes first. Where TLS connections are passed on by their server name, HTTPS of the usual port arrives
    over a Unix socket; HTTP/3 does not, it has the port of UDP for itself.
    """
    lines = (line for each in sorted(found, key=_tls) for line in _lines(env, each, default=default))
    return tuple(dict.fromkeys(lines))


def _tls(listener: Listener) -> bool:
    return listener.tls


def _lines(env: Environment, listener: Listener, *, default: bool) -> Iterator[Words]:
    passed = env.passthrough and listener.tls and listener.port == env.https_port
    flags = ["ssl"] if listener.tls else []
    if listener.tls and http2(env) and not env.capabilities.http2_directive:
        flags.append("http2")
    if default:
        flags.append("default_server")
    if env.params.client.proxy_protocol or passed:
        flags.append("proxy_protocol")
    places = (f"{_SOCKET}{env.layout.socket(HTTPS_SOCKET)}",) if passed else addresses(env, listener)
    for address in places:
        yield Words((address, *flags))
    if quic(env, listener):
        # Each worker has a socket of its own, or packets of a connection reach workers that do not know it.
        first = ("reuseport", "default_server") if default else ()
        yield from (Words((address, QUIC, *first)) for address in addresses(env, listener))


def addresses(env: Environment, listener: Listener) -> Iterator[str]:
    """Yield the addresses of *listener* with its port, as ``listen`` takes them."""
    if env.addresses:
        yield from (f"{address}:{listener.port}" for address in env.addresses)
        return
    yield f"{listener.ipv4}:{listener.port}" if listener.ipv4 else str(listener.port)
    if env.ipv6:
        yield f"[{listener.ipv6 or '::'}]:{listener.port}"


def listeners(env: Environment, server: Server) -> frozenset[Listener]:
    """Return where *server* listens; the addresses of a port always go together."""
    return _listeners(server.listens, env.https_port, bool(env.addresses))


@lru_cache(maxsize=1024)
def _listeners(lines: tuple[Words, ...], https: int, everywhere: bool) -> frozenset[Listener]:  # noqa: FBT001 - cached
    found: dict[tuple[int, bool], dict[str, str]] = {}
    for place, *flags in lines:
        if QUIC in flags:  # beside the line of the listener
            continue
        host, _, port = ("", "", str(https)) if place.startswith(_SOCKET) else place.rpartition(":")
        named = found.setdefault((int(port), "ssl" in flags), {})
        if host and not everywhere:
            named["ipv6" if ":" in host else "ipv4"] = "" if host == "[::]" else host.strip("[]")
    return frozenset(
        Listener(port, tls=tls, ipv4=named.get("ipv4", ""), ipv6=named.get("ipv6", ""))
        for (port, tls), named in found.items()
    )


def http2(env: Environment) -> bool:
    """Whether TLS listeners speak HTTP/2."""
    return env.params.tls.http2 and env.capabilities.http2
