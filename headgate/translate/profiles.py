"""Locations without host, path and upstream, which hosts share, and what is pushed for a host besides. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msgspec import structs

from headgate.ir.http import Backend, Line, Location, Server
from headgate.ir.live import POOLS, LiveHost, LiveMore, LivePath
from headgate.routes import Listener
from headgate.settings import NOTHING, Size, Words
from headgate.translate.choosing import Choosing
from headgate.translate.environment import Environment
from headgate.translate.headers import HSTS
from headgate.translate.listens import listens
from headgate.translate.pushed import RESTORED, TEXT, URI, WRITTEN, answered, replaced, rewritten

TOO_LARGE: Final = Words(("413",))
NOT_FOUND: Final = Words(("404",))
WITH_SLASH: Final = Words(("301", "$uri/$is_args$args"))
NOTHING_ELSE: Final = Location(path="", own=NOTHING)
ACCESS: Final = frozenset({"allow", "deny"})
_ANY_SIZE: Final = Size("0")
_WHOLE: Final = frozenset({"", "=", "^~"})
"""Modifiers of locations whose path is no regular expression."""

Profile = Location
"""Its pages are other profiles: ``@0`` is the first one of the resource, until these have names."""


def flatten(server: Server, location: Location) -> Location:
    """Return *location* with what it inherits from *server*, as nginx inherits: a list whole or not at all."""
    redirect = location.proxy_redirect
    if redirect is None and server.proxy_redirect and server.proxy_redirect[0] != "default":
        redirect = server.proxy_redirect
    requests, responses = location.request_headers, location.response_headers
    proxied = location.backend is not None and not location.backend.grpc
    # nginx says ``return`` before it looks at who asks.
    asks = location.backend is not None or location.guarded
    return structs.replace(
        location,
        own=location.own.joined(server.own),
        request_headers=server.request_headers if requests is None and proxied else requests,
        response_headers=server.response_headers if responses is None and not location.added else responses,
        proxy_redirect=redirect if proxied else None,
        lines=(*_lists(server, location), *(_access(server, location) if asks else ())),
        auth=(location.auth or server.auth) if asks else None,
    )


def _lists(server: Server, location: Location) -> Iterator[Line]:
    """Yield the lists of *location* and of *server*; for gRPC that is what the template says of HSTS."""
    if not location.backend:
        return
    yield from (line for line in location.lines if line[0] not in ACCESS)
    if location.backend.grpc:
        if server.hsts:
            yield "grpc_hide_header", Words((HSTS,))
    elif server.hide_headers is not None and not any(name == "proxy_hide_header" for name, _ in location.lines):
        yield from (("proxy_hide_header", Words((name,))) for name in server.hide_headers)


def _access(server: Server, location: Location) -> Iterable[Line]:
    """Return the rules for clients' addresses: those of *location*, else those of *server*."""
    own = [line for line in location.lines if line[0] in ACCESS]
    return own or [line for line in server.lines if line[0] in ACCESS]


def redirected(server: Server) -> Iterator[tuple[str, Location]]:
    """Yield each path ``/a`` that nginx redirects to a location ``/a/`` which proxies, with that location."""
    plain = [location for location in server.locations if location.modifier in _WHOLE]
    taken = {str(location.path) for location in plain}
    for location in sorted(plain, key=lambda found: found.modifier != "="):
        path = str(location.path)
        bare = path.removesuffix("/")
        if location.backend and bare not in {path, ""} and bare not in taken:
            taken.add(bare)
            yield bare, location


def is_page(location: Location) -> bool:
    """Whether *location* answers in place of an error, for others."""
    return location.path.startswith("@")


class HostPaths:
    """Lays out the paths of a server, and collects the profiles that they need."""

    def __init__(self, server: Server, profiles: dict[Profile, str], env: Environment) -> None:
        """Begin with *server*, which has all its locations; *profiles*, each with its name, grow."""
        self._server, self._profiles, self._env = server, profiles, env
        self._pages = {str(page.path): page for page in server.locations if is_page(page)}

    def live(self, choosing: Choosing) -> LiveHost:
        """Return what is pushed for the host, whose variables are those of *choosing*."""
        server = self._server
        first = [
            (redirect.variable[1:], "http", self._answering(NOTHING_ELSE, Words((str(redirect.code), redirect.url))))
            for redirect in server.redirects
        ]
        hsts = (server.hsts.variable[1:], server.hsts.secure, str(server.hsts.value)) if server.hsts else None
        slashes = (self._slash(bare, location) for bare, location in redirected(server))
        paths = *(self._path(location) for location in server.locations if not is_page(location)), *slashes
        secure = Listener(self._env.https_port, tls=True)
        return LiveHost(
            paths=tuple(paths),
            tls=server.tls is not None,
            plain=not server.tls or server.listens != listens(self._env, (secure,)),
            maps=choosing.maps,
            splits=choosing.splits,
            first=tuple(first),
            hsts=hsts,
        )

    def _path(self, location: Location) -> LivePath:
        backend = location.backend
        whole = flatten(self._server, location)
        usual = self._env.params.proxy.client_max_body_size
        size = _ANY_SIZE if location.jump else whole.own.client_max_body_size or usual
        # nginx's own answer has the response headers of the location, and its pages.
        own = whole.response_headers is not None or whole.own.server_tokens is not None or location.pages
        told = size.bytes and own
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
        path = location.backend.path if location.backend else location.answer or location.jump
        if not (path or location.rewrite or location.internal):
            return None
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
            path="@", answer=answer, own=location.own, response_headers=location.response_headers, added=location.added,
            pages=location.pages,
        )  # fmt: skip
        return self._name(flatten(self._server, found))

    def _name(self, profile: Profile) -> str:
        if profile.pages:
            profile = structs.replace(profile, pages=tuple(map(self._page, profile.pages)))
        return self._profiles.setdefault(profile, str(len(self._profiles)))

    def _page(self, words: Words) -> Words:
        """Return the arguments of an ``error_page`` with the profile of the location that answers."""
        page = self._pages.get(words[-1])
        return Words((*words[:-1], f"@{self._name(_shared(flatten(self._server, page), None))}")) if page else words


def with_pages(profile: Profile, names: Sequence[str]) -> Profile:
    """Return *profile* with the *names* of the profiles before it in place of their numbers."""
    if not profile.pages:
        return profile
    pages = (
        Words((*words[:-1], names[int(words[-1][1:])])) if words[-1].startswith("@") else words
        for words in profile.pages
    )
    return structs.replace(profile, pages=tuple(pages))


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
