"""Virtual hosts and their routes."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from itertools import chain
from operator import attrgetter

import msgspec

from headgate.deltas import Rope
from headgate.problems import ObjectRef
from headgate.routes.actions import Action, ErrorPage, Forward
from headgate.routes.backends import Backend, SecretReference
from headgate.routes.layers import Layers
from headgate.routes.listeners import Listener
from headgate.routes.policies import Policies


class PathType(enum.Enum):
    """How a path matches; the values are those of the Kubernetes Ingress API."""

    EXACT = "Exact"
    PREFIX = "Prefix"
    SPECIFIC = "ImplementationSpecific"
    NGINX = "nginx"
    """As a location of nginx, whose modifier the match has."""
    INTERNAL = "internal"
    """No request of a client; other routes of the host lead there."""


class PathRegex(enum.Enum):
    """How a path is read instead, whatever its type; the values are those of the setting ``path-regex``."""

    SENSITIVE = "case_sensitive"
    INSENSITIVE = "case_insensitive"
    EXACT = "exact"


class Match(msgspec.Struct, frozen=True, gc=False):
    """Which requests a route takes; *modifier* (empty, ``=``, ``^~``, ``~``, ``~*``) is that of a path of nginx."""

    path: str
    type: PathType
    regex: PathRegex | None = None
    modifier: str = ""

    @property
    def pattern(self) -> bool:
        """Whether the path is a regular expression."""
        return self.regex in {PathRegex.SENSITIVE, PathRegex.INSENSITIVE} or self.modifier.startswith("~")

    def __str__(self) -> str:
        """The path and its type, as the Ingress API names them; one of nginx with its modifier."""
        if self.type is PathType.NGINX:
            return f"{self.modifier} {self.path}".strip()
        return f"{self.path} ({self.type.value})"


class HttpsRedirect(msgspec.Struct, frozen=True, gc=False):
    """Requests in plain HTTP are redirected with the status *code* to HTTPS on *port*, 0 for the usual one.

    *forwarded*: what a proxy in front says (X-Forwarded-Proto) counts in place of the scheme of its connection.
    *ported*: the usual port is named, too.
    *slash*: whether a slash at the end of the URL is kept.
    """

    code: int
    port: int = 0
    forwarded: bool = False
    ported: bool = False
    slash: bool = True


class Route(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Requests that match, and what happens to them.

    Attributes:
        match: which requests.
        action: what happens to them.
        origin: the object that asks for it.
        settings: what holds there, lowest first; the last layer is that of *origin*.
        policies: everything that holds here, those of the host included; ``basic_auth`` is of *origin* alone.
        field: where the object asks for it (``spec.rules[0].http.paths[1]``).
        error_pages: what clients get instead of errors.
        redirect: how requests are redirected to HTTPS, ``None`` where that is a setting of the host or not asked for.
        pages_of: the object that asks for *error_pages*, another than *origin* if they are inherited; ``pages_field``
            is where.
        intercepts: whether these are in place of errors of backends, too, and not of nginx's own alone.
    """

    match: Match
    action: Action
    origin: ObjectRef
    settings: Layers
    policies: Policies = Policies()
    field: str = ""
    error_pages: tuple[ErrorPage, ...] = ()
    pages_of: ObjectRef | None = None
    pages_field: str = ""
    intercepts: bool = True
    redirect: HttpsRedirect | None = None

    @property
    def backend(self) -> Backend | None:
        """The first of the backends that get the requests, ``None`` if something else happens to them."""
        return self.action.backend if isinstance(self.action, Forward) else None


class Tls(msgspec.Struct, frozen=True, gc=False):
    """That a host speaks TLS.

    Attributes:
        secret: its certificate, ``None`` where it names none and there is no other for such hosts.
        named: the name of the Secret that the object gives, empty if it gives none.
        default: whether the certificate of the default server is used where there is no other.
        second: a certificate with a key of another algorithm, for clients that cannot use the first one.
    """

    secret: SecretReference | None
    named: str = ""
    default: bool = False
    second: SecretReference | None = None

    @property
    def secrets(self) -> tuple[SecretReference, ...]:
        """Its certificates, the first one first."""
        return tuple(secret for secret in (self.secret, self.second) if secret)


_ROUTES = attrgetter("routes")


class MemberRoutes(msgspec.Struct, frozen=True, gc=False):
    """The routes of one member; the same object as before as long as they are the same."""

    ref: ObjectRef
    routes: tuple[Route, ...]


class RoutesByMember(msgspec.Struct, frozen=True, gc=False):
    """The routes of a host: its *own*, then those of each attached object in turn."""

    own: tuple[Route, ...]
    members: Rope[MemberRoutes]

    def __iter__(self) -> Iterator[Route]:
        """Iterate over all routes."""
        return chain(self.own, chain.from_iterable(map(_ROUTES, self.members)))

    def __len__(self) -> int:
        """Count the routes."""
        return len(self.own) + sum(map(len, map(_ROUTES, self.members)))


class VirtualHost(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A host and everything that answers there.

    Attributes:
        name: ``cafe.example.com``, ``*.example.com``, or ``""`` for every host without a holder.
        origin: the object that holds the host.
        settings: what holds for the host, lowest first.
        handed_down: the part of it on which the routes of other objects stand; for its own it is the same.
        routes: in order of precedence where two are alike; by member where they can be translated one by one.
        default: what answers where no route does, and in place of errors.
        listeners: where it answers, if not on the usual ports.
        only_there: whether it does not answer on a usual port either for which there is no listener among them.
        tls: ``None`` for plain HTTP only.
        policies: the Policies that apply.
        covered: the listeners of a wildcard host that covers the name. Where this host is not served itself, that one
            must not answer for it.
        redirect: how all requests in plain HTTP are redirected, where that is not asked for by a setting.
        gunzip: whether responses are decompressed for clients without gzip.
        http_snippet: configuration beside its servers.
        shared: whether routes of other objects may be added to its own.
        independent: whether these are served although nginx refuses what its own object has there.
        ordered: whether regular expressions of all objects are tried in the order of *routes*; else those of each
            object after the other.
        challenges: the paths of ACME challenges among the routes, which other objects have added: no client is asked
            there who it is, or redirected to HTTPS.
    """

    name: str
    origin: ObjectRef
    settings: Layers
    handed_down: Layers
    routes: tuple[Route, ...] | RoutesByMember = ()
    default: Forward | None = None
    listeners: tuple[Listener, ...] = ()
    only_there: bool = False
    tls: Tls | None = None
    policies: Policies = Policies()
    covered: tuple[Listener, ...] = ()
    redirect: HttpsRedirect | None = None
    gunzip: bool = False
    http_snippet: str = ""
    shared: bool = False
    independent: bool = False
    ordered: bool = False
    challenges: tuple[str, ...] = ()

    @property
    def every_policies(self) -> Iterator[Policies]:
        """Yield the Policies of the host and of its routes, each once where they are the same object."""
        found = {id(each): each for each in (self.policies, *(route.policies for route in self.routes))}
        yield from found.values()

    @property
    def solvers(self) -> frozenset[ObjectRef]:
        """The objects that answer ACME challenges here."""
        if not self.challenges:
            return frozenset()
        return frozenset(route.origin for route in self.routes if route.match.path in self.challenges) - {self.origin}
