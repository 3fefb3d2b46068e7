"""RouteTable: everything that one resource contributes."""

from __future__ import annotations

import msgspec

from headgate.problems import ObjectRef
from headgate.routes.hosts import VirtualHost
from headgate.routes.streams import StreamRoute


class RouteTable(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The hosts and stream routes of a resource.

    Attributes:
        origin: the object that holds the hosts or the listener.
        members: every object that contributes, *origin* first.
        hosts: in the order in which the object names them.
        streams: its routes of TCP and UDP.
    """

    origin: ObjectRef
    members: tuple[ObjectRef, ...]
    hosts: tuple[VirtualHost, ...] = ()
    streams: tuple[StreamRoute, ...] = ()
