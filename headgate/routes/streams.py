"""Routes of TCP and UDP."""

from __future__ import annotations

import msgspec

from headgate.problems import ObjectRef
from headgate.routes.backends import Backend
from headgate.routes.layers import Layers
from headgate.routes.listeners import Listener


class StreamRoute(msgspec.Struct, frozen=True, kw_only=True):
    """The backends of a listener of TCP or UDP.

    Attributes:
        listener: where connections (or datagrams) arrive.
        backends: who gets them, by weight.
        origin: the object that asks for it.
        settings: what it says, lowest first.
        host: the server name (SNI, RFC 6066) of TLS connections that are passed through; empty for every connection.
        field: where the object asks for it.
    """

    listener: Listener
    backends: tuple[Backend, ...]
    origin: ObjectRef
    settings: Layers = ()
    host: str = ""
    field: str = ""
