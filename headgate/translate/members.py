"""The objects attached to a host, translated one by one, so that a change of one does not translate the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
from msgspec import structs

from headgate.ir.http import HttpConfig, Location, Server
from headgate.problems import ObjectRef, Problem
from headgate.routes import PathType, Policies, Route, RouteTable, VirtualHost
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
from headgate.translate.pages import page_answers, page_names
from headgate.translate.policies.kinds import reads_keys

Routes = tuple[Route, ...]


class Traits(msgspec.Struct, frozen=True, gc=False):
    """What the server and all other members must know of the routes of one.

    Attributes:
        routes: the routes.
        reads_variables: whether they read variables that say which resource answers.
        reads_keys: whether they read the variables of API keys.
        apart: whether they can be translated without those of the others.
    """

    routes: Routes
    reads_variables: bool
    reads_keys: bool
    apart: bool


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
    """

    ref: ObjectRef
    traits: Traits
    locations: tuple[Location, ...]
    share: Share
    problems: tuple[Problem, ...]
    claims: frozenset[str]
    grpc: GrpcCount


class PartFiles(msgspec.Struct, frozen=True, gc=False):
    """The files of a part, the names in them, and how the server includes its locations, if there are any.

    *guarded* says whether something keeps clients out of them.
    """

    part: Part
    configs: tuple[HttpConfig, ...]
    names: frozenset[str]
    path: Quoted | None = None
    guarded: bool = False


class Memory:
    """What the members of one resource became the last time, under one Environment."""

    def __init__(self) -> None:
        """Begin without members."""
        self.host: VirtualHost | None = None
        self.salt = ""
        self.traits: Mapping[ObjectRef, Traits] = {}
        self.around: Surroundings | None = None
        self.parts: Mapping[ObjectRef, Part] = {}
        self.within: Server | None = None
        self.files: Mapping[ObjectRef, PartFiles] = {}

    def open(self, host: VirtualHost, salt: str) -> None:
        """Forget everything unless it was about *host*, which is without routes, and *salt*."""
        if self.salt != salt or self.host != host:
            self.__init__()  # type: ignore[misc]
            self.host, self.salt = host, salt


class Attached:
    """The members of a host while that is translated; none of a host that is translated as a whole."""

    def __init__(self, env: Environment, host: VirtualHost, groups: Mapping[ObjectRef, Routes], memory: Memory) -> None:
        """Look at *groups*, the routes of the members of *host*, which is given without routes."""
        self._env, self._host, self._memory = env, host, memory
        self._drafts: dict[ObjectRef, Draft] = {}
        before = memory.traits
        self._traits = {
            ref: known if (known := before.get(ref)) is not None and known.routes == routes else self._look(ref, routes)
            for ref, routes in groups.items()
        }
        memory.traits = self._traits
        self.reads_variables = any(traits.reads_variables for traits in self._traits.values())
        self.reads_keys = any(traits.reads_keys for traits in self._traits.values())
        self._parts: Sequence[Part] = ()

    @property
    def apart(self) -> bool:
        """Whether each can be translated without the others."""
        return all(traits.apart for traits in self._traits.values())

    @property
    def guarded(self) -> bool:
        """Whether something keeps clients out of the files that were returned last."""
        return any(files.guarded for files in self._memory.files.values())

    @property
    def problems(self) -> Iterator[Problem]:
        """What was found while they were translated."""
        for part in self._parts:
            yield from part.problems

    def translate(self, context: ServerContext, without_grpc: Words | None) -> Sequence[Part]:
        """Translate those that changed for the server of *context*."""
        memory, draft = self._memory, context.site.draft
        around = Surroundings(draft.resource_variables, context.site.reads_keys, without_grpc)
        known = memory.parts if memory.around == around else {}
        self._parts = tuple(
            part if (part := known.get(ref)) is not None and part.traits is traits
            else self._translate(ref, traits, context, around)
            for ref, traits in self._traits.items()
        )  # fmt: skip
        memory.around = around
        memory.parts = {part.ref: part for part in self._parts}
        return self._parts

    def distinct(self, *others: Iterable[str]) -> bool:
        """Whether no two of the members, and none of *others*, have a name in common."""
        claims = [*(part.claims for part in self._parts), *map(frozenset, others)]
        return len(frozenset[str]().union(*claims)) == sum(map(len, claims))

    def files(self, within: Server | None) -> tuple[Sequence[HttpConfig], frozenset[str]]:
        """Return the files of all members, with the list by which the server *within* includes them, and their names.

        *within* is given without locations, ``None`` if there is no server.
        """
        found = self._all_files(within)
        configs = [config for files in found for config in files.configs]
        paths = [files.path for files in found if files.path]
        if paths:
            configs.append(includes_file(self._host.name, paths))
        names = frozenset[str]().union(*(files.names for files in found), *(config.names for config in configs[-1:]))
        return configs, names

    def _all_files(self, within: Server | None) -> Sequence[PartFiles]:
        memory = self._memory
        if memory.within != within:
            memory.files, memory.within = {}, within
        found = tuple(
            files if (files := memory.files.get(part.ref)) is not None and files.part is part
            else self._files(part, memory.within)
            for part in self._parts
        )  # fmt: skip
        memory.files = {files.part.ref: files for files in found}
        return found

    def _look(self, ref: ObjectRef, routes: Routes) -> Traits:
        host = structs.replace(self._host, routes=routes)
        draft = self._drafts[ref] = Draft(self._env, self._memory.salt, (host,))
        return Traits(routes, draft.resource_variables, reads_keys(host), all(map(_apart, routes)))

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
        return Part(ref, traits, locations, share, tuple(draft.problems), claims, grpc)

    def _files(self, part: Part, within: Server | None) -> PartFiles:
        salt, path = self._memory.salt, None
        configs = [own_file(part.ref, part.share, salt)]
        if within and part.locations:
            configs.append(locations_file(part.ref, self._host.name, within, part.locations, salt))
            path = included(self._env, configs[-1])
        configs += external_files(part.share, self._env)
        names = frozenset(name for config in configs for name in config.names)
        return PartFiles(part, tuple(configs), names, path, any(config.guards for config in configs))


def groups_of(table: RouteTable) -> tuple[VirtualHost, Mapping[ObjectRef, Routes]] | None:
    """Return the host of *table* with the routes of its holder alone, and those of each other member.

    ``None`` if it cannot be translated by members: there are none, or the locations of one follow from those of others.
    """
    if len(table.members) == 1 or len(table.hosts) != 1 or table.streams:
        return None
    host = table.hosts[0]
    if _signs_in(host.policies) or not host.name:
        return None
    groups: dict[ObjectRef, list[Route]] = {member: [] for member in table.members}
    for route in host.routes:
        groups[route.origin].append(route)
    own = structs.replace(host, routes=tuple(groups.pop(host.origin)))
    return own, {ref: tuple(routes) for ref, routes in groups.items()}


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
