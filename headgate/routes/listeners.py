"""Listeners: the ports on which requests arrive."""

from __future__ import annotations

import enum

import msgspec


class Protocol(enum.Enum):
    """What a listener speaks; the values are those of ``spec.listeners[].protocol`` of a GlobalConfiguration."""

    HTTP = "HTTP"
    TCP = "TCP"
    UDP = "UDP"
    TLS_PASSTHROUGH = "TLS_PASSTHROUGH"
    """TLS connections that are passed on by their server name; a flag says on which port."""


class Listener(msgspec.Struct, frozen=True, gc=False):
    """A port.

    Attributes:
        port: its number; 0 for ``TLS_PASSTHROUGH``.
        protocol: what it speaks.
        tls: whether clients begin with a TLS handshake there.
        ipv4: the IPv4 address, ``""`` for all; ``ipv6`` likewise.
        name: its name, where objects refer to it by one.
    """

    port: int
    protocol: Protocol = Protocol.HTTP
    tls: bool = False
    ipv4: str = ""
    ipv6: str = ""
    name: str = ""
