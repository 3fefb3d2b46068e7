"""Which Informers run: one per kind and watched namespace, following labelled namespaces as they come and go."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from headgate.api import (
    ConfigMap,
    GlobalConfiguration,
    Ingress,
    IngressClass,
    Kind,
    Namespace,
    Pod,
    Secret,
    Service,
    TopLevel,
    Undecodable,
)
from headgate.configuration import class_rule, wanted_classes
from headgate.k8s import Informer, Source, WorkQueue
from headgate.options import NamespacedName, Options
from headgate.problems import ObjectRef
from headgate.watch.absent import AbsentKinds
from headgate.watch.collections import Collection
from headgate.watch.config_maps import config_maps_named
from headgate.watch.kinds import DEPENDENTS, WATCHED, Extent, Watched
from headgate.watch.pods import ask_for_pods

log = logging.getLogger(__name__)

M = TypeVar("M", bound=TopLevel)

FOLLOWED = frozenset({Extent.WATCHED, Extent.CUSTOM, Extent.BEHIND, Extent.SECRETS, Extent.DEPENDENT})
"""What is watched in namespaces that -watch-namespace-label selects."""
PODS_S = 10.0
"""How long Pods and ConfigMaps that objects need are waited for (seconds); afterwards they are taken for missing."""


class Selection(msgspec.Struct, frozen=True):
    """A part of a kind's objects; empty texts select everything."""

    namespace: str = ""
    fields: str = ""
    labels: str = ""


class Follower(Protocol):
    """Takes note of dependents, which have no place in the WorkQueue."""

    def changed(self, ref: ObjectRef, /) -> None:
        """Note that one is new, differs, or is gone."""

    def present(self, kind: Kind, /) -> None:
        """Note that those of a kind are about to be known as a whole, or that it is missing."""


class Sources(Protocol):
    """Where objects come from: an API server, or a folder."""

    def __call__(self, model: type[M], selection: Selection) -> Source[M]:
        """Return the source of the selected objects of a kind."""
        ...


class Watches:
    """The running Informers, and what they hold as one Collection a kind."""

    def __init__(self, options: Options, sources: Sources, queue: WorkQueue) -> None:
        """Prepare the Informers that do not depend on labels; nothing is asked before ``run``."""
        self._options = options
        self._sources = sources
        self._queue = queue
        self._running: dict[str, list[tuple[Informer[Any], asyncio.Task[None]]]] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._dependents = {each.row.model: each for each in DEPENDENTS if each.wanted(options)}
        self._rows = (*WATCHED, *(each.row for each in self._dependents.values()))
        self.collections: Mapping[type[TopLevel], Collection[Any]] = {row.model: Collection() for row in self._rows}
        custom = AbsentKinds()
        self._absent = {row.model: custom for row in WATCHED if row.extent is Extent.CUSTOM}
        self._absent |= self._absent_dependents()
        self._follower: Follower | None = None
        self._pods = options.manifests is not None
        """Whether the Pods behind Services are watched; in a folder they are read with the rest."""
        self._config_maps: set[ObjectRef] = set()
        """The ConfigMaps that objects name; ``_informed`` are the namespaces in which ConfigMaps are watched."""
        self._informed: set[str] = set()
        self._informers: list[Informer[Any]] = list(self._fixed())
        self._namespaces = self._namespace_informer()

    def follow_replicas(self, selector: str) -> None:
        """Watch the Pods in the controller's own namespace that *selector* selects, from now on or with ``run``."""
        selection = Selection(self._options.pod_namespace, labels=selector)
        informer = self._informer(Watched(Pod, Extent.OWN), selection)
        self._informers.append(informer)
        if self._tasks:
            self._tasks.create_task(informer.run())

    async def know(self, objects: Iterable[object]) -> Iterable[ObjectRef]:
        """Watch what *objects* need and was not watched; return that when it is listed, or may not be."""
        objects = tuple(objects)
        pods = await self.know_pods() if ask_for_pods(objects) else ()
        named = self._options.configmap
        main = ConfigMap.KIND.ref(named.namespace, named.name) if named else None
        if any(isinstance(each, IngressClass) for each in objects):
            objects = (*objects, *self.collections[Ingress].values())  # which may be of a class that is served now
        classes = self.collections[IngressClass].values()
        rule = class_rule(wanted_classes(self._options), classes, standalone=self._options.manifests is not None)
        return (*pods, *await self.know_config_maps(config_maps_named(objects, main, rule)))

    async def know_config_maps(self, refs: Iterable[ObjectRef]) -> Iterable[ObjectRef]:
        """Watch the ConfigMaps *refs* from now on; return those that were not known when they are listed.

        Those that cannot be listed are not waited for: they are missing until they can.
        """
        fresh = {ref for ref in refs if ref not in self._config_maps and self._watched(ref.namespace)}
        if not fresh or not self._tasks:
            return ()
        self._config_maps |= fresh
        begun: list[Informer[Any]] = []
        for namespace in sorted({ref.namespace for ref in fresh} - self._informed):
            self._informed.add(namespace)
            informer = self._informer(Watched(ConfigMap, Extent.NAMED_BY), Selection(namespace))
            task = self._tasks.create_task(informer.run())
            if namespace in self._running:
                self._running[namespace].append((informer, task))
            else:
                self._informers.append(informer)
            begun.append(informer)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PODS_S):
                for informer in begun:
                    await informer.tried.wait()
        return sorted(fresh)

    def _watched(self, namespace: str) -> bool:
        """Whether Ingresses of *namespace* are watched."""
        if self._options.watch_namespace_label:
            return namespace in self._running
        return _covers(self._options.watch_namespace, namespace, "")

    async def know_pods(self) -> Iterable[ObjectRef]:
        """Watch the Pods behind Services from now on; return them when they are listed, or may not be.

        Only the first call returns any: later changes come by the WorkQueue.
        """
        if self._pods or not self._tasks:
            return ()
        self._pods = True
        row, tasks = Watched(Pod, Extent.BEHIND), self._tasks
        fixed = [self._informer(row, Selection(namespace)) for namespace in self._namespaces_of(row)]
        self._informers += fixed
        for informer in fixed:
            tasks.create_task(informer.run())
        followed = {namespace: self._informer(row, Selection(namespace)) for namespace in self._running}
        for namespace, informer in followed.items():
            self._running[namespace].append((informer, tasks.create_task(informer.run())))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PODS_S):
                for informer in (*fixed, *followed.values()):
                    await informer.synced.wait()
        return self.collections[Pod]

    def follow_dependents(self, follower: Follower) -> None:
        """Have *follower* take note of dependents; called before ``run``."""
        self._follower = follower

    def covers(self, model: type[TopLevel], namespace: str) -> bool:
        """Whether objects of a kind are watched in *namespace*."""
        row = next((row for row in WATCHED if row.model is model), None)
        if row is None or not self._enabled(row):
            return False
        named = self._options.global_configuration if model is GlobalConfiguration else None
        return self._watched(namespace) or bool(named and named.namespace == namespace)

    def lacks(self, kind: Kind) -> bool:
        """Whether the cluster does not have *kind*, as far as is known."""
        return any(absent.includes(kind) for absent in self._absent.values())

    def failing(self) -> Mapping[str, int]:
        """Count the Informers whose last request failed, by resource (``ingresses``)."""
        found: Counter[str] = Counter()
        for informer in self.informers():
            found[informer.name.partition(" ")[0]] += bool(informer.error)
        return found

    def find(self, model: type[TopLevel], ref: ObjectRef) -> TopLevel | None:
        """Look one object up."""
        return self.collections[model].get(ref)

    def read(self, keys: Iterable[ObjectRef]) -> Mapping[ObjectRef, TopLevel | Undecodable[Any] | None]:
        """Return the newest version of each object that *keys* name, ``None`` for those that are gone."""
        models = {(model.KIND.group, model.KIND.name): model for model in self.collections}
        return {ref: self._newest(models.get((ref.group, ref.kind)), ref) for ref in keys}

    def known(self, model: type[TopLevel], ref: ObjectRef) -> TopLevel | None:
        """Look one object up; of one that does not decode, what could be read."""
        found = self.find(model, ref)
        broken = self.collections[model].undecodable(ref) if found is None else None
        return broken.remains if broken else found

    def listed(self, model: type[TopLevel], ref: ObjectRef) -> bool:
        """Whether *ref* would be known if it were there: it is watched, and the whole was read."""
        return self.collections[model].listed(ref)

    def informers(self) -> Sequence[Informer[Any]]:
        """Return every Informer that runs now."""
        namespaces = [self._namespaces] if self._namespaces else []
        followed = [informer for pairs in list(self._running.values()) for informer, _ in pairs]
        return [*namespaces, *self._informers, *followed]

    async def synced(self) -> None:
        """Return once every Informer has the whole of its collection, or may not have it."""
        if self._namespaces:
            await self._namespaces.synced.wait()
        for informer in self.informers():
            await informer.synced.wait()
        for absent in dict.fromkeys(self._absent.values()):
            absent.announce()

    async def run(self) -> None:
        """Run every Informer; ends only by cancellation, which leaves the Stores as they are."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            if self._namespaces:
                tasks.create_task(self._namespaces.run())
            for informer in self._informers:
                tasks.create_task(informer.run())

    def _newest(self, model: type[TopLevel] | None, ref: ObjectRef) -> TopLevel | Undecodable[Any] | None:
        if model is None:
            return None
        return self.find(model, ref) or self.collections[model].undecodable(ref)

    def _absent_dependents(self) -> Mapping[type[TopLevel], AbsentKinds]:
        """Return what collects missing kinds of dependents: together for those of which one is enough."""
        found: dict[str, AbsentKinds] = {}
        for each in self._dependents.values():
            alike = [other.row.model.KIND for other in self._dependents.values() if other.flag == each.flag]
            found.setdefault(each.flag, AbsentKinds(each.remedy, each.without, alike))
        return {model: found[each.flag] for model, each in self._dependents.items()}

    def _namespace_informer(self) -> Informer[Namespace] | None:
        """Build the Informer that follows labelled namespaces, if a label is asked for."""
        label = self._options.watch_namespace_label
        if not label:
            return None
        return Informer(self._sources(Namespace, Selection(labels=label)), self._follow, name="namespaces")

    def _fixed(self) -> Iterator[Informer[Any]]:
        """Build the Informers that run from the start to the end."""
        for row in self._rows:
            for namespace in self._namespaces_of(row):
                yield self._informer(row, Selection(namespace, row.fields))
        for model, named in self._named():
            fields = f"metadata.name={named.name}"
            extent = Extent.CUSTOM if model is GlobalConfiguration else Extent.NAMED
            yield self._informer(Watched(model, extent), Selection(named.namespace, fields))

    def _namespaces_of(self, row: Watched) -> tuple[str, ...]:
        if row.extent is Extent.CLUSTER:
            return ("",)
        if (
            row.extent in {Extent.NAMED, Extent.NAMED_BY, Extent.OWN}
            or self._options.watch_namespace_label
            or not self._enabled(row)
        ):
            return ()
        if row.extent is Extent.SECRETS:
            return self._options.secret_namespaces or ("",)
        return self._options.watch_namespace or ("",)

    def _named(self) -> Iterator[tuple[type[TopLevel], NamespacedName]]:
        """Yield the objects that flags name and that no other Informer sees."""
        options = self._options
        for config_map in options.config_maps:
            yield ConfigMap, config_map
        listeners = options.global_configuration if options.enable_custom_resources else None
        if listeners and not _covers(options.watch_namespace, listeners.namespace, options.watch_namespace_label):
            yield GlobalConfiguration, listeners
        for secret in {options.default_server_tls_secret, options.wildcard_tls_secret}:
            if secret and not _covers(options.secret_namespaces, secret.namespace, options.watch_namespace_label):
                yield Secret, secret
        service = options.published_service
        if service and not _covers(options.watch_namespace, service.namespace, options.watch_namespace_label):
            yield Service, service

    def _informer(self, row: Watched, selection: Selection) -> Informer[Any]:
        where = f" in {selection.namespace}" if selection.namespace else ""
        name = f"{row.model.KIND.plural}{where}"
        absent = functools.partial(self._note_absent, row.model) if row.model in self._absent else None
        source = self._sources(row.model, selection)
        changed = {Extent.DEPENDENT: self._dependent_changed, Extent.NAMED_BY: self._config_map_changed}.get(
            row.extent, self._queue.add
        )
        informer: Informer[Any] = Informer(source, changed, name=name, absent=absent)
        self.collections[row.model].add(selection.namespace, informer.store)
        return informer

    def _note_absent(self, model: type[TopLevel], *, absent: bool) -> None:
        self._absent[model].note(model.KIND, absent=absent)
        if self._follower and model in self._dependents:
            self._follower.present(model.KIND)

    def _config_map_changed(self, ref: ObjectRef) -> None:
        if ref in self._config_maps:
            self._queue.add(ref)

    def _dependent_changed(self, ref: ObjectRef) -> None:
        if self._follower:
            self._follower.changed(ref)

    def _follow(self, ref: ObjectRef) -> None:
        """Begin or end to watch a namespace whose label came or went."""
        assert self._namespaces  # noqa: S101 - its Informer calls this,
        assert self._tasks  # noqa: S101 - from a task of this group
        tasks, wanted = self._tasks, ref in self._namespaces.store
        if wanted and ref.name not in self._running:
            rows = [row for row in self._rows if row.extent in FOLLOWED]
            made = [self._informer(row, Selection(ref.name, row.fields)) for row in rows if self._reads(row, ref.name)]
            self._running[ref.name] = [(informer, tasks.create_task(informer.run())) for informer in made]
            log.info("namespace watched", extra={"fields": {"namespace": ref.name}})
        elif not wanted and ref.name in self._running:
            self._informed.discard(ref.name)
            self._config_maps = {each for each in self._config_maps if each.namespace != ref.name}
            for informer, task in self._running.pop(ref.name):
                task.cancel()
                self._drop(ref.name, informer)
            log.info("namespace no longer watched", extra={"fields": {"namespace": ref.name}})

    def _enabled(self, row: Watched) -> bool:
        """Whether the kind is watched now: custom resources as a flag says, Pods once a Service needs them."""
        if row.extent is Extent.CUSTOM:
            return self._options.enable_custom_resources
        return row.extent is not Extent.BEHIND or self._pods

    def _reads(self, row: Watched, namespace: str) -> bool:
        allowed = self._options.watch_secret_namespace
        return self._enabled(row) and (row.extent is not Extent.SECRETS or not allowed or namespace in allowed)

    def _drop(self, namespace: str, informer: Informer[Any]) -> None:
        """Take an Informer's objects away; their keys go on the queue, which finds them gone."""
        for collection in self.collections.values():
            collection.discard(namespace, informer.store)
        for ref in (*informer.store, *informer.store.undecodable):
            informer.changed(ref)


def _covers(namespaces: tuple[str, ...], namespace: str, label: str) -> bool:
    """Whether the Informers of *namespaces* (empty: all) see *namespace*; with a label nobody knows beforehand."""
    return not label and (not namespaces or namespace in namespaces)
