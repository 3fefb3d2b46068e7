"""TLS connections that are passed on by their server name: the server in front, and the map that it reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from headgate.ir.layout import HTTPS_SOCKET, PASSTHROUGH_HOSTS
from headgate.ir.stream import Passthrough, PassthroughEntry
from headgate.routes import Listener
from headgate.settings import Quoted, Words
from headgate.translate import naming
from headgate.translate.environment import Environment
from headgate.translate.listens import addresses


def translate_passthrough(env: Environment) -> Passthrough | None:
    """Translate the server of ``-tls-passthrough-port``, ``None`` without one.

    It speaks the PROXY protocol to what is behind it, so that this knows the addresses of clients.
    """
    if not env.passthrough:
        return None
    client = env.params.client
    flags = ("proxy_protocol",) if client.proxy_protocol else ()
    trusted = client.set_real_ip_from if client.proxy_protocol and env.capabilities.stream_realip else ()
    return Passthrough(
        listens=tuple(Words((address, *flags)) for address in addresses(env, Listener(env.https_port))),
        hosts=Quoted(f"{env.layout.conf}/{PASSTHROUGH_HOSTS}"),
        default=Quoted(f"unix:{env.layout.socket(HTTPS_SOCKET)}"),
        trusted=tuple(trusted),
    )


def translate_exceptions(
    env: Environment, entries: Iterable[PassthroughEntry], hosts: Iterable[str]
) -> Iterator[PassthroughEntry]:
    """Yield an entry for each of *hosts*, which are served over HTTP, that a wildcard among *entries* would take."""
    found = frozenset(entry.host for entry in entries)
    socket = Quoted(f"unix:{env.layout.socket(HTTPS_SOCKET)}")
    for host in frozenset(hosts) - found:
        if f"*.{host.partition('.')[2]}" in found and not host.startswith("*."):
            yield PassthroughEntry(host, naming.sni(host), socket)
