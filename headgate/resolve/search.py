"""One resource on its way through the snapshot: what it names, and what is wrong with that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from headgate.api import ConfigMap, Secret, Service
from headgate.api.networking import ServiceBackendPort
from headgate.ir import File
from headgate.ir.layout import TOKENS_FOLDER
from headgate.ir.live import LiveToken
from headgate.problems import ObjectRef, Problem
from headgate.resolve import probes
from headgate.resolve.addresses import host_fault
from headgate.resolve.contents import SecretKind
from headgate.resolve.endpoints import Wanted, endpoints, find_port
from headgate.resolve.key_sets import FetchedKeys, KeySource, key_set_ref
from headgate.resolve.listeners import LISTENERS, Listeners
from headgate.resolve.lowered import Lowered
from headgate.resolve.members import Roster
from headgate.resolve.secrets import PRIVATE, LocalSecretStore, Validated
from headgate.resolve.selection import pods_behind, selected
from headgate.resolve.snapshot import Snapshot
from headgate.routes import Check, Endpoints, Layer, RouteTable, SecretReference
from headgate.routes.policies import Jwt
from headgate.settings.community import CommunityHosts
from headgate.validation.policy import ValidPolicy

USED = "it is used anyway"
UNCHECKED = "its endpoints are not checked"


class Search:
    """Looks up what one resource names, and collects references, Problems and files on the way."""

    def __init__(self, snapshot: Snapshot, secrets: LocalSecretStore, *, allow_loopback: bool) -> None:
        """Begin with nothing; *allow_loopback* says whether endpoints may be on this machine."""
        self._snapshot = snapshot
        self._secrets = secrets
        self._allow_loopback = allow_loopback
        self._problems: dict[Problem, None] = {}
        self._references: set[ObjectRef] = set()
        self._files: dict[str, File] = {}

    @property
    def community(self) -> CommunityHosts:
        """What the ConfigMap of ingress-nginx says of the hosts of its dialect."""
        return self._snapshot.community

    @property
    def foreign_canaries(self) -> bool:
        """Whether canaries of ingress-nginx count for paths of Ingresses of other namespaces."""
        return self._snapshot.foreign_canaries

    def lowered(self, table: RouteTable, roster: Roster | None = None) -> Lowered:
        """Return *table* with all that was collected, and what the members of *roster* refer to."""
        problems, references, files = self.found()
        return Lowered(table, problems, roster.references(references) if roster else references, files)

    @property
    def checks_tokens(self) -> bool:
        """Whether nginx can check JSON Web Tokens."""
        return self._snapshot.checks_tokens

    def apart(self) -> Search:
        """Return another one, for a part of the resource of which is remembered what it found."""
        return Search(self._snapshot, self._secrets, allow_loopback=self._allow_loopback)

    def host_fault(self, host: str) -> str:
        """Return why *host*, which an object names itself, cannot be asked, or ``""``."""
        return host_fault(host, allow_loopback=self._allow_loopback)

    def found(self) -> tuple[tuple[Problem, ...], frozenset[ObjectRef], tuple[File, ...]]:
        """Return the Problems, references and files that were collected."""
        return tuple(self._problems), frozenset(self._references), tuple(self._files.values())

    def take_references(self, references: Iterable[ObjectRef]) -> None:
        """Add what others refer to."""
        self._references.update(references)

    def take_files(self, files: Iterable[File]) -> None:
        """Add what others found in Secrets."""
        self._files.update((file.name, file) for file in files)

    @property
    def wildcard(self) -> SecretReference | None:
        """The certificate for TLS hosts without a Secret, if one is configured."""
        return self._secrets.wildcard

    def endpoints(self, layer: Layer, field: str, service: str, port: ServiceBackendPort | None) -> Endpoints:
        """Return the addresses behind a port of a *service* in the namespace of the object that *layer* is of."""
        cluster_ip = layer.overrides.values.services.use_cluster_ip
        key = layer.overrides.key("use_cluster_ip") if cluster_ip else ""
        return self.service(layer.origin, field, (layer.origin.namespace, service), port, key)

    def check(self, layer: Layer, name: str, port: ServiceBackendPort | None) -> Check | None:
        """Return the checks of the endpoints of a Service that *layer* asks for, as their Pods have them."""
        settings, field = layer.overrides.values.upstream, layer.overrides.key("health_checks")
        ref = Service.KIND.ref(layer.origin.namespace, name)
        service = self._snapshot.services.get(ref)
        found = find_port(service.spec, port) if service and service.spec else None
        if not settings.health_checks or found is None:
            return None
        refs = pods_behind(self._snapshot.slices_of.get((ref.namespace, ref.name), ()))
        self._references |= refs
        pods = probes.known(refs, self._snapshot.pods)
        probe = probes.probe_of(pods, found)
        if probe is None:
            reason = (probes.NO_PROBE if pods else probes.NO_POD).format(service=name)
            self.report(Problem(layer.origin, field, "", reason, UNCHECKED, passing=not pods))
            return None
        check = probes.check_of_probe(field, probe, mandatory=settings.health_checks_mandatory)
        if isinstance(check, str):
            self.report(Problem(layer.origin, field, "", f"{check} of a Pod of service {name}", UNCHECKED))
            return None
        return check

    def service(  # noqa: PLR0913 - what names a Service, and how its endpoints are chosen
        self,
        origin: ObjectRef,
        field: str,
        name: tuple[str, str],
        port: ServiceBackendPort | None,
        use_cluster_ip: str = "",
        protocol: str = "",
        labels: Mapping[str, str] | None = None,
        unserved: str = "",
    ) -> Endpoints:
        """Return the addresses behind a port of the Service called *name* (namespace and name); see ``Wanted``."""
        ref = Service.KIND.ref(*name)
        self._references.add(ref)
        wanted = Wanted(
            origin, field, ref.name, port, use_cluster_ip, self._allow_loopback, ref.namespace, protocol, labels or {},
            unserved, self._snapshot.external_names,
        )  # fmt: skip
        slices = self._snapshot.slices_of.get((ref.namespace, ref.name), ())
        if labels:
            pods = pods_behind(slices)
            self._references |= pods
            slices = selected(slices, labels, {pod: self._snapshot.pods.get(pod) for pod in pods})
        found, problems = endpoints(wanted, self._snapshot.services.get(ref), slices)
        self.report(*problems)
        return found

    def first_port(self, namespace: str, name: str) -> ServiceBackendPort | None:
        """Return the first port of a Service, ``None`` if there is none."""
        ref = Service.KIND.ref(namespace, name)
        self._references.add(ref)
        service = self._snapshot.services.get(ref)
        ports = service.spec.ports if service and service.spec else ()
        return next((ServiceBackendPort(number=port.port) for port in ports or ()), None)

    def listeners(self) -> Listeners:
        """Return the listeners of the GlobalConfiguration in force."""
        self._references.add(LISTENERS)
        return self._snapshot.listeners

    def secret(
        self, origin: ObjectRef, field: str, name: str | tuple[str, str], kind: SecretKind, effect: str
    ) -> SecretReference:
        """Return the Secret *name* of the namespace of *origin*, or namespace and name.

        *effect* is that of its absence.
        """
        valid = self._secret(origin, field, name, kind, effect)
        self._files |= {file.name: file for file in valid.files}
        return valid.reference

    def secret_content(
        self, origin: ObjectRef, field: str, name: str | tuple[str, str], kind: SecretKind, effect: str
    ) -> tuple[SecretReference, bytes]:
        """Return the same, and what its first file would hold, which is not written."""
        valid = self._secret(origin, field, name, kind, effect)
        return valid.reference, valid.files[0].data if valid.files else b""

    def _secret(
        self, origin: ObjectRef, field: str, name: str | tuple[str, str], kind: SecretKind, effect: str
    ) -> Validated:
        ref = Secret.KIND.ref(*((origin.namespace, name) if isinstance(name, str) else name))
        self._references.add(ref)
        valid = self._secrets.get(ref, self._snapshot.secrets.get(ref), kind, self._snapshot.now)
        if error := valid.reference.error:
            self.report(Problem(origin, field, ref.name, error, effect))
        for warning in valid.warnings:
            self.report(Problem(origin, field, ref.name, warning, USED))
        return valid

    def guard_by_token(self, found: Jwt, token: LiveToken) -> None:
        """Have workers told what *found* asks of tokens."""
        name = f"{TOKENS_FOLDER}/{found.name}"
        self._files[name] = File(name, msgspec.json.encode(token), found.policy, PRIVATE, needs_reload=False)

    def fetched_keys(self, policy: ObjectRef, source: KeySource) -> FetchedKeys | None:
        """Return what came of fetching the key set of *policy*, ``None`` if it was not tried yet; it is wanted now."""
        ref = key_set_ref(policy)
        self._references.add(ref)
        return self._snapshot.key_sets.want(ref, source)

    def holds(self, ref: ObjectRef, key: str) -> bool:
        """Whether there is a Secret *ref* with something under *key*."""
        self._references.add(ref)
        secret = self._snapshot.secrets.get(ref)
        return secret is not None and secret.value(key) is not None

    def config_map(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """Return what the ConfigMap *name* holds, ``None`` if it is not there."""
        ref = ConfigMap.KIND.ref(namespace, name)
        self._references.add(ref)
        found = self._snapshot.config_maps.get(ref)
        return None if found is None else found.data or {}

    def policy(self, ref: ObjectRef) -> ValidPolicy | str:
        """Return the Policy *ref*, or why it cannot be used."""
        self._references.add(ref)
        if valid := self._snapshot.valid_policy(ref):
            return valid
        return self._snapshot.policy_fault(ref)

    def report(self, *problems: Problem) -> None:
        """Note *problems* that were found elsewhere, each once however many routes have it."""
        self._problems |= dict.fromkeys(problems)

    def need_wildcard(self, origin: ObjectRef, field: str, effect: str) -> None:
        """Complain if there is no wildcard certificate, and wait for its Secret; a usable one never goes away."""
        wildcard = self._secrets.wildcard
        if wildcard is None:
            reason = "is missing, and there is no certificate for such hosts (-wildcard-tls-secret)"
            self.report(Problem(origin, field, "", reason, effect))
        elif wildcard.error:
            self._references.add(wildcard.ref)
            reason = f"is missing, and the wildcard certificate {wildcard.ref.key} {wildcard.error}"
            self.report(Problem(origin, field, "", reason, effect))
