"""What keeps a server block: all that routes at run time cannot say. Pure.

Each object is compared with one that has nothing but what is known here, so that a field that is added later keeps
server blocks until it is known, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import structs

from headgate.ir.http import HttpConfig, Location, Server, Tls, Upstream
from headgate.ir.live import POOLS
from headgate.routes import Listener, RouteTable
from headgate.settings import NOTHING, Words
from headgate.settings.regex import is_simple
from headgate.translate import dedicated
from headgate.translate.choosing import Choosing
from headgate.translate.dedicated import differing
from headgate.translate.environment import Environment
from headgate.translate.hosts import Translated
from headgate.translate.listens import listens
from headgate.translate.profiles import ACCESS, NOTHING_ELSE, is_page, redirected
from headgate.translate.pushed import has_capture, replaced, rewritten

_LISTS: Final = ACCESS | frozenset({
    "grpc_hide_header", "grpc_ignore_headers", "grpc_pass_header", "proxy_hide_header", "proxy_ignore_headers",
    "proxy_pass_request_headers",
})  # fmt: skip
"""Directives among the lines of a location that a profile may say."""
_PLAIN: Final = re.compile(r"[-\w./~!&()*+,=:@]*", re.ASCII)
_FILE: Final = HttpConfig(file="", origin=None)
_SERVER: Final = Server(name="", origin=None, listens=(), locations=(), own=NOTHING)


def reasons(
    translated: Translated, table: RouteTable, servers: Iterable[Server], choosing: Choosing, env: Environment
) -> Iterator[str]:
    """Yield why the hosts of *table* need server blocks: *servers*, each with all its locations."""
    if translated.streams or translated.entries or translated.places:
        yield dedicated.STREAMS
    yield from (f"the wildcard host that covers {host.name}" for host in table.hosts if host.covered)
    for config in translated.every_config:
        bare = structs.replace(
            config, file="", origin=None, upstreams=(), servers=(), within=None, locations=(), includes=(),
            maps=(), splits=(), closed=(), shut=(), shell=(),
        )  # fmt: skip
        yield from differing(bare, _FILE, "")
        yield from (text for upstream in config.upstreams for text in _of_upstream(upstream))
    if not servers:
        yield dedicated.NO_HOST
    for server in servers:
        if not any(server.listens == lines for lines in _usual(env, server)):
            yield dedicated.LISTENS
        yield from _of_server(server)
        yield from (text for location in server.locations for text in _of_location(location))
    yield from choosing.reasons(location.jump for server in servers for location in server.locations)


def _usual(env: Environment, server: Server) -> Iterator[tuple[Words, ...]]:
    """Yield where a host may listen that has no server block: on the usual ports, or on that of HTTPS alone."""
    plain, secure = Listener(env.http_port), Listener(env.https_port, tls=True)
    yield listens(env, (plain, secure) if server.tls else (plain,))
    if server.tls:
        yield listens(env, (secure,))


def _of_upstream(upstream: Upstream) -> Iterator[str]:
    if upstream.live is None:
        yield f"upstream {upstream.name}: its servers are in a file"
    elif upstream.live.queue:
        yield f"upstream {upstream.name}: its queue"
    elif "server_name" in (upstream.live.key or ()):
        yield f"upstream {upstream.name}: its method reads $server_name"


def _of_server(server: Server) -> Iterator[str]:
    if server.tls not in {None, Tls()}:
        yield dedicated.TLS
    if not all(_PLAIN.fullmatch(path) for path, _ in redirected(server)):
        yield dedicated.PATH
    if not {name for name, _ in server.lines} <= ACCESS:
        yield dedicated.POLICY
    if server.grpc_errors and server.own.server_tokens is not None:
        yield dedicated.GRPC_TOKENS
    if any(redirect.instead for redirect in server.redirects):
        yield dedicated.INSTEAD
    bare = structs.replace(
        server, name="", origin=None, listens=(), locations=(), own=NOTHING, tls=None, http2=False, redirects=(),
        hsts=None, request_headers=None, response_headers=None, hide_headers=None, proxy_redirect=None, attached=None,
        grpc_errors=(), auth=None, lines=(),
    )  # fmt: skip
    yield from differing(bare, _SERVER, "server: ")


def _of_location(location: Location) -> Iterator[str]:
    regular = location.modifier.startswith("~")
    if regular and not is_simple(location.path):
        yield dedicated.REGULAR
    if regular and has_capture(*_texts(location)):
        yield dedicated.CAPTURES
    if replaced(location.backend) is None or (location.rewrite and rewritten(location.rewrite) is None):
        yield dedicated.REWRITTEN
    if location.backend and location.backend.scheme not in POOLS:
        yield dedicated.PROTOCOL
    if is_page(location) and location.backend:
        yield dedicated.PAGES
    if location.internal and location.modifier != "=":
        yield dedicated.LINES
    if not {name for name, _ in location.lines} <= _LISTS:
        yield dedicated.LINES
    bare = structs.replace(
        location, path="", modifier="", origin=None, backend=None, answer=None, content_type=None, own=NOTHING,
        request_headers=None, response_headers=None, proxy_redirect=None, lines=(), added=(), rewrite=None,
        internal=False, jump="", restored=False, auth=None, guarded=False,
        preflight=False, pages=(), fastcgi=None,
    )  # fmt: skip
    yield from differing(bare, NOTHING_ELSE, "location: ")


def _texts(location: Location) -> Iterator[str]:
    """Yield the texts of *location* in which variables have a value."""
    for header in (*(location.request_headers or ()), *(location.response_headers or ()), *location.added):
        yield header.value
    yield from location.answer or ()
    yield from location.proxy_redirect or ()
