"""What holds around the locations of a server."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from headgate.ir.http import LimitRequests, Location
from headgate.problems import ObjectRef
from headgate.routes import ErrorPage, VirtualHost
from headgate.routes.policies import Cors
from headgate.settings import Header, Words
from headgate.translate.draft import Place
from headgate.translate.policies.parts import Site

PageKey = tuple[ObjectRef, tuple[ErrorPage, ...], Cors | None]
"""An object, error pages of its routes, and the Policy whose headers they have."""


class ServerContext(msgspec.Struct, frozen=True):
    """What holds around the locations of a server.

    Attributes:
        host: the host.
        place: its settings.
        request_headers: the list that locations inherit; ``response_headers`` and ``hide_headers`` likewise.
        repeated: settings that its snippet sets too; where an annotation sets one, the locations repeat it.
        limit: its rate limit; ``error_page`` its custom errors.
        guarded: whether it asks for passwords, or limits requests.
        pages: error pages of its routes, by object, with the beginning of the names of their locations.
        site: where its Policies are translated, with the locations that they need besides.
        cors: what its Policies add to *response_headers*.
        shared: common parts of locations, by the identity of their Place, gRPC and WebSocket; filled on demand.
    """

    host: VirtualHost
    place: Place
    request_headers: tuple[Header, ...]
    response_headers: tuple[Header, ...]
    hide_headers: tuple[str, ...]
    repeated: tuple[str, ...]
    limit: LimitRequests | None
    error_page: Words | None
    guarded: bool
    pages: Mapping[PageKey, str]
    shared: dict[tuple[int, bool, bool], Location]
    site: Site
    cors: tuple[Header, ...]


def with_cors(server: ServerContext, around: tuple[Header, ...], own: tuple[Header, ...]) -> tuple[Header, ...]:
    """Return the headers *around* with *own* in place of what the Policies of the server add."""
    if own == server.cors:
        return around
    return (*(header for header in around if header not in server.cors), *own)
