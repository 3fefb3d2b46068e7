"""What nginx's workers receive at run time instead of from files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec
from msgspec import structs

from headgate.ir.check import LiveCheck
from headgate.ir.files import FileSet
from headgate.problems import ObjectRef

Method = Literal[
    "round_robin", "least_conn", "ip_hash", "hash", "consistent_hash", "consistent_subset", "random", "random_two",
    "least_time", "random_two_least_time",
]  # fmt: skip


POOLS = {
    "http": "headgate_routed",
    "https": "headgate_routed_tls",
    "grpc": "headgate_routed_grpc",
    "grpcs": "headgate_routed_grpcs",
}
"""The upstream block of hosts without a server block, by the scheme of their backends.

Its Lua code asks for the servers of the upstream that the request is for. All hosts use the connections that a block
keeps: backends that differ in protocol or TLS must not be in one.
"""


class Peer(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A server: an IP address (IPv6 in brackets) and a port, or ``unix:/path`` without one."""

    address: str = msgspec.field(name="a")
    port: int | None = msgspec.field(name="p", default=None)


class Cookie(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The cookie by which a client keeps its server.

    Attributes:
        name: of the cookie.
        lifetime: seconds from each answer; ``None`` for a session cookie, or if *tail* contains it.
        tail: the attributes besides, as they follow in ``Set-Cookie``: ``; secure; path=/``.
    """

    name: str
    lifetime: int | None = None
    tail: str = ""


class Times(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Which response times of servers a method compares.

    Attributes:
        of: until the response header, or until the end of the response.
        inflight: whether requests that are under way count, too.
        peaks: whether a time that is longer than the average replaces it.
    """

    of: Literal["header", "last_byte"]
    inflight: bool = False
    peaks: bool = False


class Queue(msgspec.Struct, frozen=True, gc=False):
    """Requests that wait while no server can take them: *size* of them, each for *timeout* seconds at most."""

    size: int
    timeout: float = 60


class LiveUpstream(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The servers of an upstream, and how they are used; encoded as JSON it is what ``balancer.lua`` reads.

    Attributes:
        peers: never empty.
        backup: servers for requests that none of *peers* can take.
        method: how a server is chosen; *times* belong to it, if it compares some.
        key: of a hash: text, the name of a variable, text, and so on.
        subset: how many servers a hash leads to, of which one is drawn.
        max_fails: failures within *fail_timeout* after which a server is left out; 0 for never.
        fail_timeout: seconds.
        max_conns: requests at the same time to one server, of all workers together; ``None`` for any number.
        cookie: by which clients keep their server; ``None`` where they may go to any.
        draining: servers beside *peers* that only clients with their cookie are sent to.
        slow_start: seconds in which the share of a server that was added or recovered grows; ``None`` for none.
        check: how it is found out which servers can take requests; ``None`` if by requests alone.
        pooled: whether connections are kept, of hosts without a server block; server blocks say it themselves.
        idle: for how many seconds without a request, and *requests* for how many; ``None`` for what nginx does.
        queue: how requests wait that no server can take; ``None`` if they do not. Their locations say so, too.
    """

    peers: tuple[Peer, ...]
    backup: tuple[Peer, ...] | None = None
    method: Method = "round_robin"
    times: Times | None = None
    key: tuple[str, ...] | None = None
    subset: int | None = None
    max_fails: int = 1
    fail_timeout: float = 10
    max_conns: int | None = None
    cookie: Cookie | None = None
    draining: tuple[Peer, ...] | None = None
    slow_start: float | None = None
    check: LiveCheck | None = None
    pooled: bool = True
    idle: float | None = None
    requests: int | None = None
    queue: Queue | None = None


Text = tuple[str, ...]
"""A text with variables: text, the name of a variable, text, and so on; names ``1`` to ``9`` are captures."""


class LiveRewrite(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """``rewrite pattern uri?args break``.

    Attributes:
        pattern: the regular expression.
        uri: the new path.
        args: the new arguments, ``None`` if they stay.
        adds: whether those of the client follow (or stay); nginx drops them after a final ``?``.
        restored: whether *pattern* is for the path as the client wrote it, after a jump.
    """

    pattern: str
    uri: Text
    args: Text | None = None
    adds: bool = True
    restored: bool = False


class LiveMore(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a location does besides what its profile says.

    Attributes:
        replaced: what replaces the path that the location matched, in requests to the backend.
        rewrite: how the path changes.
        text: the text of its answer.
        jump: the variable whose value is the path that answers instead.
        hidden: the named location that answers clients who ask for a path that only a jump may lead to.
    """

    replaced: str | None = None
    rewrite: LiveRewrite | None = None
    text: Text | None = None
    jump: str = ""
    hidden: str = ""


class LiveMap(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A variable of a host that follows from others, as by nginx's ``map``.

    Attributes:
        source: what is looked up.
        values: by key, in lower case: the case does not matter.
        patterns: ``~`` or ``~*``, a regular expression, and the value where it is the first that matches.
        otherwise: the value where nothing else fits.
    """

    source: Text
    values: Mapping[str, Text] = {}
    patterns: tuple[tuple[str, str, Text], ...] = ()
    otherwise: Text = ("",)


Shares = tuple[tuple[float, str], ...]
"""The values of a variable that divides requests, each with the end of its share of 100 %."""


StreamMethod = Literal["round_robin", "least_conn", "hash", "consistent_hash", "random", "random_two"]


class LiveStream(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The servers of an upstream of TCP or UDP; encoded as JSON it is what ``streams.js`` reads.

    Attributes:
        peers: never empty.
        method: how a server is chosen.
        key: of a hash: text, the name of a variable, text, and so on.
        ring: the points of a consistent hash in their order, each of eight hexadecimal digits and the place among
            *peers* of the server that it belongs to, two digits to the base 36; ``None`` for another method.
        max_fails: failures within *fail_timeout* after which a server is left out; 0 for never.
        fail_timeout: seconds; *connect_timeout* those until a connection has failed.
        answers: whether each datagram has an answer, so that a session without one has failed.
        check: how it is found out which servers can be connected; ``None`` if by sessions alone.
    """

    peers: tuple[Peer, ...]
    method: StreamMethod = "round_robin"
    key: tuple[str, ...] | None = None
    ring: str | None = None
    max_fails: int = 1
    fail_timeout: float = 10
    connect_timeout: float = 60
    answers: bool = False
    check: LiveCheck | None = None


class LivePath(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A location of a routed host.

    Attributes:
        modifier: empty, ``=``, ``^~``, ``~`` or ``~*``; regular expressions are tried in their order.
        path: as in a ``location``.
        profile: the named location that answers, empty if another path does (``more.jump``).
        upstream: where it sends requests, empty if it answers by itself.
        max_body: bytes of the largest body, 0 for any.
        large: the named location that refuses a larger one, empty if that needs none.
        more: ``None`` if the profile says all.
    """

    modifier: str
    path: str
    profile: str
    upstream: str = ""
    max_body: int = 0
    large: str = ""
    more: LiveMore | None = None

    @property
    def profiles(self) -> Iterator[str]:
        """The named locations that it needs."""
        hidden = self.more.hidden if self.more else ""
        return filter(None, (self.profile, self.large, hidden))

    def named(self, names: Mapping[str, str]) -> LivePath:
        """Return the same with named locations called by *names*."""
        more = self.more
        if more and more.hidden:
            more = structs.replace(more, hidden=names[more.hidden])
        return structs.replace(self, profile=names.get(self.profile, ""), large=names.get(self.large, ""), more=more)


class LiveHost(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A host without a server block of its own; encoded as JSON it is what ``routes.lua`` reads.

    Attributes:
        paths: its locations.
        tls: whether it is served over TLS too; *plain* whether without.
        first: a variable, its value, and the profile that answers instead of all *paths* where it has this value.
        hsts: a variable, its value, and the Strict-Transport-Security that is sent where it has this value.
        maps: variables that follow from others, and *splits* those that divide requests.
    """

    paths: tuple[LivePath, ...]
    tls: bool = False
    plain: bool = True
    maps: Mapping[str, LiveMap] = {}
    splits: Mapping[str, Shares] = {}
    first: tuple[tuple[str, str, str], ...] = ()
    hsts: tuple[str, str, str] | None = None

    @property
    def profiles(self) -> frozenset[str]:
        """The named locations that it needs."""
        own = (name for path in self.paths for name in path.profiles)
        return frozenset((*own, *(profile for *_, profile in self.first)))

    @property
    def layout(self) -> tuple[object, ...]:
        """What decides which path answers a request, whatever its profile says."""
        paths = tuple(
            (path.modifier, path.path, path.more and (path.more.jump, path.more.rewrite)) for path in self.paths
        )
        targets = {name: [target for _, target in shares] for name, shares in self.splits.items()}
        return paths, self.maps, targets, self.tls, self.plain

    @property
    def upstreams(self) -> frozenset[str]:
        """The names of the upstreams that it needs."""
        return frozenset(path.upstream for path in self.paths if path.upstream)


class LiveCertificate(msgspec.Struct, frozen=True, gc=False):
    """Which file below ``secrets/`` has certificate and key for a server name; *digest* is that of its content."""

    file: str
    digest: str


class LiveKey(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A key that verifies signatures of tokens.

    Attributes:
        algorithms: those that it may be used with (RFC 7518 §3.1); of one family, which is that of the key.
        key: base64 of the public key (SubjectPublicKeyInfo, DER), or of the secret for ``HS…``.
        id: its ``kid``, empty if it has none.
    """

    algorithms: tuple[str, ...]
    key: str
    id: str = ""


class LiveToken(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a JSON Web Token must be to let a client in; encoded as JSON it is what ``jwt.lua`` reads.

    Attributes:
        realm: the realm in the response to clients without a token.
        source: where the token is: ``authorization`` (the scheme Bearer), ``http``, ``arg`` or ``cookie``; *name* is
            that of the header in the spelling of nginx's variables, of the argument or of the cookie.
        keys: none if no token can be verified, so that requests are answered 500.
        issuer: what ``iss`` must be, empty for anything.
        audience: what ``aud`` must have one of; none for anything.
        leeway: seconds by which clocks may differ.
        login_url: where clients are sent instead of 401, empty for nowhere.
    """

    realm: str
    source: Literal["authorization", "http", "arg", "cookie"] = "authorization"
    name: str = ""
    keys: tuple[LiveKey, ...] = ()
    issuer: str = ""
    audience: tuple[str, ...] = ()
    leeway: float = 0.0
    login_url: str = ""


class LiveSessionKeys(msgspec.Struct, frozen=True, gc=False):
    """The keys that sessions of OpenID Connect are sealed with, in base64, by the text that names each.

    They are not part of a Release: the pipeline does not know them, and nothing that prints a configuration does.
    """

    keys: Mapping[str, str]

    def __repr__(self) -> str:
        """Name the keys, without what they are."""
        return f"LiveSessionKeys({', '.join(self.keys)})"


class LiveObjects(msgspec.Struct, frozen=True, kw_only=True):
    """What workers receive at run time.

    Attributes:
        upstreams: every upstream whose servers are pushed, by name.
        tokens: what guards locations by tokens, by name.
        hosts: every host without a server block, by name; ``*.example.com`` covers one label.
        origins: the object that each of *hosts* belongs to.
        guards: what keeps clients out of each of *hosts*; nothing, if it is not there.
        certificates: by server name, ``""`` for all other names.
        streams: every upstream of TCP and UDP whose servers are pushed, by name; ``None`` if files have all of them.
    """

    upstreams: Mapping[str, LiveUpstream] = {}
    tokens: Mapping[str, LiveToken] = {}
    hosts: Mapping[str, LiveHost] = {}
    origins: Mapping[str, ObjectRef] = {}
    guards: Mapping[str, frozenset[str]] = {}
    certificates: Mapping[str, LiveCertificate] = {}
    streams: Mapping[str, LiveStream] | None = None

    @property
    def shown(self) -> LiveObjects:
        """The same as others may see it: without the keys that verify tokens, which may be secrets."""
        tokens = {name: structs.replace(each, keys=()) for name, each in self.tokens.items()}
        return structs.replace(self, tokens=tokens) if tokens else self


class Release(msgspec.Struct, frozen=True):
    """All that nginx is to have.

    Attributes:
        files: what it reads when it loads its configuration.
        live: what is pushed at run time; ``None`` if files contain everything.
    """

    files: FileSet
    live: LiveObjects | None = None

    def is_that_of(self, other: Release) -> bool:
        """Whether the parts are those of *other*, not only equal ones."""
        return self.files is other.files and self.live is other.live


class LuaModules(msgspec.Struct, frozen=True):
    """How an nginx loads its Lua module, and the libraries that it needs.

    Attributes:
        modules: paths of the dynamic modules, in the order in which they are loaded; none that is built in.
        path: where Lua modules are found (``lua_package_path``); ``cpath`` is where compiled ones are.
        pools: whether one upstream block may keep the connections to all backends.
    """

    modules: tuple[str, ...]
    path: str
    cpath: str
    pools: bool = True


class NjsModule(msgspec.Struct, frozen=True):
    """How an nginx loads its njs module: *module* is its path, *code* that of what it runs."""

    module: str
    code: str
