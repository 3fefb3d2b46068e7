"""The server of a host without what attaches to it, which is not translated again while it would be equal."""

from __future__ import annotations

import msgspec

from headgate.ir.http import BasicAuth, Hsts, HttpConfig, Server, Tls
from headgate.routes import Route, VirtualHost
from headgate.translate.context import ServerContext
from headgate.translate.draft import Draft
from headgate.translate.grpc import GrpcCount, Words
from headgate.translate.paths import LocationPath
from headgate.translate.policies.parts import Part


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """A server before its locations are translated.

    Attributes:
        draft: what it needs; grows while it is ended.
        host: the host, without the routes of those that attach to it.
        tls: its TLS; ``secure`` its HSTS, ``auth`` its passwords.
        part: what its Policies add; ``hide`` the headers of backends that clients do not get.
        paths: its own paths.
        count: how many of its own routes speak gRPC; ``without_grpc`` why that is not possible.
        context: what holds around its locations.
    """

    draft: Draft
    host: VirtualHost
    tls: Tls | None
    secure: Hsts | None
    auth: BasicAuth | None
    part: Part
    hide: tuple[str, ...]
    paths: tuple[LocationPath, ...]
    count: GrpcCount
    without_grpc: Words | None
    context: ServerContext


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """What a server follows from, in addition to the host without its routes.

    Attributes:
        routes: those of the host itself.
        reads_variables: whether attached objects read variables that say which resource answers.
        reads_keys: whether they read those of API keys.
    """

    routes: tuple[Route, ...]
    reads_variables: bool
    reads_keys: bool


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What it also follows from, which is known when the attached objects are translated.

    Attributes:
        grpc: ``all``, ``some`` or ``""``: how many of all routes speak gRPC.
        asks_page: whether attached objects ask for the page of the default backend.
    """

    grpc: str
    asks_page: bool


class OwnServer(msgspec.Struct, frozen=True, kw_only=True):
    """What a host became.

    Attributes:
        inputs: what it follows from; ``seen`` likewise.
        begun: what it was made from.
        server: the server.
        files: its files; ``others`` are those of ports that only a wildcard has.
        claims: names that no attached object may have.
    """

    inputs: Inputs
    seen: Seen
    begun: Begun
    server: Server
    files: tuple[HttpConfig, ...]
    others: tuple[HttpConfig, ...]
    claims: tuple[str, ...]
