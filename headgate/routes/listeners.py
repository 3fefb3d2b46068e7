"""Listeners: the ports on which requests arrive."""

from __future__ import annotations

import enum

import msgspec


class Protocol(enum.Enum):
    """What a listener speaks; the values are those of ``spec.listeners[].protocol`` of a GlobalConfiguration."""

    HTTP = "HTTP"
    TCP = "TCP"
    UDP = "UDP"


class Listener(msgspec.Struct, frozen=True, gc=False):
    """A port; ``tls`` says that clients begin with a TLS handshake there."""

    port: int
    protocol: Protocol = Protocol.HTTP
    tls: bool = False
