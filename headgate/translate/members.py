"""The objects attached to a host, translated one by one, so that a change of one does not translate the others."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Iterator, Mapping
from operator import attrgetter
from typing import TypeVar

import msgspec
from msgspec import structs

from headgate.deltas import Rope, Tally
from headgate.ir.http import HttpConfig, Location, Server
from headgate.problems import ObjectRef, Problem
from headgate.routes import MemberRoutes, PathType, Policies, Route, RoutesByMember, RouteTable, VirtualHost
from headgate.settings import Quoted
from headgate.translate.context import ServerContext
from headgate.translate.draft import Draft
from headgate.translate.environment import Environment
from headgate.translate.files import (
    Share,
    external_files,
    included,
    includes_file,
    locations_file,
    own_file,
    shares_of,
)
from headgate.translate.grpc import GrpcCount, Words, count_grpc
from headgate.translate.locations import translate_location, translate_paths
from headgate.translate.own_server import OwnServer
from headgate.translate.pages import page_answers, page_names
from headgate.translate.policies.kinds import reads_keys
from headgate.translate.standing_in import is_guarded

K = TypeVar("K")
V = TypeVar("V")
Routes = tuple[Route, ...]
Groups = Rope[MemberRoutes]
_PATH = attrgetter("path")


class Fact(enum.Enum):
    """What the server of a host must know of any of its members."""

    READS_VARIABLES = enum.auto()
    """Its routes read variables that say which resource answers."""
    READS_KEYS = enum.auto()
    """They read the variables of API keys."""
    TOGETHER = enum.auto()
    """They cannot be translated without those of the others."""
    ASKS_PAGE = enum.auto()
    """A location asks for the page of the default backend."""
    PROBLEMS = enum.auto()
    """Something was found."""
    GUARDED = enum.auto()
    """Something keeps clients out of its files."""


Facts = tuple[Fact, ...]


class Traits(msgspec.Struct, frozen=True, gc=False):
    """The routes of a member, and the facts that follow from them alone."""

    routes: Routes
    facts: Facts


class Surroundings(msgspec.Struct, frozen=True, gc=False):
    """What members are translated in; equal routes in equal surroundings become the same.

    Attributes:
        resource_variables: whether variables that say which resource answers are set.
        reads_keys: whether the variables of API keys are.
        without_grpc: why gRPC is not possible, as ``count_grpc`` has it.
    """

    resource_variables: bool
    reads_keys: bool
    without_grpc: Words | None


class Part(msgspec.Struct, frozen=True, gc=False):
    """What one member became.

    Attributes:
        ref: the member.
        traits: its routes.
        locations: its locations in the server of the host.
        share: its upstreams, zones and variables.
        problems: what was found.
        claims: names that no other member may have, or they must be translated together.
        grpc: how many of its routes speak gRPC.
        facts: those that follow from its locations and problems.
    """

    ref: ObjectRef
    traits: Traits
    locations: tuple[Location, ...]
    share: Share
    problems: tuple[Problem, ...]
    claims: frozenset[str]
    grpc: GrpcCount
    facts: Facts


class PartFiles(msgspec.Struct, frozen=True, gc=False):
    """The files of a part, the names in them, and how the server includes its locations, if there are any."""

    ref: ObjectRef
    part: Part
    configs: tuple[HttpConfig, ...]
    names: frozenset[str]
    path: Quoted | None
    facts: Facts


class Listed(msgspec.Struct, frozen=True, gc=False):
    """The files of each of *groups*, and the list by which their server includes them, if there are any."""

    groups: Groups = Rope()
    files: Rope[PartFiles] = Rope()
    included: HttpConfig | None = None


class Memory:
    """What the members of one resource became the last time, under one Environment, and sums over all of them.

    If translating fails, it is half of one version and half of another, and must not be used again.
    """

    def __init__(self) -> None:
        """Begin without members."""
        self.host: VirtualHost | None = None
        self.salt = ""
        self.groups: Groups = Rope()
        self.around: Surroundings | None = None
        self.within: Server | None = None
        self.traits: dict[ObjectRef, Traits] = {}
        self.parts: dict[ObjectRef, Part] = {}
        self.files: dict[ObjectRef, PartFiles] = {}
        self.untranslated: set[ObjectRef] = set()
        """The members whose part is not up to date; ``unwritten`` those whose files are not."""
        self.unwritten: set[ObjectRef] = set()
        self.facts: Tally[Fact] = Tally()
        self.claims: Tally[str] = Tally()
        self.names: Tally[str] = Tally()
        self.grpc = GrpcCount()
        self.own: OwnServer | None = None
        """What the host became without members."""
        self.own_names: frozenset[str] = frozenset()
        """Those in ``names`` that do not come from members."""
        self.listed = Listed()

    def open(self, host: VirtualHost, salt: str) -> None:
        """Forget everything unless it was about *host*, which is without routes, and *salt*."""
        if self.salt != salt or self.host != host:
            self.__init__()  # type: ignore[misc]
            self.host, self.salt = host, salt

    def set_traits(self, ref: ObjectRef, new: Traits | None) -> None:
        """Let *new* be the routes of *ref*, ``None`` for none; the part that they became is not up to date then."""
        old = _exchange(self.traits, ref, new)
        self.facts.replace(old.facts if old else (), new.facts if new else ())
        if new:
            self.untranslated.add(ref)

    def set_part(self, ref: ObjectRef, new: Part | None) -> None:
        """Let *new* be what *ref* became; its files are not up to date then."""
        old = _exchange(self.parts, ref, new)
        self.facts.replace(old.facts if old else (), new.facts if new else ())
        self.claims.replace(old.claims if old else (), new.claims if new else ())
        self.grpc = self.grpc.exchanged(old.grpc if old else GrpcCount(), new.grpc if new else GrpcCount())
        self.untranslated.discard(ref)
        if new:
            self.unwritten.add(ref)

    def set_files(self, ref: ObjectRef, new: PartFiles | None) -> None:
        """Let *new* be the files of *ref*."""
        old = _exchange(self.files, ref, new)
        self.facts.replace(old.facts if old else (), new.facts if new else ())
        self.names.replace(old.names if old else (), new.names if new else ())
        self.unwritten.discard(ref)

    def all_names(self, own: frozenset[str]) -> frozenset[str]:
        """Return the names in the files of all members and *own*, those in other files."""
        self.names.replace(self.own_names, own)
        self.own_names = own
        return self.names.keys


class Attached:
    """The members of a host while that is translated; none of a host that is translated as a whole."""

    def __init__(self, env: Environment, host: VirtualHost, groups: Groups, memory: Memory) -> None:
        """Look at *groups*, the routes of the members of *host*, which is given without routes."""
        self._env, self._host, self._memory = env, host, memory
        self._drafts: dict[ObjectRef, Draft] = {}
        _, gone, come = groups.since(memory.groups)
        memory.groups = groups
        for ref in {group.ref for group in gone} - {group.ref for group in come}:
            memory.set_traits(ref, None)
            memory.set_part(ref, None)
            memory.set_files(ref, None)
        for group in come:
            known = memory.traits.get(group.ref)
            if known is None or known.routes != group.routes:
                memory.set_traits(group.ref, self._look(group.ref, group.routes))

    def __contains__(self, fact: Fact) -> bool:
        """Whether *fact* is true of any member."""
        return fact in self._memory.facts

    @property
    def problems(self) -> Iterator[Problem]:
        """What was found while they were translated."""
        if Fact.PROBLEMS in self:
            for group in self._memory.groups:
                yield from self._memory.parts[group.ref].problems

    def translate(self, context: ServerContext, without_grpc: Words | None) -> GrpcCount:
        """Translate those that changed for the server of *context*; count those of all that speak gRPC."""
        memory, draft = self._memory, context.site.draft
        around = Surroundings(draft.resource_variables, context.site.reads_keys, without_grpc)
        if memory.around != around:
            memory.untranslated, memory.around = {group.ref for group in memory.groups}, around
        for ref in tuple(memory.untranslated):
            memory.set_part(ref, self._translate(ref, memory.traits[ref], context, around))
        return memory.grpc

    def distinct(self, own: Collection[str]) -> bool:
        """Whether no two of the members, and none of the host's *own* names, have a name in common."""
        claims = self._memory.claims
        return claims.distinct and len(frozenset(own)) == len(own) and not any(name in claims for name in own)

    def files(self, within: Server | None) -> Listed:
        """Return the files of all members, which the server *within* includes.

        *within* is given without locations, ``None`` if there is no server.
        """
        memory, last = self._memory, self._memory.listed
        if memory.within != within:
            memory.unwritten, memory.within = {group.ref for group in memory.groups}, within
        fresh = tuple(memory.unwritten)
        for ref in fresh:
            memory.set_files(ref, self._files(memory.parts[ref], memory.within))
        splice = memory.groups.since(last.groups)
        if not {group.ref for group in splice.come}.issuperset(fresh):
            last = Listed()
            splice = memory.groups.since(last.groups)
        come = [memory.files[group.ref] for group in splice.come]
        found = last.files.replaced(splice, come)
        included = last.included
        if [each.path for each in last.files.at(splice)] != [each.path for each in come]:
            paths = tuple(filter(None, map(_PATH, found)))
            included = includes_file(self._host.name, paths) if paths else None
        memory.listed = Listed(memory.groups, found, included)
        return memory.listed

    def _look(self, ref: ObjectRef, routes: Routes) -> Traits:
        host = structs.replace(self._host, routes=routes)
        draft = self._drafts[ref] = Draft(self._env, self._memory.salt, (host,))
        facts = {
            Fact.READS_VARIABLES: draft.resource_variables,
            Fact.READS_KEYS: reads_keys(host),
            Fact.TOGETHER: not all(map(_apart, routes)),
        }
        return Traits(routes, _true(facts))

    def _translate(self, ref: ObjectRef, traits: Traits, context: ServerContext, around: Surroundings) -> Part:
        host = structs.replace(self._host, routes=traits.routes)
        draft = self._drafts.get(ref) or Draft(self._env, self._memory.salt, (host,))
        draft.resource_variables = around.resource_variables
        site = structs.replace(context.site, draft=draft, host=host, inner={})
        own = structs.replace(context, host=host, pages=page_names(host), shared={}, site=site)
        paths = [path for path in translate_paths(draft, host) if path.route]
        routes = [path.route for path in paths if path.route]
        grpc = count_grpc(draft, routes, around.without_grpc)
        locations = (
            *(translate_location(draft, own, path) for path in paths),
            *page_answers(own),
            *site.inner.values(),
        )
        share = shares_of(draft).get(ref, Share())
        claims = frozenset((*draft.claims, *claims_of(locations)))
        asking = any(location.error_page for location in locations)
        facts = _true({Fact.ASKS_PAGE: asking, Fact.PROBLEMS: bool(draft.problems)})
        return Part(ref, traits, locations, share, tuple(draft.problems), claims, grpc, facts)

    def _files(self, part: Part, within: Server | None) -> PartFiles:
        salt, path = self._memory.salt, None
        configs = [own_file(part.ref, part.share, salt)]
        if within and part.locations:
            configs.append(locations_file(part.ref, self._host.name, within, part.locations, salt))
            path = included(self._env, configs[-1])
        configs += external_files(part.share, self._env)
        names = frozenset(name for config in configs for name in config.names)
        facts = _true({Fact.GUARDED: any(map(is_guarded, configs))})
        return PartFiles(part.ref, part, tuple(configs), names, path, facts)


def groups_of(table: RouteTable) -> tuple[VirtualHost, Groups] | None:
    """Return the host of *table* with the routes of its holder alone, and those of each other member.

    ``None`` if it cannot be translated by members: they are not known, or the locations of one follow from those of
    others.
    """
    if len(table.hosts) != 1 or table.streams:
        return None
    host = table.hosts[0]
    if not isinstance(host.routes, RoutesByMember) or _signs_in(host.policies) or not host.name:
        return None
    return structs.replace(host, routes=host.routes.own), host.routes.members


def _apart(route: Route) -> bool:
    """Whether the locations of *route* follow from it alone.

    Paths of the Ingress API depend on each other, and what leads to a sign-in page has a location for the whole host.
    """
    return route.match.type in {PathType.NGINX, PathType.INTERNAL} and not _signs_in(route.policies)


def _signs_in(policies: Policies) -> bool:
    return bool(policies.external_auth and policies.external_auth.signin)


def claims_of(locations: Iterable[Location]) -> Iterator[str]:
    """Yield *locations* as what no other object may have."""
    return (f"location {found.modifier} {found.path}" for found in locations)


def _exchange(found: dict[K, V], key: K, new: V | None) -> V | None:
    """Let *key* be *new* in *found*, ``None`` for nothing; return what it was."""
    old = found.get(key)
    if new is None:
        found.pop(key, None)
    else:
        found[key] = new
    return old


def _true(facts: Mapping[Fact, bool]) -> Facts:
    return tuple(fact for fact, true in facts.items() if true)
