"""Configurator: remembers what became of every resource, and merges all files into a whole."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import TypeVar

from msgspec import structs

from headgate.configuration import Resource
from headgate.ir import File, FileSet
from headgate.ir.http import Certificate, Upstream
from headgate.ir.live import LiveUpstream
from headgate.ir.stream import PassthroughEntry
from headgate.pipeline.closed import instead_of
from headgate.pipeline.common import CommonFiles, Totals
from headgate.pipeline.generator import SHUT, Bug, Generated, Generator, Rendered, failure, not_lowered
from headgate.pipeline.main_template import suited
from headgate.pipeline.merged import MergedFiles
from headgate.pipeline.owners import Owners
from headgate.pipeline.stopwatch import Stopwatch
from headgate.pipeline.wildcards import Wildcards
from headgate.problems import ObjectRef, Problem, Severity
from headgate.render import BadTemplate, Renderer
from headgate.resolve import Lowered
from headgate.routes import Listener, RouteTable
from headgate.translate import Environment, StreamPlace

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
        self._generator = Generator(env, renderer, watch)
        self._common = CommonFiles(env, renderer)
        self._resources: dict[ObjectRef, Generated] = {}
        self._owners = Owners()
        self._upstreams: dict[str, Upstream] = {}
        self._pushed: dict[str, LiveUpstream] = {}
        """What is pushed for each of ``_upstreams``."""
        self._live: Mapping[str, LiveUpstream] | None = None
        """A copy of it, made when it is asked for; ``None`` after a change."""
        self._merged = MergedFiles()
        self._lengths: Counter[int] = Counter()
        self._certificates: Counter[Certificate] = Counter()
        self._certificate_set: frozenset[Certificate] | None = None
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
    def live(self) -> Mapping[str, LiveUpstream] | None:
        """The upstreams whose servers are pushed at run time; the same object as long as nothing changed."""
        if not self.env.live:
            return None
        if self._live is None:
            self._live = self._pushed.copy()
        return self._live

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
        self._generator = Generator(env, self.renderer, self._watch)
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
        generator, fault = Generator(env, renderer, self._watch), None
        if renderer is not self.renderer:
            try:
                fresh = self._everything(generator, strict=True)
            except BadTemplate as error:
                generator, fault = Generator(suited(env, self.renderer), self.renderer, self._watch), error
        if renderer is self.renderer or fault:
            fresh = self._everything(generator, strict=False)
        self._generator = generator
        for ref, generated in fresh.items():
            self._install(ref, generated)
        return fault

    def restore(self, env: Environment, renderer: Renderer) -> None:
        """Generate every resource again under what was in force before; what fails keeps the files it has."""
        self._generator = Generator(suited(env, renderer), renderer, self._watch)
        for ref, generated in self._everything(self._generator, strict=False).items():
            self._install(ref, generated)

    def files(self, special: Iterable[File] = ()) -> FileSet:
        """Merge everything into what nginx is to have; the same object as long as nothing changed.

        *special* are the certificates that flags name.
        """
        outdated, self._outdated = self._outdated & self._resources.keys(), set()
        for ref in sorted(outdated):
            self.add_or_update(ref, self._resources[ref].wanted)
        with self._watch.stage("render"):
            if self._certificate_set is None:
                self._certificate_set = frozenset(self._certificates)
            if self._listener_set is None:
                self._listener_set = frozenset(self._listeners)
            totals = Totals(
                self._lengths.total(),
                max(self._lengths, default=1),
                self._certificate_set,
                self._listener_set,
                frozenset(self._entries),
                frozenset(self._places),
                frozenset(self._covered()),
            )
            common = self._common.files(self.env, self.renderer, totals)
            return self._merged.whole((*special, *common))

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
        fresh: dict[ObjectRef, Generated] = {}
        owners = Owners()
        for ref, old in sorted(self._resources.items(), key=_plain_names_first):
            fresh[ref] = self._generated(generate, ref, old.wanted, old, owners)
            if served := fresh[ref].served:
                owners.set(ref, served.names)
        return fresh

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
        self._merged.replace(old.files_with(gone), new.files_with(come))
        if old.certificates != new.certificates:
            self._certificate_set = None
        if old.listeners != new.listeners:
            self._listener_set = None
            self._outdated |= self._wildcards.replace(ref, old.listeners, new.listeners)
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

    def _serve(self, name: str, upstream: Upstream | None) -> None:
        """Let *upstream* be what *name* stands for, ``None`` for nothing."""
        self._upstreams.pop(name, None)
        before, now = self._pushed.pop(name, None), upstream and upstream.live
        if upstream:
            self._upstreams[name] = upstream
        if now:
            self._pushed[name] = now
        if now != before:
            self._live = None

    def _count(self, contribution: Rendered, by: int) -> None:
        """Count what common files must know of *contribution*."""
        for host in contribution.hosts:
            _count(self._lengths, len(host), by)
        for certificate in contribution.certificates:
            _count(self._certificates, certificate, by)
        for entry in contribution.entries:
            _count(self._entries, entry, by)
        for place in contribution.places:
            _count(self._places, place, by)
        for listeners in contribution.listeners.values():
            for listener in listeners:
                _count(self._listeners, listener, by)


def _count(counter: Counter[K], key: K, by: int) -> None:
    """Count *key*, and forget it at zero."""
    counter[key] += by
    if not counter[key]:
        del counter[key]


def _plain_names_first(item: tuple[ObjectRef, Generated]) -> tuple[bool, ObjectRef]:
    ref, generated = item
    return bool(generated.served and generated.served.salt), ref
