"""What one Policy adds to a server or a location, and for whom it is translated."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from headgate.ir.http import Line, Location, Session
from headgate.problems import ObjectRef
from headgate.routes import Policies, VirtualHost
from headgate.settings import Header, Quoted
from headgate.translate.draft import Draft


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What is added.

    Attributes:
        lines: directives.
        variables: variables that are set before the request is looked at.
        headers: response headers; *hidden* those of backends that clients do not get.
        preflight: whether requests with the method OPTIONS are answered.
        asked_url: the variable that is to hold the URL that the client asked for, escaped; empty for none.
        asked_uri: the same for its path and query.
        session: the session that requests need.
        refused: whether requests are answered 500, as a location cannot be guarded.
    """

    lines: tuple[Line, ...] = ()
    variables: tuple[tuple[str, str | Quoted], ...] = ()
    headers: tuple[Header, ...] = ()
    hidden: tuple[str, ...] = ()
    preflight: bool = False
    asked_url: str = ""
    asked_uri: str = ""
    session: Session | None = None
    refused: bool = False


NOTHING = Part()


def joined(parts: Iterable[Part]) -> Part:
    """Return *parts* as one."""
    every = tuple(part for part in parts if part != NOTHING)
    if len(every) == 1:
        return every[0]
    return Part(
        lines=tuple(line for part in every for line in part.lines),
        variables=tuple(variable for part in every for variable in part.variables),
        headers=tuple(header for part in every for header in part.headers),
        hidden=tuple(name for part in every for name in part.hidden),
        preflight=any(part.preflight for part in every),
        asked_url=next((part.asked_url for part in every if part.asked_url), ""),
        asked_uri=next((part.asked_uri for part in every if part.asked_uri), ""),
        session=next((part.session for part in every if part.session), None),
        refused=any(part.refused for part in every),
    )


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Where Policies are translated.

    Attributes:
        draft: takes zones, maps, caches and upstreams.
        host: the host.
        origin: the object that they are for, not always that of the host.
        policies: all that hold there.
        inner: locations of the server that are needed besides, by their paths; grows.
        grpc: whether the backend speaks gRPC.
        server: whether it is the server, and no location.
        reads_keys: whether something reads the variables of API keys.
        rules: ``allow`` and ``deny`` of snippets, which hold where no Policy has its own.
        snippet: the snippet of the place itself; *around* those of what it is in.
    """

    draft: Draft
    host: VirtualHost
    origin: ObjectRef
    policies: Policies
    inner: dict[str, Location]
    grpc: bool = False
    server: bool = False
    reads_keys: bool = False
    rules: tuple[Line, ...] = ()
    snippet: str = ""
    around: tuple[str, ...] = ()

    @property
    def inner_origin(self) -> ObjectRef | None:
        """The origin of locations that are added, as ``Location.origin`` has it."""
        return self.origin if self.origin != self.host.origin else None
