"""Which hosts need no server block of their own, and what is common to their locations. Pure.

A *profile* is a location that contains all its directives, including those that it would inherit from its server, but
neither host nor path nor upstream. Many hosts share one, so that nginx needs no new configuration for a new host.
``routes.lua`` finds the host and the path of a request.

A host with a field that this module does not know keeps its server block.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec
from msgspec import structs

from headgate.ir.http import Backend, HttpConfig, Line, Location, Server, Tls, Upstream
from headgate.ir.live import POOLS, LiveHost, LiveMore, LivePath
from headgate.routes import Listener, RouteTable
from headgate.settings import NOTHING, Size, Words
from headgate.settings.regex import is_simple
from headgate.translate import dedicated, naming
from headgate.translate.dedicated import differing
from headgate.translate.environment import Environment
from headgate.translate.headers import HSTS
from headgate.translate.hosts import Translated
from headgate.translate.listens import listens
from headgate.translate.pushed import (
    RESTORED,
    TEXT,
    URI,
    WRITTEN,
    answered,
    has_capture,
    mapped,
    replaced,
    rewritten,
    shares_of,
    variables_of,
)

_WHOLE: Final = frozenset({"", "=", "^~"})
"""Modifiers of locations whose path is no regular expression."""
_LISTS: Final = frozenset({
    "grpc_hide_header", "grpc_ignore_headers", "grpc_pass_header", "proxy_hide_header", "proxy_ignore_headers",
    "proxy_pass_request_headers",
})  # fmt: skip
"""Directives among the lines of a location that a profile may say."""

TOO_LARGE: Final = Words(("413",))
NOT_FOUND: Final = Words(("404",))
WITH_SLASH: Final = Words(("301", "$uri/$is_args$args"))
_NOTHING: Final = Location(path="", own=NOTHING)
_PLAIN: Final = re.compile(r"[-\w./~!&()*+,=:@]*", re.ASCII)
_PASSED: Final = re.compile(r"_pass\s+[\"']?(?:\w+://|\$\{?scheme\}?://)?([^\s;/:\"']+)")

Profile = Location
Name = str


class Routed(msgspec.Struct, frozen=True):
    """The hosts of a resource that needs no server block.

    Attributes:
        hosts: what is pushed for each; profiles are called by their place in *profiles* (``0``).
        profiles: the different ones.
    """

    hosts: Mapping[str, LiveHost]
    profiles: tuple[Profile, ...]

    def named(self, names: Mapping[str, str]) -> Mapping[str, LiveHost]:
        """Return *hosts* with profiles called by *names*."""
        return {host: _named(found, names) for host, found in self.hosts.items()}


class Dedicated(msgspec.Struct, frozen=True):
    """Why a resource keeps server blocks: the first thing that was found."""

    reason: str


def factor(translated: Translated, table: RouteTable, env: Environment) -> Routed | Dedicated:
    """Return what is pushed for the hosts of *table* instead of the files of *translated*."""
    reason = next(_reasons(translated, table, env), "")
    if reason:
        return Dedicated(reason)
    hosts = {str(naming.server_name(host.name)): host.name for host in table.hosts}
    profiles: dict[Profile, str] = {}
    chosen = _Chosen(translated)
    found = {
        hosts[str(server.name)]: structs.replace(
            _Host(server, profiles, env).live(), maps=chosen.maps, splits=chosen.splits
        )
        for server in whole_servers(translated)
    }
    return Routed(found, tuple(profiles))


def whole_servers(translated: Translated) -> Iterator[Server]:
    """Yield each server with the locations of all objects, in the order in which nginx reads them."""
    configs = translated.every_config
    attached: defaultdict[str, list[Location]] = defaultdict(list)
    for config in configs:
        if config.within:
            attached[str(config.within.name)] += config.locations
    for config in configs:
        for server, own in () if config.within else config.blocks:
            yield structs.replace(server, locations=(*own, *attached[str(server.name)]))


def mentioned(configs: Iterable[HttpConfig]) -> frozenset[str]:
    """Return the upstreams that snippets in *configs* may send requests to; ``$`` for any, if a variable names it."""
    texts: set[str] = set()
    for config in configs:
        texts.add(config.snippet or "")
        for server, locations in config.blocks:
            texts.add(server.snippet or "")
            texts.update(location.snippet or "" for location in locations)
    names = {name for text in texts for name in _PASSED.findall(text)}
    return frozenset("$" if name.startswith("$") else name for name in names)


def flatten(server: Server, location: Location) -> Location:
    """Return *location* with what it inherits from *server*, as nginx inherits: a list whole or not at all."""
    redirect = location.proxy_redirect
    if redirect is None and server.proxy_redirect and server.proxy_redirect[0] != "default":
        redirect = server.proxy_redirect
    requests, responses = location.request_headers, location.response_headers
    proxied = location.backend is not None and not location.backend.grpc
    return structs.replace(
        location,
        own=location.own.joined(server.own),
        request_headers=server.request_headers if requests is None and proxied else requests,
        response_headers=server.response_headers if responses is None and not location.added else responses,
        proxy_redirect=redirect if proxied else None,
        lines=tuple(_lines(server, location)) if location.backend else (),
    )


def _lines(server: Server, location: Location) -> Iterator[Line]:
    """Yield the lists of *location* and of *server*; for gRPC that is what the template says of HSTS."""
    yield from location.lines
    if location.backend and location.backend.grpc:
        if server.hsts:
            yield "grpc_hide_header", Words((HSTS,))
    elif server.hide_headers is not None and not any(name == "proxy_hide_header" for name, _ in location.lines):
        yield from (("proxy_hide_header", Words((name,))) for name in server.hide_headers)


# --- what keeps a server block ------------------------------------------------------------------------


def _reasons(translated: Translated, table: RouteTable, env: Environment) -> Iterator[str]:
    """Yield what routes at run time cannot say."""
    if translated.streams or translated.entries or translated.places:
        yield dedicated.STREAMS
    yield from (f"the wildcard host that covers {host.name}" for host in table.hosts if host.covered)
    for config in translated.every_config:
        bare = structs.replace(
            config, file="", origin=None, upstreams=(), servers=(), within=None, locations=(), includes=(),
            maps=(), splits=(),
        )  # fmt: skip
        yield from differing(bare, HttpConfig(file="", origin=None), "")
        yield from (text for upstream in config.upstreams for text in _of_upstream(upstream))
    servers = tuple(whole_servers(translated))
    yield from _Chosen(translated).reasons(location.jump for server in servers for location in server.locations)
    if not servers:
        yield dedicated.NO_HOST
    for server in servers:
        if not any(server.listens == lines for lines in _usual(env, server)):
            yield dedicated.LISTENS
        yield from _of_server(server)
        yield from (text for location in server.locations for text in _of_location(location))


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
    if not all(_PLAIN.fullmatch(path) for path, _ in _redirected(server)):
        yield dedicated.PATH
    if server.grpc_errors and server.own.server_tokens is not None:
        yield dedicated.GRPC_TOKENS
    if any(redirect.instead for redirect in server.redirects):
        yield dedicated.INSTEAD
    bare = structs.replace(
        server, name="", origin=None, listens=(), locations=(), own=NOTHING, tls=None, http2=False, redirects=(),
        hsts=None, request_headers=None, response_headers=None, hide_headers=None, proxy_redirect=None, attached=None,
        grpc_errors=(),
    )  # fmt: skip
    yield from differing(bare, Server(name="", origin=None, listens=(), locations=(), own=NOTHING), "server: ")


def _redirected(server: Server) -> Iterator[tuple[str, Location]]:
    """Yield each path ``/a`` that nginx redirects to a location ``/a/`` which proxies, with that location."""
    plain = [location for location in server.locations if location.modifier in _WHOLE]
    taken = {str(location.path) for location in plain}
    for location in sorted(plain, key=lambda found: found.modifier != "="):
        path = str(location.path)
        bare = path.removesuffix("/")
        if location.backend and bare not in {path, "", *taken}:
            taken.add(bare)
            yield bare, location


def _of_location(location: Location) -> Iterator[str]:
    regular = location.modifier.startswith("~")
    if regular and not is_simple(location.path):
        yield dedicated.REGULAR
    if regular and has_capture(*_texts(location)):
        yield dedicated.CAPTURES
    if replaced(location.backend) is None or (location.rewrite and rewritten(location.rewrite) is None):
        yield dedicated.REWRITTEN
    if location.internal and location.modifier != "=":
        yield dedicated.LINES
    if not {name for name, _ in location.lines} <= _LISTS:
        yield dedicated.LINES
    bare = structs.replace(
        location, path="", modifier="", origin=None, backend=None, answer=None, content_type=None, own=NOTHING,
        request_headers=None, response_headers=None, proxy_redirect=None, lines=(), added=(), rewrite=None,
        internal=False, jump="", restored=False,
    )  # fmt: skip
    yield from differing(bare, _NOTHING, "location: ")


def _texts(location: Location) -> Iterator[str]:
    """Yield the texts of *location* in which variables have a value."""
    for header in (*(location.request_headers or ()), *(location.response_headers or ()), *location.added):
        yield header.value
    yield from location.answer or ()
    yield from location.proxy_redirect or ()


# --- what is pushed -----------------------------------------------------------------------------------


class _Chosen:
    """The variables that decide which location answers: what ``map`` and ``split_clients`` say of them."""

    def __init__(self, translated: Translated) -> None:
        configs = translated.every_config
        found = {each.variable: each for config in configs for each in config.maps}
        self.splits = {each.variable: shares_of(each) for config in configs for each in config.splits}
        own = found.keys() | self.splits.keys()
        maps = {name: mapped(each, own) for name, each in found.items()}
        self.maps = {name: each for name, each in maps.items() if each}
        self._others = found.keys() - self.maps.keys()

    def reasons(self, jumps: Iterable[str]) -> Iterator[str]:
        """Yield why they keep a server block: a profile may read those that no jump reads."""
        left = {jump.removeprefix("$") for jump in jumps if jump}
        read: set[str] = set()
        while left:
            name = left.pop()
            read.add(name)
            each = self.maps.get(name)
            if each is None:
                continue
            texts = (each.source, each.otherwise, *each.values.values(), *(text for *_, text in each.patterns))
            left.update(
                found for text in texts for found in variables_of(text) if found in self.maps or found in self.splits
            )
            left -= read
        if self._others or not (self.maps.keys() | self.splits.keys()) <= read:
            yield dedicated.CONDITIONS


class _Host:
    """Lays out the paths of a server, and collects the profiles that they need."""

    def __init__(self, server: Server, profiles: dict[Profile, str], env: Environment) -> None:
        self._server, self._profiles, self._env = server, profiles, env

    def live(self) -> LiveHost:
        server = self._server
        first = [
            (redirect.variable[1:], "http", self._answering(_NOTHING, Words((str(redirect.code), redirect.url))))
            for redirect in server.redirects
        ]
        hsts = (server.hsts.variable[1:], server.hsts.secure, str(server.hsts.value)) if server.hsts else None
        slashes = (self._slash(bare, location) for bare, location in _redirected(server))
        paths = *map(self._path, server.locations), *slashes
        plain = server.listens != listens(self._env, (Listener(self._env.https_port, tls=True),))
        return LiveHost(paths=tuple(paths), tls=server.tls is not None, plain=plain, first=tuple(first), hsts=hsts)

    def _path(self, location: Location) -> LivePath:
        backend = location.backend
        whole = flatten(self._server, location)
        size = (
            Size("0")
            if location.jump
            else whole.own.client_max_body_size or self._env.params.proxy.client_max_body_size
        )
        # nginx's own answer has the response headers of the location.
        told = size.bytes and (whole.response_headers is not None or whole.own.server_tokens is not None)
        more = self._more(location)
        return LivePath(
            location.modifier,
            str(location.path),
            "" if location.jump else self._name(_shared(whole, more)),
            backend.upstream if backend else "",
            size.bytes,
            self._answering(location, TOO_LARGE) if told else "",
            more,
        )

    def _more(self, location: Location) -> LiveMore | None:
        """Return what is pushed of *location* besides its profile."""
        rewrite = rewritten(location.rewrite, restored=location.restored) if location.rewrite else None
        if location.restored and not rewrite:
            rewrite = RESTORED
        found = LiveMore(
            replaced=replaced(location.backend) or None,
            rewrite=rewrite,
            text=answered(location.answer),
            jump=location.jump.removeprefix("$"),
            hidden=self._answering(location, NOT_FOUND) if location.internal else "",
        )
        return None if found == LiveMore() else found

    def _slash(self, bare: str, location: Location) -> LivePath:
        answer = self._answering(location, WITH_SLASH)
        return structs.replace(self._path(location), modifier="=", path=bare, profile=answer, upstream="", more=None)

    def _answering(self, location: Location, answer: Words) -> str:
        """Return the name of a profile that gives *answer* with the headers that *location* has."""
        found = Location(
            path="@", answer=answer, own=location.own, response_headers=location.response_headers, added=location.added
        )
        return self._name(flatten(self._server, found))

    def _name(self, profile: Profile) -> str:
        return self._profiles.setdefault(profile, str(len(self._profiles)))


def _shared(whole: Location, more: LiveMore | None) -> Profile:
    """Return *whole*, which inherits nothing any more, without host, path and upstream, and without *more*."""
    backend, answer, redirect = whole.backend, whole.answer, whole.proxy_redirect
    if backend:
        path = URI if more and more.replaced else backend.path if backend.path == WRITTEN else ""
        backend = Backend(backend.scheme, POOLS[backend.scheme], path)
    if answer and more and more.text is not None:
        answer = Words((answer[0], TEXT))
    # nginx does not take this line beside a path with variables; both are about the name of the upstream.
    if backend and backend.path and redirect and redirect[0] == "default":
        redirect = None
    return structs.replace(
        whole, path="@", modifier="", origin=None, backend=backend, answer=answer, rewrite=None, internal=False,
        restored=False, proxy_redirect=redirect,
    )  # fmt: skip


def _named(host: LiveHost, names: Mapping[str, str]) -> LiveHost:
    return structs.replace(
        host,
        paths=tuple(path.named(names) for path in host.paths),
        first=tuple((variable, value, names[profile]) for variable, value, profile in host.first),
    )
