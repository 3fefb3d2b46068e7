"""RouteTable: everything that one resource contributes."""

from __future__ import annotations

import msgspec

from headgate.problems import ObjectRef
from headgate.routes.hosts import Route, VirtualHost
from headgate.routes.streams import StreamRoute


class MemberRoutes(msgspec.Struct, frozen=True, gc=False):
    """The routes of one member; the same object as before as long as they are the same."""

    ref: ObjectRef
    routes: tuple[Route, ...]


class RouteTable(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The hosts and stream routes of a resource.

    Attributes:
        origin: the object that holds the hosts or the listener.
        members: every object that contributes, *origin* first.
        hosts: in the order in which the object names them.
        streams: its routes of TCP and UDP.
        by_member: the routes of the only host by member; empty where this is not known.
    """

    origin: ObjectRef
    members: tuple[ObjectRef, ...]
    hosts: tuple[VirtualHost, ...] = ()
    streams: tuple[StreamRoute, ...] = ()
    by_member: tuple[MemberRoutes, ...] = ()
