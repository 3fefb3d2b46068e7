"""Rooms 3 to 6: a batch of keys becomes the Files that nginx is to have. No effects; runs in a worker thread."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from time import perf_counter
from typing import TypeVar, cast

import msgspec
from msgspec import structs

from headgate.api import ConfigMap, EndpointSlice, Ingress, IngressClass, Pod, Secret, Service, TopLevel
from headgate.configuration import Configuration, IngressConfiguration, Operation, Update, class_rule
from headgate.controller.configurator import Configurator
from headgate.controller.replicas import count_ready
from headgate.ir import FileSet
from headgate.options import NamespacedName, Options, listeners
from headgate.problems import ObjectRef, Problem
from headgate.render import HTTP, MAIN, BadTemplate, Renderer
from headgate.resolve.ingress import resolve_ingress
from headgate.resolve.references import References
from headgate.resolve.secrets import DEFAULT, WILDCARD, LocalSecretStore
from headgate.resolve.snapshot import SliceIndex, Snapshot
from headgate.settings import ConfigParams, read_configmap
from headgate.translate import Environment, lacks_of_config_map
from headgate.validation.ingress import Rules

M = TypeVar("M", bound=TopLevel)

Collections = Mapping[type[TopLevel], Mapping[ObjectRef, TopLevel]]
"""Every watched object, by model; live, but asked for single objects only."""

InForce = tuple[ConfigParams, Renderer]
"""What a ConfigMap decides for all resources, and nothing else: the common settings, and the templates."""


class Walk(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch.

    Attributes:
        files: everything that nginx is to have.
        update: what the Configuration said.
        regenerated: the resources whose Files were made again.
        reason: why nginx may have to reload: ``endpoints`` or ``other``.
        spent: seconds in each room.
        config_map: the Problems of the ConfigMap, if it was read in this batch.
        special: the Secrets of flags that were read, and what is wrong with each.
    """

    files: FileSet
    update: Update
    regenerated: frozenset[ObjectRef]
    reason: str
    spent: Mapping[str, float]
    config_map: tuple[Problem, ...] | None = None
    special: Mapping[ObjectRef, tuple[Problem, ...]] = {}


class Rooms:
    """The state that batches change: who owns what, what points at what, what was generated."""

    def __init__(self, options: Options, env: Environment, collections: Collections, renderer: Renderer) -> None:
        """Begin empty; *env* holds what flags and the binary say, before any ConfigMap."""
        self._options = options
        self._collections = collections
        self._gates = env.gates
        self._templates = renderer.overrides
        self._accepted: InForce = (env.params, renderer)
        self._classes: dict[ObjectRef, IngressClass] = {}
        self._slices = SliceIndex()
        self._references = References()
        self.configurator = Configurator(env, renderer)
        ports = {port: flag for flag, port in listeners(options).items()}
        self.configuration = Configuration(Rules(options.allow_empty_ingress_host, env.gates, ports))
        self.secrets = LocalSecretStore(dynamic=options.ssl_dynamic_reload)

    def walk(self, keys: frozenset[ObjectRef], now: datetime) -> Walk:
        """Take the newest version of every key through the rooms.

        The work is proportional to the batch; only a ConfigMap or an IngressClass concerns every resource.
        """
        began, before = perf_counter(), dict(self.configurator.spent)
        keys |= self._of_another_class(keys)
        special = self._take_specials(keys, now)
        config_map = self._take_config_map(keys)
        update = self.configuration.update(*self._ingresses(keys))
        regenerated = self._apply(update) | self._touched(keys) | self._shared(keys)
        decided = perf_counter()
        snapshot = self._snapshot(now)
        for ref in sorted(regenerated):
            self._generate(self.configuration.resources[ref], snapshot)
        resolved = perf_counter()
        files = self.configurator.files()
        generated = {room: total - before[room] for room, total in self.configurator.spent.items()}
        only_endpoints = all(key.kind == EndpointSlice.KIND.name for key in keys)
        return Walk(
            files=files,
            update=update,
            regenerated=frozenset(regenerated) if config_map is None else frozenset(self.configuration.resources),
            reason="endpoints" if only_endpoints and keys else "other",
            spent={
                "configuration": decided - began,
                "resolve": resolved - decided - sum(generated.values()),
                "translate": generated["translate"],
                "render": generated["render"] + perf_counter() - resolved,
            },
            config_map=config_map,
            special=special,
        )

    @property
    def standalone(self) -> bool:
        """Whether a folder is served and no cluster."""
        return self._options.manifests is not None

    @property
    def config_map(self) -> ObjectRef | None:
        """The ConfigMap of ``-nginx-configmaps``."""
        named = self._options.nginx_configmaps
        return _ref(ConfigMap, named) if named else None

    @property
    def always(self) -> tuple[ObjectRef, ...]:
        """The keys of the first batch, there or not: what flags name, and the class that is served."""
        named = (self._options.default_server_tls_secret, self._options.wildcard_tls_secret)
        secrets = tuple(_ref(Secret, flag) for flag in named if flag)
        own = (self.config_map,) if self.config_map else ()
        return (ObjectRef(IngressClass.KIND.name, "", self._options.ingress_class), *own, *secrets)

    @staticmethod
    def now() -> datetime:
        """The time, with its zone."""
        return datetime.now(UTC)

    @property
    def in_force(self) -> InForce:
        """What the ConfigMap makes of everything, as of now."""
        return self.configurator.env.params, self.configurator.renderer

    def accept(self) -> None:
        """Remember that nginx serves under the ConfigMap that is in force."""
        self._accepted = self.in_force

    def fall_back(self) -> FileSet | None:
        """Return to the ConfigMap that nginx last served under; ``None`` if that is the one in force."""
        return None if self._accepted == self.in_force else self.use(self._accepted)

    def use(self, force: InForce) -> FileSet:
        """Generate everything again under what was in force at another time."""
        params, renderer = force
        self.configurator.change(structs.replace(self.configurator.env, params=params), renderer)
        return self.configurator.files()

    # --- room 3: who owns what -----------------------------------------------------------------------

    def _of_another_class(self, keys: frozenset[ObjectRef]) -> frozenset[ObjectRef]:
        """Take the IngressClasses of the batch; if another class is served now, every Ingress is asked again."""
        refs = [key for key in keys if key.kind == IngressClass.KIND.name]
        for ref in refs:
            if found := self._get(IngressClass, ref):
                self._classes[ref] = found
            else:
                self._classes.pop(ref, None)
        if not refs:
            return frozenset()
        rule = class_rule(self._options.ingress_class, self._classes.values(), standalone=self.standalone)
        return frozenset(self._collections[Ingress]) if self.configuration.serve(rule) else frozenset()

    def _ingresses(self, keys: frozenset[ObjectRef]) -> tuple[list[Ingress], list[ObjectRef]]:
        """Split the Ingress keys into those that are there and those that are gone."""
        refs = sorted(key for key in keys if key.kind == Ingress.KIND.name)
        found = {ref: self._get(Ingress, ref) for ref in refs}
        return [ingress for ingress in found.values() if ingress], [ref for ref in refs if found[ref] is None]

    def _apply(self, update: Update) -> set[ObjectRef]:
        """Forget what was deleted; return what must be generated."""
        for change in update.changes:
            if change.operation is Operation.DELETE:
                self.configurator.delete(change.resource.ref)
                self._release(self._references.remove(change.resource.ref))
        return {c.resource.ref for c in update.changes if c.operation is Operation.ADD_OR_UPDATE}

    def _touched(self, keys: frozenset[ObjectRef]) -> set[ObjectRef]:
        """Return the resources that point at a Service, a Secret or endpoints of the batch."""
        targets = {key for key in keys if key.kind in {Service.KIND.name, Secret.KIND.name}}
        for key in keys:
            if key.kind == EndpointSlice.KIND.name:
                targets |= self._slices.update(key, self._get(EndpointSlice, key))
        touched = {owner for target in targets for owner in self._references.touching(target)}
        return touched & self.configuration.resources.keys()

    def _shared(self, keys: frozenset[ObjectRef]) -> set[ObjectRef]:
        """Share rate limits among the replicas that are ready now; return the resources that ask for it."""
        if self.standalone or not any(key.kind == Pod.KIND.name for key in keys):
            return set()
        pods = self._collections[Pod]
        replicas = count_ready(cast("Pod", pods[ref]) for ref in pods)
        if replicas == self.configurator.env.replicas:
            return set()
        sharing = {ref for ref, resource in self.configuration.resources.items() if _shares(resource)}
        self.configurator.share(replicas, sorted(sharing))
        return sharing

    # --- rooms 4 to 6 ---------------------------------------------------------------------------------

    def _generate(self, resource: IngressConfiguration, snapshot: Snapshot) -> None:
        resolved = resolve_ingress(resource, snapshot, self.secrets, allow_loopback=self.standalone)
        self._release(self._references.set(resource.ref, resolved.references))
        if resolved != self.configurator.resolved(resource.ref):
            self.configurator.add_or_update(resource.ref, resolved)

    def _snapshot(self, now: datetime) -> Snapshot:
        return Snapshot(
            now=now,
            services=cast("Mapping[ObjectRef, Service]", self._collections[Service]),
            secrets=cast("Mapping[ObjectRef, Secret]", self._collections[Secret]),
            slices_of=self._slices,
        )

    def _release(self, targets: frozenset[ObjectRef]) -> None:
        for target in targets:
            if target.kind == Secret.KIND.name:
                self.secrets.forget(target)

    # --- what concerns everything ---------------------------------------------------------------------

    def _take_config_map(self, keys: frozenset[ObjectRef]) -> tuple[Problem, ...] | None:
        """Read the ConfigMap if it is in the batch, and generate everything again where it says something new."""
        ref = self.config_map
        if ref is None or ref not in keys:
            return None
        found = self._get(ConfigMap, ref)
        params, problems = read_configmap((found and found.data) or {}, ref, self._gates)
        env = structs.replace(self.configurator.env, params=params)
        renderer, faults = self._renderer(env, ref)
        problems += [*faults, *lacks_of_config_map(env, ref)]
        for candidate in (renderer, self.configurator.renderer):
            if (env, candidate) == (self.configurator.env, self.configurator.renderer):
                break
            try:
                self.configurator.change(env, candidate)
                break
            except BadTemplate as error:  # the other keys count all the same, under the templates that were in force
                problems.append(Problem(ref, TEMPLATES[error.template], "", str(error), KEPT))
        return tuple(problems)

    def _renderer(self, env: Environment, ref: ObjectRef) -> tuple[Renderer, list[Problem]]:
        """Compile the templates of the ConfigMap over those of the flags; a broken one leaves the last good ones."""
        snippets = env.params.snippets
        own = {MAIN: snippets.main_template, HTTP: snippets.ingress_template}
        overrides = {**self._templates, **{name: text for name, text in own.items() if text}}
        current = self.configurator.renderer
        if overrides == current.overrides:
            return current, []
        try:
            return Renderer(overrides), []
        except BadTemplate as error:
            return current, [Problem(ref, TEMPLATES[error.template], "", str(error), KEPT)]

    def _take_specials(self, keys: frozenset[ObjectRef], now: datetime) -> dict[ObjectRef, tuple[Problem, ...]]:
        """Take the certificates of ``-default-server-tls-secret`` and ``-wildcard-tls-secret``."""
        named = {DEFAULT: self._options.default_server_tls_secret, WILDCARD: self._options.wildcard_tls_secret}
        refs = {name: _ref(Secret, flag) for name, flag in named.items() if flag}
        found: dict[ObjectRef, tuple[Problem, ...]] = {}
        for name, ref in refs.items():
            if ref in keys:
                _, problems = self.secrets.special(name, ref, self._get(Secret, ref), now)
                found[ref] = problems
        if found:
            self._use_specials()
        return found

    def _use_specials(self) -> None:
        """Hand the special files to the Configurator; a default certificate changes the default server."""
        self.configurator.set_special(self.secrets.special_files())
        default = self.secrets.default
        file = default.file if default and not default.error else None
        env = structs.replace(self.configurator.env, default_certificate=file)
        if env != self.configurator.env:
            self.configurator.change(env, self.configurator.renderer)

    def _get(self, model: type[M], ref: ObjectRef) -> M | None:
        return cast("M | None", self._collections[model].get(ref))


def _shares(resource: IngressConfiguration) -> bool:
    """Whether a rate limit of *resource* is divided by the number of replicas (``nginx.org/limit-req-scale``)."""
    said = (resource.said, *(minion.said for minion in resource.minions))
    return any(one.get("limits", {}).get("limit_req_scale") for one in said)


KEPT = "the templates that were in force stay"
TEMPLATES = {MAIN: "main-template", HTTP: "ingress-template"}
"""The ConfigMap keys of templates."""


def _ref(model: type[TopLevel], named: NamespacedName) -> ObjectRef:
    return ObjectRef(model.KIND.name, named.namespace, named.name)
