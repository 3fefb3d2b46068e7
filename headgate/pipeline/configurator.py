"""Configurator: remembers what became of every resource, and merges all files into a whole."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from typing import TypeVar

import msgspec
from msgspec import structs

from headgate.configuration import Resource
from headgate.ir import File, FileSet
from headgate.ir.http import Certificate, Upstream
from headgate.ir.layout import SECRETS_FOLDER, TOKENS_FOLDER
from headgate.ir.live import LiveCertificate, LiveHost, LiveObjects, LiveStream, LiveToken, LiveUpstream
from headgate.ir.stream import PassthroughEntry
from headgate.pipeline.closed import instead_of
from headgate.pipeline.common import CommonFiles, Totals
from headgate.pipeline.generator import SHUT, Bug, Generated, Generator, Rendered, Routing, failure, not_lowered
from headgate.pipeline.main_template import suited
from headgate.pipeline.merged import MergedFiles
from headgate.pipeline.named_certificates import NamedCertificates
from headgate.pipeline.owners import Owners
from headgate.pipeline.profiles import Profiles
from headgate.pipeline.stopwatch import Stopwatch
from headgate.pipeline.wildcards import Wildcards
from headgate.problems import ObjectRef, Problem, Severity
from headgate.render import BadTemplate, Renderer
from headgate.resolve import Lowered
from headgate.routes import Listener, RouteTable
from headgate.translate import Environment, StreamPlace
from headgate.translate.tls import certificate_file

K = TypeVar("K", bound=Hashable)
Generate = Callable[[ObjectRef, Lowered, Generated | None, Owners], Generated]
_NOTHING = Rendered(table=RouteTable(origin=ObjectRef("", "", ""), members=()))


class Configurator:
    """The generated state of every resource; each method costs what changed, ``files`` little more."""

    def __init__(self, env: Environment, renderer: Renderer, watch: Stopwatch) -> None:
        """Begin without resources.

        Raises:
            BadTemplate: a template of *renderer* fails even without resources.
        """
        self._watch = watch
        env = suited(env, renderer)
        self._profiles = Profiles()
        self._lacking: dict[ObjectRef, frozenset[str]] = {}
        """The profiles that resources with server blocks would need to have none."""
        self._mentioned: Counter[str] = Counter()
        """The upstreams that snippets may send requests to, ``$`` for any."""
        self._catch_all: set[ObjectRef] = set()
        """The resources that have the default server, in which hosts without a server block are routed."""
        self._sharing_tls: set[ObjectRef] = set()
        """The resources with server blocks that share the TLS context of the default server."""
        self._demanding: set[ObjectRef] = set()
        """The resources that ask clients for certificates."""
        self._addons: set[str] = set()
        """The modules that files of resources need or needed: files that nginx refuses make way for earlier ones."""
        self._generator = self._new_generator(env, renderer)
        self._common = CommonFiles(env, renderer)
        self._resources: dict[ObjectRef, Generated] = {}
        self._owners = Owners()
        self._upstreams: dict[str, Upstream] = {}
        self._pushed: dict[str, LiveUpstream] = {}
        """What is pushed for each of ``_upstreams``; ``_pushed_streams`` for those of TCP and UDP."""
        self._pushed_streams: dict[str, LiveStream] = {}
        self._stream_routes = 0
        self._routed: dict[str, LiveHost] = {}
        """The hosts that are pushed; ``_routed_by`` has the object of each."""
        self._routed_tls: frozenset[str] | None = None
        """Those of them that are served over TLS; ``None`` after a change."""
        self._routed_by: dict[str, ObjectRef] = {}
        self._guarded: dict[str, frozenset[str]] = {}
        """What keeps clients out of the hosts that are pushed, where there is something."""
        self._hosts: tuple[Mapping[str, LiveHost], Mapping[str, ObjectRef], Mapping[str, frozenset[str]]] | None = None
        """Copies of the three above; ``None`` after a change."""
        self._live: LiveObjects | None = None
        """A copy of all that is pushed, made when it is asked for; ``None`` after a change."""
        self._merged = MergedFiles()
        self._known_tokens: dict[str, tuple[bytes, LiveToken]] = {}
        self._lengths: Counter[int] = Counter()
        self._certificates = NamedCertificates(lambda file: self._merged.digest(f"{SECRETS_FOLDER}/{file}"))
        self._listeners: Counter[Listener] = Counter()
        self._listener_set: frozenset[Listener] | None = None
        self._entries: Counter[PassthroughEntry] = Counter()
        self._places: Counter[StreamPlace] = Counter()
        self._wildcards = Wildcards()
        self._outdated: set[ObjectRef] = set()
        """The resources with hosts of which a wildcard that covers them came, went or moved."""
        self._bugs: list[Bug] = []
        self._views: tuple[Mapping[ObjectRef, Generated], Mapping[str, Upstream]] | None = None

    @property
    def env(self) -> Environment:
        """What all translations share."""
        return self._generator.env

    @property
    def renderer(self) -> Renderer:
        """The templates in force."""
        return self._generator.renderer

    @property
    def unrouted(self) -> str:
        """Why every host has a server block; empty if that depends on its resource."""
        return self._generator.routing.unrouted

    @property
    def common_fault(self) -> BadTemplate | None:
        """Why a common file could not be rendered as it should be when ``files`` was last asked."""
        return self._common.fault

    def get(self, ref: ObjectRef) -> Generated | None:
        """Return what became of *ref*, ``None`` if there is no such resource."""
        return self._resources.get(ref)

    def views(self) -> tuple[Mapping[ObjectRef, Generated], Mapping[str, Upstream]]:
        """Return all resources, and all upstreams by name, as they are now; later changes do not touch them."""
        if self._views is None:
            self._views = self._resources.copy(), self._upstreams.copy()
        return self._views

    @property
    def live(self) -> LiveObjects | None:
        """What is pushed at run time; the same object as long as nothing changed."""
        if not self.env.live:
            return None
        if self._hosts is None:
            self._hosts = self._routed.copy(), self._routed_by.copy(), self._guarded.copy()
        if self._live is None:
            hosts, origins, guards = self._hosts
            self._live = LiveObjects(
                upstreams=self._pushed.copy(),
                tokens=self._tokens(),
                hosts=hosts,
                origins=origins,
                guards=guards,
                certificates=self._pushed_certificates(),
                streams=self._pushed_streams.copy() if self.env.stream_js and self._stream_routes else None,
            )
        return self._live

    def _tokens(self) -> Mapping[str, LiveToken]:
        """Return what guards locations by tokens; the same object for a name as long as it is the same."""
        known, self._known_tokens = self._known_tokens, {}
        for file in self._merged.tokens.values():
            before = known.get(file.name)
            token = before[1] if before and before[0] == file.data else msgspec.json.decode(file.data, type=LiveToken)
            self._known_tokens[file.name] = file.data, token
        folder = f"{TOKENS_FOLDER}/"
        return {name.removeprefix(folder): token for name, (_, token) in self._known_tokens.items()}

    def _pushed_certificates(self) -> Mapping[str, LiveCertificate]:
        """Return the file of each server name; a name without one is refused."""
        if not self._pushes_certificates:
            return {}
        default = self.env.default_certificate
        return self._certificates.all(certificate_file(default) if default else "")

    @property
    def _pushes_certificates(self) -> bool:
        """Whether certificates are pushed: Lua can choose them only where no server block shares the TLS context."""
        return self._routes and not self._sharing_tls

    @property
    def _routes(self) -> bool:
        """Whether there may be hosts without a server block."""
        return not self.unrouted

    def take_bugs(self) -> tuple[Bug, ...]:
        """Return the exceptions since the last call."""
        bugs, self._bugs = tuple(self._bugs), []
        return bugs

    def add_or_update(self, ref: ObjectRef, wanted: Lowered) -> None:
        """Generate the files of a resource; where that is impossible it keeps those it had (``Generator``)."""
        old = self._resources.get(ref)
        self._install(ref, self._generated(self._generator.generate, ref, wanted, old, self._owners))

    def keep(self, resource: Resource, error: Exception, *, unguarded: bool) -> Lowered:
        """Return what stands for the routes of a resource that *error*, which is being handled, keeps from lowering.

        It keeps its files; if these are *unguarded*, without a guard that it requires, its hosts answer 500.
        """
        ref, known = resource.ref, self._resources.get(resource.ref)
        if unguarded:
            self._bugs.append(Bug(ref, traceback.format_exc()))
            problem = Problem(ref, "", "", failure(error), SHUT, Severity.ERROR)
            return instead_of(resource, known.wanted if known else None, problem)
        members = (ref, *(attached.candidate.ref for attached in resource.attached))
        kept = not_lowered(ref, members, known, error)
        self._install(ref, kept)
        return kept.wanted

    def delete(self, ref: ObjectRef) -> None:
        """Forget a resource and its files."""
        self._generator.forget(ref)
        if old := self._resources.pop(ref, None):
            self._exchange(ref, old.served or _NOTHING, _NOTHING)

    def share(self, replicas: int, refs: Iterable[ObjectRef]) -> None:
        """Generate *refs* again, whose rate limits are shared among *replicas* controllers."""
        env = structs.replace(self.env, replicas=replicas)
        self._generator = self._new_generator(env, self.renderer)
        for ref in refs:
            self.add_or_update(ref, self._resources[ref].wanted)

    def change(self, env: Environment, renderer: Renderer) -> BadTemplate | None:
        """Generate every resource again, under another ConfigMap or with other templates.

        New templates that fail for some resource are taken for none: all are then generated under *env* with the
        templates that were in force.

        Returns:
            why the new templates are not used, ``None`` if they are.
        """
        env = suited(env, renderer)
        self._profiles.forget_refused()
        generator, fault = self._new_generator(env, renderer), None
        if renderer is not self.renderer:
            try:
                fresh = self._everything(generator, strict=True)
            except BadTemplate as error:
                generator, fault = self._new_generator(suited(env, self.renderer), self.renderer), error
        if renderer is self.renderer or fault:
            fresh = self._everything(generator, strict=False)
        self._generator, self._live = generator, None
        self._install_all(fresh)
        return fault

    def restore(self, env: Environment, renderer: Renderer) -> None:
        """Generate every resource again under what was in force before; what fails keeps the files it has."""
        self._profiles.forget_refused()
        self._generator, self._live = self._new_generator(suited(env, renderer), renderer), None
        self._install_all(self._everything(self._generator, strict=False))

    def accept_profiles(self, held: Iterable[str]) -> None:
        """Remember that nginx accepts the profiles as they are, and needs those that are *held*."""
        self._profiles.accept(held)

    def pardon_profiles(self, refused: Collection[ObjectRef]) -> bool:
        """Let profiles be tried again of which nginx accepts the server blocks; it refuses those of *refused*.

        Return whether there are any.
        """
        if not self._profiles.doubtful:
            return False
        good = (ref for ref in self._lacking if not self._members_of(ref) & frozenset(refused))
        pardoned = self._profiles.pardon(name for ref in tuple(good) for name in self._lacking[ref])
        for ref in sorted(ref for ref, names in self._lacking.items() if not names.isdisjoint(pardoned)):
            self.add_or_update(ref, self._resources[ref].wanted)
        return bool(pardoned)

    def _members_of(self, ref: ObjectRef) -> frozenset[ObjectRef]:
        return frozenset((ref, *self._resources[ref].wanted.table.members))

    def refuse_profiles(self) -> None:
        """Generate server blocks for all hosts whose profiles nginx does not accept."""
        refused = self._profiles.refuse()
        for ref, generated in sorted(self._resources.items()):
            if generated.served and not refused.isdisjoint(generated.served.profiles):
                self.add_or_update(ref, generated.wanted)

    def files(self, special: Iterable[File] = ()) -> FileSet:
        """Merge everything into what nginx is to have; the same object as long as nothing changed.

        *special* are the certificates that flags name.
        """
        outdated, self._outdated = self._outdated & self._resources.keys(), set()
        for ref in sorted(outdated):
            self.add_or_update(ref, self._resources[ref].wanted)
        with self._watch.stage("render"):
            if self._listener_set is None:
                self._listener_set = frozenset(self._listeners)
            totals = Totals(
                self._lengths.total(),
                max(self._lengths, default=1),
                self._mapped(),
                self._listener_set,
                frozenset(self._entries),
                frozenset(self._places),
                frozenset(self._covered()),
                self._profiles.there if self._routes else None,
                self._pushes_certificates,
                self._names(),
                self._stream_routes > 0,
                frozenset(self._addons),
            )
            common = self._common.files(self.env, self.renderer, totals)
            whole = self._merged.whole((*special, *common))
            for name in self._merged.take_secrets():
                self._certificates.renew(name.removeprefix(f"{SECRETS_FOLDER}/"))
                self._live = None
            return whole

    def _names(self) -> frozenset[str] | None:
        """Return the routed hosts whose handshakes are accepted, where files have the certificates.

        Without them the default server would accept all, and nginx look for a certificate for each name in vain.
        """
        if not self._routes or self._pushes_certificates or self.env.default_certificate:
            return None
        if self._routed_tls is None:
            self._routed_tls = frozenset(name for name, host in self._routed.items() if host.tls)
        return self._routed_tls

    def _mapped(self) -> frozenset[Certificate]:
        """Return the entries of the map of certificates.

        Where hosts have no server block, the default server accepts handshakes for all names in it.
        """
        if self._pushes_certificates:
            return frozenset()
        certificates = self._certificates.set
        return frozenset(one for one in certificates if not one.own) if self._routes else certificates

    def _covered(self) -> Iterator[str]:
        """Yield every host that is served over HTTP, if TLS connections of a wildcard host are passed on."""
        if any(entry.host.startswith("*.") for entry in self._entries):
            for generated in self._resources.values():
                yield from generated.served.listeners if generated.served else ()

    def _everything(self, generator: Generator, *, strict: bool) -> Mapping[ObjectRef, Generated]:
        """Generate every resource with *generator* and change nothing; those with plain names keep them.

        Raises:
            BadTemplate: *strict*, and a template of the user's fails for some resource or for the common files.
        """
        if strict and (fault := self._common.check(generator.env, generator.renderer)):
            raise fault
        generate = generator.generate_strictly if strict else generator.generate
        counted = generator.routing
        generator.routing = structs.replace(counted, profiles=Profiles(self._profiles.refused, self._profiles.held))
        fresh: dict[ObjectRef, Generated] = {}
        owners = Owners()
        for ref, old in sorted(self._resources.items(), key=_plain_names_first):
            fresh[ref] = self._generated(generate, ref, old.wanted, old, owners)
            if served := fresh[ref].served:
                owners.set(ref, served.names)
                generator.routing.profiles.replace({}, served.profiles)
        generator.routing = counted
        return fresh

    def _new_generator(self, env: Environment, renderer: Renderer) -> Generator:
        """Return a Generator that lets hosts be routed at run time if they can be."""
        return Generator(env, renderer, self._watch, self._routing(env, renderer), self._addons)

    def _routing(self, env: Environment, renderer: Renderer) -> Routing:
        unrouted = env.unrouted
        if not unrouted and renderer.overrides:
            unrouted = "a template that a flag names is in use"
        elif not unrouted and self._catch_all:
            unrouted = f"{min(self._catch_all)} has rules without a host"
        return Routing(self._profiles, unrouted, self._mentioned, bool(self._demanding))

    def _install_all(self, fresh: Mapping[ObjectRef, Generated]) -> None:
        for ref, generated in fresh.items():
            self._install(ref, generated)
        self._profiles.prune()
        self._live = None

    def _generated(
        self,
        generate: Generate,
        ref: ObjectRef,
        wanted: Lowered,
        old: Generated | None,
        owners: Owners,
    ) -> Generated:
        """Generate *ref* with what its hosts must know of wildcards that cover them."""
        covered = self._wildcards.over(wanted.table)
        if covered is wanted.table:
            return generate(ref, wanted, old, owners)
        return structs.replace(generate(ref, structs.replace(wanted, table=covered), old, owners), wanted=wanted)

    def _install(self, ref: ObjectRef, fresh: Generated) -> None:
        """Let *fresh* be what became of *ref*."""
        old = self._resources.get(ref)
        self._resources[ref] = fresh
        if fresh.bug:
            self._bugs.append(fresh.bug)
        self._exchange(ref, (old and old.served) or _NOTHING, fresh.served or _NOTHING)

    def _exchange(self, ref: ObjectRef, old: Rendered, new: Rendered) -> None:
        """Take what *new* contributes in place of what *old* did."""
        self._views = None
        if old is new:
            return
        _, gone, come = new.parts.since(old.parts)
        pushes = self._merged.pushes
        self._merged.replace(old.files_with(gone), new.files_with(come))
        if self._merged.pushes != pushes:
            self._live = None
        if old.certificates != new.certificates:
            self._live = None
        if old.listeners != new.listeners:
            self._listener_set = None
            self._outdated |= self._wildcards.replace(ref, old.listeners, new.listeners)
        self._exchange_routes(ref, old, new)
        self._count(new, 1)
        self._count(old, -1)
        self._owners.set(ref, new.names)
        left, taken = old.upstreams_with(gone), new.upstreams_with(come)
        before, after = set(map(id, left)), set(map(id, taken))
        for upstream in left:
            if id(upstream) not in after and self._owners.owner(f"upstream {upstream.name}") in {ref, None}:
                self._serve(upstream.name, None)
        for upstream in taken:
            if id(upstream) not in before:
                self._serve(upstream.name, upstream)

    def _exchange_routes(self, ref: ObjectRef, old: Rendered, new: Rendered) -> None:
        """Take the hosts without a server block of *new* in place of those of *old*, and what keeps others from it."""
        if not self.env.routing:
            return
        if old.routed or new.routed:
            self._live = self._hosts = self._routed_tls = None
            self._profiles.replace(old.profiles, new.profiles)
            for name in old.routed:
                if self._routed_by.get(name) == ref:
                    del self._routed[name], self._routed_by[name]
                    self._guarded.pop(name, None)
            self._routed |= new.routed
            self._guarded |= dict.fromkeys(new.routed if new.guards else (), new.guards)
            self._routed_by |= dict.fromkeys(new.routed, ref)
        if old.lacking != new.lacking:
            self._lacking.pop(ref, None)
            if new.lacking:
                self._lacking[ref] = new.lacking
        if old.mentioned != new.mentioned:
            self._exchange_mentioned(old.mentioned, new.mentioned)
        self._exchange_tls(ref, old, new)
        if ("" in old.listeners) != ("" in new.listeners):
            free = not self._catch_all
            (self._catch_all.add if "" in new.listeners else self._catch_all.discard)(ref)
            if free != (not self._catch_all):
                self._generator = self._new_generator(self.env, self.renderer)
                self._outdated |= self._resources.keys()

    def _exchange_tls(self, ref: ObjectRef, old: Rendered, new: Rendered) -> None:
        """Take what the server blocks of a resource have to do with TLS."""
        if old.shares_tls != new.shares_tls:
            before = bool(self._sharing_tls)
            (self._sharing_tls.add if new.shares_tls else self._sharing_tls.discard)(ref)
            if before != bool(self._sharing_tls):
                self._live = None
        if old.demands_certificates != new.demands_certificates:
            before = bool(self._demanding)
            (self._demanding.add if new.demands_certificates else self._demanding.discard)(ref)
            if before != bool(self._demanding):
                self._generator = self._new_generator(self.env, self.renderer)
                self._outdated |= self._resources.keys()

    def _exchange_mentioned(self, old: frozenset[str], new: frozenset[str]) -> None:
        """Take the upstreams that snippets of a resource name; who has one of them is generated again."""
        before = set(self._mentioned)
        for name in new:
            _count(self._mentioned, name, 1)
        for name in old:
            _count(self._mentioned, name, -1)
        news = before ^ self._mentioned.keys()
        if "$" in news:
            self._outdated |= self._resources.keys()
        owners = (self._owners.owner(f"upstream {name}") for name in news)
        self._outdated |= {owner for owner in owners if owner}

    def _serve(self, name: str, upstream: Upstream | None) -> None:
        """Let *upstream* be what *name* stands for, ``None`` for nothing."""
        self._upstreams.pop(name, None)
        before, now = self._pushed.pop(name, None), upstream and upstream.live
        if upstream:
            self._upstreams[name] = upstream
        if now:
            self._pushed[name] = now
        earlier, stream = self._pushed_streams.pop(name, None), upstream and upstream.stream
        if stream:
            self._pushed_streams[name] = stream
        if now != before or stream != earlier:
            self._live = None

    def _count(self, contribution: Rendered, by: int) -> None:
        """Count what common files must know of *contribution*."""
        for host in contribution.hosts:
            _count(self._lengths, len(host), by)
        for certificate in contribution.certificates:
            self._certificates.count(certificate, by)
        for entry in contribution.entries:
            _count(self._entries, entry, by)
        for place in contribution.places:
            _count(self._places, place, by)
        for listeners in contribution.listeners.values():
            for listener in listeners:
                _count(self._listeners, listener, by)
        if streams := len(contribution.table.streams):
            self._stream_routes += by * streams
            self._live = None


def _count(counter: Counter[K], key: K, by: int) -> None:
    """Count *key*, and forget it at zero."""
    counter[key] += by
    if not counter[key]:
        del counter[key]


def _plain_names_first(item: tuple[ObjectRef, Generated]) -> tuple[bool, ObjectRef]:
    ref, generated = item
    return bool(generated.served and generated.served.salt), ref
