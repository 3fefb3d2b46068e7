"""Ports become ``listen`` lines."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from headgate.ir.http import Server
from headgate.routes import Listener
from headgate.settings import Words
from headgate.translate.environment import Environment


def listens(
    env: Environment, http: tuple[int, ...], https: tuple[int, ...], *, default: bool = False
) -> tuple[Words, ...]:
    """Return the arguments of every ``listen``: each port for IPv4 and, where wanted, for IPv6, or for each address."""
    return (*_lines(env, http, default=default, tls=False), *_lines(env, https, default=default, tls=True))


def _lines(env: Environment, ports: tuple[int, ...], *, default: bool, tls: bool) -> Iterator[Words]:
    flags = ["ssl"] if tls else []
    if tls and http2(env) and not env.capabilities.http2_directive:
        flags.append("http2")
    if default:
        flags.append("default_server")
    if env.params.client.proxy_protocol:
        flags.append("proxy_protocol")
    for port in ports:
        for address in env.addresses:
            yield Words((f"{address}:{port}", *flags))
        if env.addresses:
            continue
        yield Words((str(port), *flags))
        if env.ipv6:
            yield Words((f"[::]:{port}", *flags))


def listeners(server: Server) -> frozenset[Listener]:
    """Return where *server* listens; the addresses of a port always go together."""
    return _listeners(server.listens)


@lru_cache(maxsize=1024)
def _listeners(lines: tuple[Words, ...]) -> frozenset[Listener]:
    return frozenset(Listener(int(address.rpartition(":")[2]), tls="ssl" in flags) for address, *flags in lines)


def http2(env: Environment) -> bool:
    """Whether TLS listeners speak HTTP/2."""
    return env.params.tls.http2 and env.capabilities.http2
