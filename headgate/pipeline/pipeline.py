"""Pipeline: a batch of changed objects becomes the Files that nginx is to have.

Its only inputs are the changed objects, the time, and the result of nginx. It has no effects, so it may run in a worker
thread; its results are immutable, and all that is read of it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

from msgspec import structs

from headgate.api import (
    ConfigMap,
    EndpointSlice,
    GlobalConfiguration,
    IngressClass,
    Pod,
    Secret,
    Service,
    TopLevel,
    Undecodable,
)
from headgate.api.nginx_org import Policy
from headgate.configuration import (
    Admission,
    Candidate,
    Configuration,
    Examined,
    Operation,
    Resource,
    Standing,
    Update,
    class_rule,
    wanted_classes,
)
from headgate.ir import ApplyResult, Outcome
from headgate.ir.http import ROUTES
from headgate.options import NamespacedName, Options, listeners
from headgate.pipeline import config_map
from headgate.pipeline.absent import absent
from headgate.pipeline.config_map import ConfigChange, ConfigInForce
from headgate.pipeline.configurator import Configurator
from headgate.pipeline.demands import demands
from headgate.pipeline.generation import Generation, Ruling
from headgate.pipeline.generator import Bug
from headgate.pipeline.global_configuration import Choice
from headgate.pipeline.key_search import mentions, unresolved
from headgate.pipeline.objects import Changes, Objects
from headgate.pipeline.replicas import count_ready, shares_limits
from headgate.pipeline.stopwatch import Stopwatch
from headgate.pipeline.trial import try_config_map
from headgate.problems import ObjectRef, Problem
from headgate.render import Renderer
from headgate.resolve import (
    DEFAULT,
    WILDCARD,
    LocalSecretStore,
    Lowered,
    References,
    SliceIndex,
    Snapshot,
)
from headgate.resolve.community.services import lower_port_service
from headgate.resolve.key_sets import KIND as KEY_SET
from headgate.resolve.key_sets import FetchedKeys, KeySets
from headgate.resolve.listeners import LISTENERS, Listeners
from headgate.resolve.members import Members
from headgate.routes import Protocol as ListenerProtocol
from headgate.routes import SecretReference
from headgate.settings.community import CommunityConfig, read_community_config
from headgate.settings.community.services import CLOSED, PortService, read_services
from headgate.translate import Environment
from headgate.validation.community import ValidCommunityIngress
from headgate.validation.rules import Rules

AGE_CHECK = timedelta(hours=1)
"""How often certificates are looked at because time passed."""


class ResourceKind(Admission, Protocol):
    """What the pipeline needs of a kind whose objects claim slots."""

    def lower(
        self, resource: Resource, snapshot: Snapshot, secrets: LocalSecretStore, /, *, allow_loopback: bool
    ) -> Lowered:
        """Lower a resource to routes."""
        ...


class Pipeline:
    """The state that batches change: holders, references, generated files."""

    def __init__(  # noqa: PLR0913 - what comes from outside the pure core
        self,
        kinds: Iterable[ResourceKind],
        options: Options,
        env: Environment,
        renderer: Renderer,
        clock: Callable[[], float],
        fallback: Secret | None = None,
    ) -> None:
        """Begin empty.

        Args:
            kinds: whose objects hold slots.
            options: the flags.
            env: what flags and the binary say, before any ConfigMap.
            renderer: the templates that flags name, over the built-in ones.
            clock: seconds that never run backwards, to measure stages with, and how long nginx is tried.
            fallback: the certificate of the default server until there is one that a flag names.

        Raises:
            BadTemplate: a template of a flag fails even without resources.
        """
        self._kinds = {kind.model: kind for kind in kinds}
        self._options = options
        self._fallback = fallback
        self._templates = renderer
        self._watch = Stopwatch(clock)
        self._objects = Objects()
        self._slices = SliceIndex()
        self._references = References()
        self._members = Members()
        self._key_sets = KeySets()
        self._checked_tokens = env.checks_tokens
        """Whether nginx could check tokens when resources were lowered last."""
        self._touched_ports: set[ObjectRef] = set()
        self._changed_targets: frozenset[ObjectRef] = frozenset()
        """The objects of the batch, and the Services of its EndpointSlices."""
        self._secrets = LocalSecretStore(dynamic=options.ssl_dynamic_reload)
        self._configurator = Configurator(env, renderer, self._watch)
        self._reserved = {port: flag for flag, port in listeners(options).items()}
        rules = Rules(options.allow_empty_ingress_host, env.gates, self._reserved)
        self._configuration = Configuration(kinds, rules)
        self._choice = Choice(options.global_configuration, standalone=self._standalone)
        self._listeners = Listeners(self._choice.chosen)
        self._lowered: dict[ObjectRef, Resource] = {}
        """Each resource as it was when it was lowered last."""
        self._clock = clock
        self._in_force = self._accepted = ConfigInForce({}, env.params, renderer)
        """What the ConfigMap decides now, and what it decided when nginx last served."""
        self._community = CommunityConfig()
        """What the ConfigMap of ingress-nginx says; ``_guards`` are its keys with the last good values of guards."""
        self._guards: Mapping[str, str] = {}
        self._ports: dict[ObjectRef, PortService] = {}
        """What the ConfigMaps for TCP and UDP say."""
        self._wrong_ports: tuple[Problem, ...] = ()
        self._ports_refused: Mapping[ObjectRef, str] = {}
        self._wrong: dict[ObjectRef, tuple[Problem, ...]] = {}
        """What is wrong with each ConfigMap of which a flag is not the only one."""
        self._refused: frozenset[ObjectRef] = frozenset()
        self._retry: ObjectRef | None = None
        """The ConfigMap, while keys are left out that nginx may accept another time."""
        self._trial: Generator[Generation, ApplyResult, Ruling] | None = None
        self._replica_labels: Mapping[str, str] | None = None
        self._aged_at: datetime | None = None
        self._told = ""
        self._bugs: tuple[Bug, ...] = ()
        self._keys: frozenset[ObjectRef] = frozenset()
        self._last = Generation(files=self._configurator.files(), env=env)

    def advance(self, changes: Changes, now: datetime) -> Generation:
        """Take a batch of *changes*; the first one also takes what flags name, there or not.

        The work is proportional to the batch; only a ConfigMap or an IngressClass concerns every resource.

        Args:
            changes: the newest version of every changed object.
            now: the time of the batch, with a time zone; certificates are held against it.
        """
        with self._watch.stage("configuration"):
            self._keys = frozenset(changes)
            self._objects.take(changes)
            keys = self._keys | self._named() | self._aged(now)
            keys |= self._of_another_class(keys)
            changed, others = self._choose(keys)
            keys |= changed | others.keys()
            keys |= self._naming(keys)
            special = self._take_special(keys, now)
            hosts = self._community.hosts
            ports, wrong = self._take_ports(keys)
            complaints = self._told_together(self._take_config_map(keys), {**self._take_second(keys), **wrong})
            keys |= self._of_other_rules()
            update = self._configuration.update(*self._split(keys))
            self._bugs = tuple(Bug(ref, trace) for ref, trace in update.bugs.items())
            update = structs.replace(update, ignored={**update.ignored, **others})
            generated = (
                self._changed(update) | self._touched(keys, update) | self._sharing(keys) | self._listening(keys)
            ) | (self._shared_hosts() if hosts != self._community.hosts else set())
            generated |= self._without_tokens()
            self._divide_udp()
        with self._watch.stage("resolve"):
            self._generate(sorted(generated, key=self._order) if len(generated) > 1 else generated, now)
            if hosts.streams != self._community.hosts.streams:
                ports |= self._ports.keys()
            self._generate_ports(sorted(ports | self._touched_ports), now)
            complaints = self._with_ports(complaints)
        self._last = Generation(
            files=self._configurator.files(self._secrets.special_files()),
            env=self._configurator.env,
            update=update,
            generated=frozenset(self._configuration.resources) if complaints is not None else frozenset(generated),
            endpoints_only=bool(changes) and all(EndpointSlice.KIND.includes(key) for key in changes),
            config_map=self._with_common_fault(complaints),
            special=special,
            default_certificate=self._default_certificate,
        )
        return self._viewed()

    def introduce(self, labels: Mapping[str, str]) -> None:
        """Count the Pods of the own namespace with *labels* as replicas from the next batch on."""
        self._replica_labels = labels

    def know_key_sets(self, fetched: Mapping[ObjectRef, FetchedKeys]) -> None:
        """Let *fetched* be what came of fetching key sets; a batch with the keys of those that changed uses it.

        Not to be called while ``advance`` runs.
        """
        self._key_sets.take(fetched)

    def known(self, model: type[TopLevel], ref: ObjectRef) -> TopLevel | None:
        """Look up the version of an object that the last batch had; of one that does not decode, what could be read.

        Not to be called while ``advance`` runs.
        """
        broken = self._objects.undecodable.get(ref)
        return broken.remains if broken else self._objects.of(model).get(ref)

    def examine(self, item: TopLevel) -> Examined:
        """Say what is wrong with an object that is not applied yet; that may go on while ``advance`` runs."""
        if isinstance(item, GlobalConfiguration) and item.ref != self._choice.chosen:
            return Examined(self._choice.others({item.ref})[item.ref])
        return self._configuration.examine(item)

    def foresee(self, candidate: Candidate) -> Standing:
        """Say what other objects would have of what *candidate* claims if it was applied now.

        Not to be called while ``advance`` runs.
        """
        return self._configuration.foresee(candidate)

    def judge(self, result: ApplyResult) -> Ruling:
        """Decide what follows from how nginx took the last Generation.

        If nginx may have refused values of the ConfigMap, everything is tried under the ConfigMap that nginx last
        served under. If that helps, the keys that nginx refuses are looked for; all others are in force then, until the
        ConfigMap changes. Else the new one is in force again.
        """
        if self._trial is None and ROUTES in result.refused:
            self._configurator.refuse_profiles()
            return Ruling(again=self._again())
        if self._trial is None:
            before = self._before(result)
            if before.decides_as(self._in_force) or not self._suspicious(result, before):
                return self._settled_or_again(result)
            self._trial = self._try_config_map(result, before)
            return Ruling(again=next(self._trial))
        try:
            return Ruling(again=self._trial.send(result))
        except StopIteration as end:
            self._trial = None
            ruling: Ruling = end.value
            return ruling

    # --- the result of nginx --------------------------------------------------------------------------

    def _before(self, result: ApplyResult) -> ConfigInForce:
        """Return what the ConfigMap decided when nginx last served; nginx may refuse that now, too.

        If *result* is about something outside (a name, a file, a port in use) that some keys mention, it is what is in
        force without these keys.
        """
        if not self._accepted.decides_as(self._in_force) or result.ok or not result.passing:
            return self._accepted
        data = self._in_force.data
        kept = {key: text for key, text in data.items() if not mentions(result.error, text)}
        return self._accepted if len(kept) == len(data) else self._read(kept)

    def _suspicious(self, result: ApplyResult, before: ConfigInForce) -> bool:
        """Whether nginx may have refused values of the ConfigMap that *before* does not have.

        It refuses the whole, objects that did not change, all objects, or one for words that the ConfigMap has too.
        """
        texts = ConfigChange(before, self._in_force, self._read).texts.values()
        if result.outcome is Outcome.FAILED:
            return any(mentions(result.error, text) for text in texts)
        fresh = {ref for ref, error in result.refused.items() if ref not in self._refused and not unresolved(error)}
        everything = bool(fresh) and all(
            _refused(resource, result) for resource in self._configuration.resources.values()
        )
        if result.outcome is Outcome.REFUSED or everything or not fresh <= self._keys:
            return True
        return any(mentions(result.refused[ref], text) for ref in fresh for text in texts)

    def _settled_or_again(self, result: ApplyResult) -> Ruling:
        """Return what follows from *result*, or what is to be tried now that nginx accepts it."""
        settled = self._settled(result)
        again = result.ok and self._configurator.pardon_profiles(result.refused)
        return Ruling(again=self._again()) if again else settled

    def _settled(self, result: ApplyResult) -> Ruling:
        self._refused = frozenset(result.refused)
        if result.ok:
            self._accepted = self._in_force
            if ROUTES not in result.refused:
                self._configurator.accept_profiles(result.held)
        return Ruling(config_map=self._refused_ports(result), retry=self._retry)

    def _try_config_map(self, first: ApplyResult, before: ConfigInForce) -> Generator[Generation, ApplyResult, Ruling]:
        """Try what ``trial.try_config_map`` yields, and report which keys were left out."""
        change = ConfigChange(before, self._in_force, self._read)
        tried = yield from try_config_map(first, change, self._under, self._clock)
        self._settled(tried.applied)
        ref, found = self._config_map, tried.found
        if found is None or ref is None:
            return Ruling()
        refused = [change.refused(ref, key, words) for key, words in sorted(found.refused.items())]
        untried = [change.untried(ref, key, words) for key, words in sorted(found.untried.items())]
        left_out = {problem.field for problem in (*refused, *untried)}
        complaints = change.new.problems if self._last.config_map is None else self._last.config_map
        others = [problem for problem in complaints if problem.field not in left_out]
        self._retry = ref if tried.passing else None
        return Ruling(config_map=(*others, *refused, *untried), retry=self._retry)

    def _read(self, data: Mapping[str, str]) -> ConfigInForce:
        """Read *data* as the ConfigMap, under the templates that nginx last served under."""
        assert self._config_map is not None  # noqa: S101 - or there would be nothing to try
        env = self._configurator.env
        if self._speaks_community:
            return config_map.read_community(
                data, self._config_map, env, self._accepted.renderer, self._named_config_map
            )
        return config_map.read(data, self._config_map, env, self._accepted.renderer, self._templates)

    def _under(self, force: ConfigInForce) -> Generation:
        """Return the last Generation again, with the settings that are in force from now on."""
        self._in_force = force
        env = structs.replace(self._configurator.env, params=force.params)
        self._configurator.restore(env, force.renderer)
        if force.community and force.community.hosts != self._community.hosts and self._aged_at:
            self._community = structs.replace(self._community, hosts=force.community.hosts)
            self._generate(sorted(self._shared_hosts(), key=self._order), self._aged_at)
        again = self._again()
        others = (problem for problem in (*self._every_wrong, *self._wrong_ports) if problem.origin != self._config_map)
        self._last = structs.replace(again, config_map=self._with_common_fault((*force.problems, *others)))
        return self._last

    def _again(self) -> Generation:
        """Return the last Generation with all resources as they are generated now."""
        self._last = structs.replace(
            self._last,
            files=self._configurator.files(self._secrets.special_files()),
            env=self._configurator.env,
            generated=frozenset(self._configuration.resources),
        )
        return self._viewed()

    def _viewed(self) -> Generation:
        """Return the last Generation with all resources as they are now."""
        resources, upstreams = self._configurator.views()
        self._last = structs.replace(
            self._last,
            resources=resources,
            upstreams=upstreams,
            live=self._configurator.live,
            unrouted=self._configurator.unrouted,
            key_sources=self._key_sets.wanted,
            bugs=(*self._bugs, *self._configurator.take_bugs()),
            spent=self._watch.take(),
        )
        self._bugs = ()
        return self._last

    # --- holders --------------------------------------------------------------------------------------

    @property
    def _standalone(self) -> bool:
        """Whether a folder is served and no cluster."""
        return self._options.manifests is not None

    def _named(self) -> frozenset[ObjectRef]:
        """Return what flags name, in the first batch; later its changes come by themselves."""
        if self._aged_at is not None:
            return frozenset()
        secrets = (self._options.default_server_tls_secret, self._options.wildcard_tls_secret)
        named = [_ref(Secret, secret) for secret in secrets if secret]
        named.append(IngressClass.KIND.ref("", self._options.ingress_class))
        named += [_ref(ConfigMap, each) for each in self._options.config_maps]
        return frozenset(named)

    def _aged(self, now: datetime) -> frozenset[ObjectRef]:
        """Return the Secrets whose certificates came near their end, or passed it, since the last look."""
        since = self._aged_at
        if since is not None and now - since < AGE_CHECK:
            return frozenset()
        self._aged_at = now
        return self._secrets.aged(since, now) if since else frozenset()

    def _of_another_class(self, keys: frozenset[ObjectRef]) -> frozenset[ObjectRef]:
        """If another class is served now, return every object that has one, to be looked at again."""
        if not any(IngressClass.KIND.includes(key) for key in keys):
            return frozenset()
        classes = self._objects.of(IngressClass).values()
        rule = class_rule(wanted_classes(self._options), classes, standalone=self._standalone)
        if not self._configuration.serve(rule):
            return frozenset()
        known = (ref for model in self._kinds for ref in self._objects.of(model))
        return frozenset((*known, *self._objects.undecodable))

    def _split(self, keys: frozenset[ObjectRef]) -> tuple[list[TopLevel], list[ObjectRef], list[Undecodable[Any]]]:
        """Split the keys of objects that hold slots: those that are there, that are gone, and that do not decode."""
        found: list[TopLevel] = []
        gone: list[ObjectRef] = []
        broken: list[Undecodable[Any]] = []
        for model in self._kinds:
            objects = self._objects.of(model)
            for ref in sorted(key for key in keys if model.KIND.includes(key)):
                if model is GlobalConfiguration and ref != self._choice.chosen:
                    gone.append(ref)
                elif item := objects.get(ref):
                    found.append(item)
                elif fault := self._objects.undecodable.get(ref):
                    broken.append(fault)
                else:
                    gone.append(ref)
        return found, gone, broken

    def _choose(self, keys: frozenset[ObjectRef]) -> tuple[frozenset[ObjectRef], Mapping[ObjectRef, str]]:
        """Choose the GlobalConfiguration again if one came or went.

        Returns:
            those whose part changed by it, and those that do not count, with the reason.
        """
        if not any(GlobalConfiguration.KIND.includes(key) for key in keys):
            return frozenset(), {}
        broken = (ref for ref in self._objects.undecodable if GlobalConfiguration.KIND.includes(ref))
        present = {*self._objects.of(GlobalConfiguration), *broken}
        return self._choice.choose(present), self._choice.others(present)

    def _listening(self, keys: frozenset[ObjectRef]) -> set[ObjectRef]:
        """Take the listeners of the GlobalConfiguration; if they changed, return the resources that name one."""
        if not any(GlobalConfiguration.KIND.includes(key) for key in keys):
            return set()
        ref = self._choice.chosen
        valid = self._configuration.valid(ref) if ref else None
        listeners = Listeners(ref, valid.listeners, exists=True) if valid else Listeners(ref)
        if listeners == self._listeners:
            return set()
        self._listeners = listeners
        return set(self._references.touching(LISTENERS) & self._configuration.resources.keys())

    def _without_tokens(self) -> set[ObjectRef]:
        """Return all resources if nginx can check tokens now and could not before, or the other way round."""
        before, self._checked_tokens = self._checked_tokens, self._configurator.env.checks_tokens
        return set(self._configuration.resources) if before != self._checked_tokens else set()

    def _divide_udp(self) -> None:
        """Keep HTTP/3, where it is on, off the ports of UDP that the GlobalConfiguration has."""
        env, found = self._configurator.env, self._listeners.found.values()
        ports = frozenset(each.port for each in found if each.protocol is ListenerProtocol.UDP)
        ports |= {int(each.key) for each in self._ports.values() if each.udp}
        if not env.params.tls.http3:
            ports = frozenset()
        if env.udp_ports != ports:
            self._configurator.change(structs.replace(env, udp_ports=ports), self._configurator.renderer)

    def _changed(self, update: Update) -> set[ObjectRef]:
        """Forget what was deleted; return what must be generated."""
        for change in update.changes:
            if change.operation is Operation.DELETE:
                self._configurator.delete(change.resource.ref)
                self._members.forget(change.resource.ref)
                self._lowered.pop(change.resource.ref, None)
                self._release(self._references.remove(change.resource.ref))
        return {c.resource.ref for c in update.changes if c.operation is Operation.ADD_OR_UPDATE}

    def _touched(self, keys: frozenset[ObjectRef], update: Update) -> set[ObjectRef]:
        """Return the resources that point at a Service, Secret, ConfigMap, Pod, Policy or endpoints of the batch."""
        slices = self._objects.of(EndpointSlice)
        targets = {key for key in keys if any(model.KIND.includes(key) for model in (Service, Secret, Pod, ConfigMap))}
        targets |= {key for key in keys if key.kind == KEY_SET}
        policies = (key for key in keys if Policy.KIND.includes(key))
        # A Policy whose status alone changed, which Headgate writes, concerns nobody.
        targets |= {key for key in policies if key in update.standings or self._configuration.valid(key) is None}
        moved = {key: self._slices.update(key, slices.get(key)) for key in keys if EndpointSlice.KIND.includes(key)}
        targets = targets.union(*moved.values())
        self._changed_targets = keys.union(*moved.values())
        touched = {owner for target in targets for owner in self._references.touching(target)}
        self._touched_ports = touched & self._ports.keys()
        return touched & self._configuration.resources.keys()

    def _sharing(self, keys: frozenset[ObjectRef]) -> set[ObjectRef]:
        """Share rate limits among the replicas that are ready now; return the resources that ask for it."""
        if self._standalone or not any(Pod.KIND.includes(key) for key in keys):
            return set()
        replicas = count_ready(self._objects.of(Pod).values(), self._options.pod_namespace, self._replica_labels)
        if replicas == self._configurator.env.replicas:
            return set()
        resources, _ = self._configurator.views()
        sharing = {ref for ref, generated in resources.items() if shares_limits(generated.wanted.table)}
        self._configurator.share(replicas, sorted(sharing))
        return sharing

    # --- what becomes of it ---------------------------------------------------------------------------

    def _generate(self, refs: Iterable[ObjectRef], now: datetime) -> None:
        """Lower *refs*, and generate those that became different."""
        snapshot = self._snapshot(now)
        for ref in refs:
            self._lower(ref, snapshot)

    def _generate_ports(self, refs: Iterable[ObjectRef], now: datetime) -> None:
        """Do the same for ports of the ConfigMaps for TCP and UDP."""
        snapshot = self._snapshot(now)
        for ref in refs:
            found = self._ports[ref]
            lowered = lower_port_service(found, snapshot, self._secrets, allow_loopback=self._standalone)
            known = self._configurator.get(ref)
            if known is None or known.wanted != lowered:
                self._configurator.add_or_update(ref, lowered)
            self._release(self._references.set(ref, lowered.references))

    def _snapshot(self, now: datetime) -> Snapshot:
        return Snapshot(
            now=now,
            services=self._objects.of(Service),
            secrets=self._objects.of(Secret),
            config_maps=self._objects.of(ConfigMap),
            slices_of=self._slices,
            listeners=self._listeners,
            pods=self._objects.of(Pod),
            valid_policy=self._configuration.valid,
            policy_fault=self._policy_fault,
            members=self._members,
            changed=self._changed_targets,
            community=self._community.hosts,
            foreign_canaries="canaries-across-namespaces" in self._configurator.env.gates,
            checks_tokens=self._configurator.env.checks_tokens,
            key_sets=self._key_sets,
            external_names="disable-svc-external-name" not in self._configurator.env.gates,
        )

    def _lower(self, ref: ObjectRef, snapshot: Snapshot) -> None:
        """Lower a resource, and generate it if it became different."""
        resource = self._configuration.resources[ref]
        kind = self._kinds[type(resource.candidate.item)]
        try:
            lowered = kind.lower(resource, snapshot, self._secrets, allow_loopback=self._standalone)
            self._lowered[ref] = resource
        except Exception as error:  # noqa: BLE001 - a bug is kept to the resource that meets it
            self._members.forget(ref)
            asked, before = demands(resource), self._lowered.get(ref)
            policies = frozenset(target for _, _, target in asked)
            known_guards = before is not None and asked <= demands(before)
            unguarded = bool(asked) and (not known_guards or self._other_guards(ref, policies))
            lowered = self._configurator.keep(resource, error, unguarded=unguarded)
            lowered = structs.replace(lowered, references=lowered.references | policies)
        known = self._configurator.get(ref)
        if known is None or known.wanted != lowered:
            self._configurator.add_or_update(ref, lowered)
        # Where an earlier version is served its Secrets must keep their files.
        generated = self._configurator.get(ref)
        served = generated.served.references if generated and generated.served else frozenset()
        self._release(self._references.set(ref, lowered.references | served))

    def _other_guards(self, ref: ObjectRef, named: frozenset[ObjectRef]) -> bool:
        """Whether the batch changes what guards *ref*: *named* by it, or a Secret or key set behind a Policy."""
        known = self._configurator.get(ref)
        behind = (target for target in (known.wanted.references if known else ()) if _may_guard(target))
        return not self._changed_targets.isdisjoint({*named, *behind})

    def _policy_fault(self, ref: ObjectRef) -> str:
        """Return why the Policy *ref* cannot be used, and what its owner can do."""
        item = self._objects.of(Policy).get(ref)
        if item or ref in self._objects.undecodable:
            return self._configuration.fault(ref, item)
        return absent(ref, self._options, standalone=self._standalone)

    def _order(self, ref: ObjectRef) -> tuple[bool, bool, ObjectRef]:
        """Order resources: those that lose hosts or members first, whose names others need; then wildcards."""
        resource, known = self._configuration.resources[ref], self._configurator.get(ref)
        hosts, members = set(resource.hosts), {ref, *(attached.candidate.ref for attached in resource.attached)}
        served = known.served if known else None
        keeps = served is None or (served.listeners.keys() <= hosts and members.issuperset(served.table.members))
        return keeps, not any(host.startswith("*.") for host in hosts), ref

    def _release(self, targets: frozenset[ObjectRef]) -> None:
        for target in targets:
            if Secret.KIND.includes(target):
                self._secrets.forget(target)
            elif target.kind == KEY_SET:
                self._key_sets.forget(target)

    # --- what concerns everything ---------------------------------------------------------------------

    @property
    def _config_map(self) -> ObjectRef | None:
        named = self._options.main_config_map
        return _ref(ConfigMap, named) if named else None

    @property
    def _speaks_community(self) -> bool:
        """Whether the ConfigMap that decides about all of nginx is the one of ingress-nginx."""
        return not self._options.nginx_configmaps

    @property
    def _second(self) -> ObjectRef | None:
        """The ConfigMap of ingress-nginx beside the one that decides about all of nginx."""
        named = self._options.configmap if self._options.nginx_configmaps else None
        return _ref(ConfigMap, named) if named else None

    def _named_config_map(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """Return what a ConfigMap holds, ``None`` if it is not there."""
        found = self._objects.of(ConfigMap).get(ConfigMap.KIND.ref(namespace, name))
        return None if found is None else found.data or {}

    def _naming(self, keys: frozenset[ObjectRef]) -> frozenset[ObjectRef]:
        """Return the ConfigMap of ingress-nginx if one that it names is among *keys*."""
        named = self._options.configmap
        found = {ConfigMap.KIND.ref(*each) for each in self._community.named}
        return frozenset((_ref(ConfigMap, named),)) if named and not keys.isdisjoint(found) else frozenset()

    def _shared_hosts(self) -> set[ObjectRef]:
        """Return the resources of the dialect of ingress-nginx."""
        resources = self._configuration.resources.items()
        return {ref for ref, each in resources if isinstance(each.candidate.valid, ValidCommunityIngress)}

    def _of_other_rules(self) -> frozenset[ObjectRef]:
        """If annotations of ingress-nginx are read by other rules now, return every object, to be looked at again."""
        if not self._configuration.permit(self._community.rules):
            return frozenset()
        known = (ref for model in self._kinds for ref in self._objects.of(model))
        return frozenset((*known, *self._objects.undecodable))

    def _take_ports(self, keys: frozenset[ObjectRef]) -> tuple[set[ObjectRef], Mapping[ObjectRef, tuple[Problem, ...]]]:
        """Read the ConfigMaps for TCP and UDP that are in the batch; return the ports that changed, and Problems."""
        named = {False: self._options.tcp_services_configmap, True: self._options.udp_services_configmap}
        changed: set[ObjectRef] = set()
        wrong: dict[ObjectRef, tuple[Problem, ...]] = {}
        for udp, name in named.items():
            if name is None or (ref := _ref(ConfigMap, name)) not in keys:
                continue
            if broken := self._objects.undecodable.get(ref):
                wrong[ref] = (structs.replace(broken.problem, effect="its ports stay as they were"),)
                continue
            item = self._objects.of(ConfigMap).get(ref)
            reserved = {} if udp else self._reserved
            found, problems = read_services((item and item.data) or {}, ref, reserved, udp=udp)
            before = {port: each for port, each in self._ports.items() if each.origin == ref and each.udp == udp}
            for port in before.keys() - found.keys():
                del self._ports[port]
                self._configurator.delete(port)
                self._release(self._references.remove(port))
            self._ports |= found
            changed |= {port for port, each in found.items() if before.get(port) != each}
            wrong[ref] = (*wrong.get(ref, ()), *problems)
        return changed, wrong

    def _with_ports(self, complaints: tuple[Problem, ...] | None) -> tuple[Problem, ...] | None:
        """Add what is wrong with the Services of ports, if anything is new."""
        known = (self._configurator.get(ref) for ref in sorted(self._ports))
        found = tuple(problem for each in known if each for problem in (*each.wanted.problems, *each.problems))
        before, self._wrong_ports = self._wrong_ports, found
        if complaints is None and found == before:
            return None
        return (*self._every_wrong, *found)

    @property
    def _every_wrong(self) -> tuple[Problem, ...]:
        return tuple(problem for problems in self._wrong.values() for problem in problems)

    def _refused_ports(self, result: ApplyResult) -> tuple[Problem, ...] | None:
        """Return what is wrong with ConfigMaps, if nginx refuses other ports than before."""
        refused = {ref: words for ref, words in result.refused.items() if ref in self._ports}
        before, self._ports_refused = self._ports_refused, refused
        if refused == before:
            return None
        told = (
            Problem(port.origin, port.key, "", f"is refused by nginx: {words}", CLOSED, code="InvalidValue")
            for ref, words in sorted(refused.items())
            for port in (self._ports[ref],)
        )
        return (*self._every_wrong, *self._wrong_ports, *told)

    def _take_second(self, keys: frozenset[ObjectRef]) -> Mapping[ObjectRef, tuple[Problem, ...]]:
        """Read the ConfigMap of ingress-nginx that decides about the hosts of its dialect alone."""
        ref = self._second
        if ref is None or ref not in keys:
            return {}
        if broken := self._objects.undecodable.get(ref):
            return {ref: (structs.replace(broken.problem, effect="the previous settings stay in force"),)}
        found = self._objects.of(ConfigMap).get(ref)
        data, problems = self._guarded((found and found.data) or {}, ref, sole=False)
        self._community, told = read_community_config(data, ref, sole=False, others=self._named_config_map)
        return {ref: (*problems, *told)}

    def _guarded(
        self, data: Mapping[str, str], ref: ObjectRef, *, sole: bool
    ) -> tuple[Mapping[str, str], tuple[Problem, ...]]:
        """Return *data* with the last good values of keys that keep clients out, and a Problem for each of these."""
        config, problems = read_community_config(data, ref, sole=sole, others=self._named_config_map)
        kept = config_map.with_known_guards(data, self._guards, config.unusable)
        told = tuple(
            structs.replace(problem, effect="the previous value stays in force")
            for problem in problems
            if problem.field in config.unusable and problem.field in self._guards
        )
        self._guards = {key: text for key, text in kept.items() if key not in config.unusable or key in self._guards}
        return kept, told

    def _told_together(
        self, main: tuple[Problem, ...] | None, others: Mapping[ObjectRef, tuple[Problem, ...]]
    ) -> tuple[Problem, ...] | None:
        """Return what is wrong with all ConfigMaps, if one of them changed."""
        if main is None and not others:
            return None
        self._wrong |= others
        if main is not None and self._config_map:
            self._wrong[self._config_map] = main
        return tuple(problem for problems in self._wrong.values() for problem in problems)

    def _take_config_map(self, keys: frozenset[ObjectRef]) -> tuple[Problem, ...] | None:
        """Read the ConfigMap if it is in the batch, and generate everything again where it says something new."""
        ref = self._config_map
        if ref is None or ref not in keys:
            return None
        self._retry = None
        if broken := self._objects.undecodable.get(ref):
            return (structs.replace(broken.problem, effect="the previous settings stay in force"),)
        found = self._objects.of(ConfigMap).get(ref)
        configurator = self._configurator
        data: Mapping[str, str] = (found and found.data) or {}
        if self._speaks_community:
            data, kept = self._guarded(data, ref, sole=True)
            wanted = config_map.read_community(
                data, ref, configurator.env, configurator.renderer, self._named_config_map
            )
            wanted = structs.replace(wanted, problems=(*kept, *wanted.problems))
            self._community = wanted.community or self._community
        else:
            wanted = config_map.read(data, ref, configurator.env, configurator.renderer, self._templates)
        env = structs.replace(configurator.env, params=wanted.params)
        changed = (env, wanted.renderer) != (configurator.env, configurator.renderer)
        # Where a template fails the other keys count all the same, under the templates that were in force.
        if changed and (fault := configurator.change(env, wanted.renderer)):
            wanted = config_map.without_templates(wanted, self._in_force, config_map.template_problem(ref, fault))
        self._in_force = wanted
        return wanted.problems

    def _with_common_fault(self, complaints: tuple[Problem, ...] | None) -> tuple[Problem, ...] | None:
        """Add why a common file could not be rendered as it should be, if there is a ConfigMap to tell it to."""
        fault, ref = self._configurator.common_fault, self._config_map
        known, self._told = self._told, str(fault or "")
        if fault is None or ref is None or (self._told == known and complaints is None):
            return complaints
        return (*(complaints or ()), config_map.template_problem(ref, fault))

    def _take_special(self, keys: frozenset[ObjectRef], now: datetime) -> Mapping[ObjectRef, tuple[Problem, ...]]:
        """Take the certificates of ``-default-server-tls-secret`` and ``-wildcard-tls-secret``."""
        named = {DEFAULT: self._options.default_server_tls_secret, WILDCARD: self._options.wildcard_tls_secret}
        refs = {name: _ref(Secret, flag) for name, flag in named.items() if flag}
        found: dict[ObjectRef, tuple[Problem, ...]] = {}
        if self._fallback and self._secrets.default is None:
            self._secrets.special(DEFAULT, self._fallback.ref, self._fallback, now)
        for name, ref in refs.items():
            if ref in keys:
                _, problems = self._secrets.special(name, ref, self._objects.of(Secret).get(ref), now)
                found[ref] = problems
        default, env = self._default_certificate, self._configurator.env
        if env.default_certificate != (file := default.file if default else None):
            # The default server changes with it, and resources without a host.
            self._configurator.change(structs.replace(env, default_certificate=file), self._configurator.renderer)
        return found

    @property
    def _default_certificate(self) -> SecretReference | None:
        """The certificate of the default server, if it can be used."""
        default = self._secrets.default
        return default if default and not default.error else None


def _refused(resource: Resource, result: ApplyResult) -> bool:
    """Whether nginx refuses *resource*, or everything that attaches to it."""
    attached = [attached.candidate.ref for attached in resource.attached]
    return resource.ref in result.refused or (bool(attached) and all(ref in result.refused for ref in attached))


def _ref(model: type[TopLevel], named: NamespacedName) -> ObjectRef:
    return model.KIND.ref(named.namespace, named.name)


def _may_guard(target: ObjectRef) -> bool:
    return Secret.KIND.includes(target) or target.kind == KEY_SET
