"""The blocks of ``http {}`` as frozen values; every one that a user caused carries its origin.

A block holds only what it must say: ``own`` is what differs from the block around it, and a header
list is ``None`` where the one of the block around it holds (nginx inherits such lists whole or not at all).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

import msgspec

from headgate.ir.files import PLACE
from headgate.ir.live import LiveStream, LiveUpstream
from headgate.problems import ObjectRef
from headgate.settings import Delta, Header, Quoted, Snippet, Words

Name = str
"""One nginx word."""
Line = tuple[Name, Words]
"""A directive and its arguments."""
QUIC: Name = "quic"
"""The argument of a ``listen`` for HTTP/3."""
_NO_PORTS: frozenset[int] = frozenset()
GUARDING = frozenset(
    {"allow", "deny", "auth_request", "ssl_verify_client", "ssl_client_certificate", "ssl_crl", "ssl_verify_depth"}
)
"""Directives among the lines of a server or a location that keep clients out."""
ROUTES = ObjectRef("Routes", "", "profiles")
"""Stands for the object that causes the file of all profiles, so that nginx can refuse that file alone."""
SERVER_CLAIM = "server "
"""What the claim to a host begins with."""
ATTACHED_CLAIM = PLACE
"""What the claim of a server to its attached locations begins with."""
PROFILE_CLAIM = "profile "
"""What the claim to a profile begins with."""
JWT_GUARD = "jwt "
"""What precedes the name of a ``LiveToken`` in the text of a guard."""
_PLAIN_URL = re.compile(r"[-\w./~%!&()*+,=:@]+")


class Upstream(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A group of backends.

    Attributes:
        servers: ``address:port`` or ``unix:path``; never empty.
        origin: the object that names it; with ``service`` and ``pods`` (by address), for the labels of metrics.
        external: the Service whose names (``servers``) nginx resolves as it loads its configuration; ``None`` where
            nothing is left to resolve then.
        included: the file with the server lines, where *external* has one of its own; ``None`` where they stand here.
        parameters: what every server line says after its address (``max_fails=3``).
        backups: servers for requests that none of *servers* can take, with their own parameters.
        method: the balancing directive, ``None`` for round robin.
        zone: shared memory, ``None`` where there is nothing to share.
        sticky: the arguments of ``sticky``, ``None`` where clients may go to any server.
        kept: directives about these connections.
        keepalive: idle connections each worker keeps, 0 for none, ``None`` for what nginx does by itself.
        live: *servers* and all that says how they are used, if they are pushed at run time; ``None`` if
            they are in the file.
        stream: the same for an upstream of TCP or UDP.
    """

    name: Name
    servers: tuple[Name, ...]
    origin: ObjectRef
    service: str = ""
    pods: Mapping[str, str] = {}
    external: ObjectRef | None = None
    included: Quoted | None = None
    parameters: Words = Words()
    backups: tuple[Name, ...] = ()
    backup_parameters: Words = Words()
    method: Words | None = None
    zone: Words | None = None
    sticky: Words | None = None
    keepalive: int | None = None
    kept: tuple[Line, ...] = ()
    live: LiveUpstream | None = None
    stream: LiveStream | None = None


class LimitZone(msgspec.Struct, frozen=True, gc=False):
    """Counters of a limit of *origin*: of requests, or of connections if there is no *rate*.

    The name carries a hash of the key, which nginx refuses to change.
    """

    key: Quoted
    zone: Name
    size: Name
    rate: Name
    origin: ObjectRef


class SplitClients(msgspec.Struct, frozen=True, gc=False):
    """``split_clients``: *variable* is, for each request, the text of one of *shares* (``90%`` or ``*`` → text)."""

    variable: Name
    shares: tuple[tuple[Name, Name], ...]
    origin: ObjectRef


class VariableMap(msgspec.Struct, frozen=True, gc=False):
    """``map``: *variable* follows from *source* by *lines*, and by those of the file *included*.

    With *networks* it is ``geo``: *source* is an address, and lines are of networks.
    """

    source: Quoted
    variable: Name
    lines: tuple[tuple[Quoted, Quoted], ...]
    origin: ObjectRef
    included: Quoted | None = None
    networks: bool = False


class CacheZone(msgspec.Struct, frozen=True, gc=False):
    """``proxy_cache_path``: a directory with responses and the memory for their keys."""

    path: Quoted
    zone: Name
    size: Name
    parameters: Words
    origin: ObjectRef


class LimitRequests(msgspec.Struct, frozen=True, gc=False):
    """The use of LimitZones; ``parameters`` are those of ``limit_req``, ``more`` those of further ones."""

    parameters: Words
    dry_run: bool
    log_level: Name
    status: int
    more: tuple[Words, ...] = ()


class BasicAuth(msgspec.Struct, frozen=True, gc=False):
    """``auth_basic``; ``file`` is absolute, and one that does not exist makes nginx answer 403."""

    realm: Quoted
    file: Quoted


class Tls(msgspec.Struct, frozen=True, gc=False):
    """How a server speaks TLS.

    Attributes:
        reject: refuse handshakes with ``unrecognized_name`` (RFC 6066).
        pushed: certificates are those that are pushed at run time.
        certificates: paths of certificate and key of a context of the server's own; without any it uses the context
            that all hosts share, which the default server carries.
    """

    reject: bool = False
    certificates: tuple[Quoted, ...] = ()
    pushed: bool = False

    @property
    def certificate(self) -> Quoted | None:
        """The first of them, as templates of users may read it."""
        return self.certificates[0] if self.certificates else None


class Hsts(msgspec.Struct, frozen=True, gc=False):
    """Strict-Transport-Security (RFC 6797), sent where ``variable`` has the value ``secure``."""

    value: Quoted
    variable: Name
    secure: Name


class Rewrite(msgspec.Struct, frozen=True, gc=False):
    """``rewrite pattern target break``."""

    pattern: Quoted
    target: Quoted


class Backend(msgspec.Struct, frozen=True, gc=False):
    """Where a location sends requests.

    Attributes:
        scheme: ``http``, ``https``, ``$scheme``, ``grpc``, ``grpcs`` or ``fastcgi``.
        upstream: the name of the Upstream.
        path: what replaces the path that the location matched, ``""`` where the path stays.
    """

    scheme: Name
    upstream: Name
    path: str = ""

    @property
    def grpc(self) -> bool:
        """Whether the backend speaks gRPC."""
        return self.scheme.startswith("grpc")

    @property
    def module(self) -> Name:
        """The beginning of the names of directives about it."""
        return "grpc" if self.grpc else "fastcgi" if self.scheme == "fastcgi" else "proxy"

    @property
    def url(self) -> Name | Quoted:
        """The argument of ``proxy_pass``, ``grpc_pass`` or ``fastcgi_pass``."""
        if self.module == "fastcgi":
            return self.upstream
        url = f"{self.scheme}://{self.upstream}{self.path}"
        return url if _PLAIN_URL.fullmatch(url) else Quoted(url)


class FastCgi(msgspec.Struct, frozen=True, gc=False):
    """What a FastCGI backend is sent: *params* with name, value, and whether an empty one is left out."""

    params: tuple[tuple[Name, Quoted, bool], ...]
    index: Quoted | None = None
    next_upstream: Words | None = None


class Session(msgspec.Struct, frozen=True, gc=False):
    """That clients are logged in (OpenID Connect) by *policy*, a text that names it; *path* is where they log in.

    *bears*: backends get the access token in place of the client's header Authorization. *rewrites*: snippets around
    have a handler of Lua for the rewrite phase, which nothing may stand in for.
    """

    policy: Name
    path: str
    bears: bool = False
    rewrites: bool = False


class Location(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One location: it proxies, or it answers with ``answer`` (the arguments of ``return``).

    Attributes:
        modifier: empty, ``=``, ``~`` or ``~*``.
        origin: the object that it belongs to, where that is another than the server's.
        error_page: statuses of the backend and of nginx, and the named location that answers in their place.
        lines: lists of the server and of ``http {}`` that a list in the snippet would end, repeated.
        carried: lines of the server's snippet in a list that this location defines.
        guarded: whether passwords and limits of the server hold for ``answer`` too, which is 404; nginx would say
            ``return`` before it looks at them.
        final: it answers for others: no password is needed again, the body is not sent on, and its
            backend's errors pass.
        internal: no request of a client reaches it.
        jump: the variable whose value is the location that answers instead; that one limits the size of bodies.
        restored: the path of the client's request is set again before ``rewrite``.
        pages: the arguments of each ``error_page`` besides *error_page*; *intercepts* whether errors of backends count.
        added: response headers of ``answer``, beside those around.
        refused: every request is answered 500.
        asked_url: the variable that holds the URL that the client asked for, escaped by Lua; empty for none.
        asked_uri: the same for its path and query.
        preflight: requests with the method OPTIONS are answered 204.
        aside: the named location that answers once nothing turns the request away; nginx would say ``return`` before.
        checks: what is answered, in order, if a variable is empty.
        open: it answers for others, or decides for others: what the server says of clients does not hold.
        redirects: redirects to HTTPS, before anything else.
        fastcgi: what the backend is sent, if it speaks FastCGI.
        queue: the upstream for which requests wait while no server can take them; *reads_body* whether their bodies are
            read before.
        jwt: the name of the ``LiveToken`` that lets requests in; *jwt_first*: before anything else that may let in.
        handles_access: whether its snippet has a handler of Lua for the access phase.
        claims: variables that hold members of the token.
        session: the session that a request needs, checked last; *unguarded* that none is needed, whatever the server
            says.
        logins: clients log in and out here, which needs the cookies of sessions; others are passed on without them.
        cookies: the variable that holds the client's cookies without those of sessions; empty for none.
    """

    path: Name | Quoted
    modifier: Name = ""
    origin: ObjectRef | None = None
    backend: Backend | None = None
    answer: Words | None = None
    error_page: Words | None = None
    content_type: Name | Quoted | None = None
    own: Delta
    request_headers: tuple[Header, ...] | None = None
    response_headers: tuple[Header, ...] | None = None
    rewrite: Rewrite | None = None
    proxy_redirect: Words | None = None
    auth: BasicAuth | None = None
    limit: LimitRequests | None = None
    variables: tuple[tuple[Name, Name | Quoted], ...] = ()
    snippet: Snippet | None = None
    lines: tuple[Line, ...] = ()
    carried: Snippet | None = None
    guarded: bool = False
    final: bool = False
    internal: bool = False
    jump: Name = ""
    restored: bool = False
    pages: tuple[Words, ...] = ()
    intercepts: bool = True
    added: tuple[Header, ...] = ()
    refused: bool = False
    preflight: bool = False
    asked_url: Name = ""
    asked_uri: Name = ""
    aside: Name = ""
    checks: tuple[tuple[Name, int], ...] = ()
    open: bool = False
    redirects: tuple[Redirect, ...] = ()
    fastcgi: FastCgi | None = None
    queue: Name = ""
    reads_body: bool = False
    jwt: Name = ""
    jwt_first: bool = False
    handles_access: bool = False
    claims: tuple[Claim, ...] = ()
    session: Session | None = None
    unguarded: bool = False
    logins: bool = False
    cookies: Name = ""


class Claim(msgspec.Struct, frozen=True, gc=False):
    """A *variable* that holds a member of the request's token, once that is verified by the guard *jwt*.

    Attributes:
        jwt: the name of a ``LiveToken``; empty where there is none, and the variable is empty.
        part: ``claims`` or ``header``.
        path: the name of the member, and of those within it.
    """

    variable: Name
    jwt: Name
    part: Name
    path: tuple[str, ...]


class GrpcError(msgspec.Struct, frozen=True, gc=False):
    """What a gRPC client gets instead of an HTTP status ``code``: the gRPC ``status`` and a message."""

    code: int
    status: int
    message: Quoted


class Redirect(msgspec.Struct, frozen=True, gc=False):
    """``if (variable = http) { return code https://…; }``; *instead* is read in place of *variable*, if given."""

    variable: Name
    code: int
    url: Quoted
    instead: Name = ""


class Server(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One virtual server.

    Attributes:
        name: the argument of ``server_name``.
        default: it answers whatever no other server matches, and it carries the shared TLS context.
        listens: the arguments of each ``listen``.
        tls: ``None`` for plain HTTP only.
        http2: ``http2 on`` (where the binary has that directive).
        hide_headers: headers of backends that clients do not see, in full; ``None`` inherits.
        error_page: as in a Location, for all locations that say nothing else.
        grpc_errors: what locations that speak gRPC answer in place of nginx's errors; empty where there are none.
        lines: lists of ``http {}`` that a list in the snippet would end, repeated.
        locations: all of them, those of other objects too.
        attached: the mask of the file that includes the locations of other objects; ``None`` where there can be none.
        refused: every request is answered 500.
        checks: as in a Location, for all locations.
        jwt: as in a Location, for locations of its snippet.
        secure_only: requests in plain HTTP are answered 403; *https* is the variable that is empty for these.
        session: as in a Location, for all locations that say nothing else.
    """

    name: Name | Quoted
    origin: ObjectRef | None
    listens: tuple[Words, ...]
    locations: tuple[Location, ...]
    own: Delta
    default: bool = False
    tls: Tls | None = None
    http2: bool = False
    redirects: tuple[Redirect, ...] = ()
    hsts: Hsts | None = None
    request_headers: tuple[Header, ...] | None = None
    response_headers: tuple[Header, ...] | None = None
    hide_headers: tuple[Name, ...] | None = None
    proxy_redirect: Words | None = None
    auth: BasicAuth | None = None
    limit: LimitRequests | None = None
    error_page: Words | None = None
    variables: tuple[tuple[Name, Name | Quoted], ...] = ()
    grpc_errors: tuple[GrpcError, ...] = ()
    access_log_off: bool = False
    attached: Quoted | None = None
    snippet: Snippet | None = None
    lines: tuple[Line, ...] = ()
    gunzip: bool = False
    refused: bool = False
    checks: tuple[tuple[Name, int], ...] = ()
    secure_only: bool = False
    https: Name = "$https"
    jwt: Name = ""
    session: Session | None = None


class HttpConfig(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One file: what an object, or Headgate itself, contributes to ``http {}`` or to one server.

    Attributes:
        file: its name, relative to the configuration directory.
        origin: the object.
        caches: what stores responses.
        splits: divisions of requests; ``maps`` variables that follow from others; ``snippet`` text beside the server.
        servers: whole servers, without the locations of other objects than theirs.
        within: the server that includes this file, without locations; ``locations`` are all that the file holds.
        includes: the files that it does nothing but include, in order.
        follows: as in a File.
        members: the upstream of which the file is the server lines.
        standby: what replaces ``members`` while nginx cannot resolve their names.
        closed: the servers that replace all of the file while it is left out; empty if nothing must.
        shut: the locations that replace *locations* while the file is left out and no last good one stands in for it.
        shell: the servers that do the same with *servers*, where other objects attach to them.
        routes: the named locations among *locations* that answer for hosts without a server block.
    """

    file: str
    origin: ObjectRef | None
    upstreams: tuple[Upstream, ...] = ()
    zones: tuple[LimitZone, ...] = ()
    caches: tuple[CacheZone, ...] = ()
    splits: tuple[SplitClients, ...] = ()
    maps: tuple[VariableMap, ...] = ()
    snippet: Snippet | None = None
    servers: tuple[Server, ...] = ()
    within: Server | None = None
    locations: tuple[Location, ...] = ()
    includes: tuple[Quoted, ...] = ()
    members: Upstream | None = None
    standby: Upstream | None = None
    closed: tuple[Server, ...] = ()
    shut: tuple[Location, ...] = ()
    shell: tuple[Server, ...] = ()
    follows: int | None = None
    routes: tuple[Name, ...] = ()

    @property
    def blocks(self) -> tuple[tuple[Server, tuple[Location, ...]], ...]:
        """Each server of which something stands in this file, with those of its locations that do."""
        if self.within:
            return ((self.within, self.locations),)
        return tuple(
            (server, tuple(found for found in server.locations if not found.origin)) for server in self.servers
        )

    @property
    def names(self) -> frozenset[str]:
        """The names that must be unique in all of nginx."""
        return frozenset([f"file {self.file}", *(f"upstream {u.name}" for u in self.upstreams),
                          *(f"zone {z.zone}" for z in self.zones),
                          *(f"zone {cache.zone}" for cache in self.caches),
                          *(f"variable {split.variable}" for split in self.splits),
                          *(f"variable {map_.variable}" for map_ in self.maps)])  # fmt: skip

    @property
    def claims(self) -> frozenset[str]:
        """Everything in the file that belongs to one object alone: its names, the hosts it serves, its locations."""
        host = self.within.name if self.within else ""
        return self.names.union(
            (f"{SERVER_CLAIM}{server.name}" for server in self.servers),
            (f"{ATTACHED_CLAIM}{server.name}" for server in self.servers if server.attached),
            (f"location {host} {found.modifier} {found.path}" for found in self.locations),
            (f"{PROFILE_CLAIM}{name}" for name in self.routes),
        )

    @property
    def routed(self) -> str:
        """The *routes* as one text, for ``routes.lua``."""
        return "/".join(name.removeprefix("@") for name in self.routes)

    @property
    def guards(self) -> frozenset[str]:
        """What keeps clients out at each place in the file; how often they may ask is not among that."""
        found: set[str] = set()
        for server, locations in self.blocks:
            if not self.within:
                found.update(f"{server.name}: {text}" for text in _asked(server))
                found |= {f"{server.name}: https"} if server.secure_only else set()
                found |= {f"{server.name}: {variable}" for variable, _ in server.checks}
            for each in locations:
                found.update(f"{server.name} {each.modifier} {each.path}: {text}" for text in _asked(each))
        return frozenset(found)

    @property
    def place(self) -> str:
        """The claim of the file with the server that includes this one, empty for one that stands by itself."""
        return f"{ATTACHED_CLAIM}{self.within.name}" if self.within else ""

    @property
    def opens(self) -> frozenset[int]:
        """The ports on which its servers listen, unless they only do where others do."""
        return _NO_PORTS if self.follows else ports_of(frozenset(server.listens for server in self.servers))


def _asked(block: Server | Location) -> Iterator[str]:
    """Yield what *block* asks of clients itself; all addresses are one text, for they are a list with an order."""
    if block.refused:
        yield "refused"
    if block.auth:
        yield f"auth_basic {block.auth.file}"
    if block.jwt:
        yield f"{JWT_GUARD}{block.jwt}"
    if block.session:
        yield f"session {block.session.policy}"
    lines = [f"{name} {' '.join(words)}" for name, words in block.lines if name in GUARDING]
    access = [line for line in lines if line.startswith(("allow ", "deny "))]
    if access:
        yield "; ".join(access)
    yield from (line for line in lines if line not in access)
    if not any(name == "satisfy" for name, _ in block.lines) and (access or block.auth):
        yield "all of them"


@lru_cache(maxsize=1024)
def ports_of(listens: frozenset[tuple[Words, ...]]) -> frozenset[int]:
    """Return the ports in arguments of ``listen``, the same object for all files that open the same."""
    addresses = (address for lines in listens for address, *_ in lines if not address.startswith("unix:"))
    return frozenset(int(address.rpartition(":")[2]) for address in addresses)


class Certificate(msgspec.Struct, frozen=True, gc=False):
    """Which file under ``secrets/`` answers for a server name (SNI): *name* is the entry of a ``map`` for *host*.

    *own*: whether the host has a TLS context of its own, and does not need that entry.
    """

    name: Name | Quoted
    file: Name
    host: str = ""
    own: bool = False
