"""Ingress → IngressEx: the endpoints and Secrets that it names, or why they are missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from headgate.api import Ingress, Service
from headgate.api.core import Secret
from headgate.api.networking import IngressBackend, IngressSpec
from headgate.configuration import IngressConfiguration, MinionConfiguration
from headgate.ir import File
from headgate.problems import ObjectRef, Problem
from headgate.resolve.contents import SecretKind
from headgate.resolve.endpoints import Wanted, endpoints
from headgate.resolve.ex import Endpoints, IngressEx, MergeableIngresses, SecretReference, ServicePort
from headgate.resolve.secrets import LocalSecretStore
from headgate.resolve.snapshot import Snapshot
from headgate.settings import Role, Said

BASIC_AUTH = "nginx.org/basic-auth-secret"
UNENCRYPTED = "TLS handshakes for {hosts} are rejected"
LOCKED = "requests that need a password are answered 403"
USED = "it is used all the same"


class Resolved(msgspec.Struct, frozen=True):
    """A resource with everything it points at.

    Attributes:
        ex: the resource, ready for ``translate``.
        problems: what is missing or doubtful; nothing here refuses the resource.
        references: the Services and Secrets that it names, there or not, for the reverse index.
        files: the Secrets that its configuration refers to; several resources may carry the same one.
    """

    ex: IngressEx | MergeableIngresses
    problems: tuple[Problem, ...] = ()
    references: frozenset[ObjectRef] = frozenset()
    files: tuple[File, ...] = ()


def resolve_ingress(
    resource: IngressConfiguration, snapshot: Snapshot, secrets: LocalSecretStore, *, allow_loopback: bool = False
) -> Resolved:
    """Gather what *resource* points at, and what each of its minions does.

    Args:
        resource: a regular Ingress or a master with its minions.
        snapshot: the cluster as this batch sees it.
        secrets: remembers what it checked and named before.
        allow_loopback: whether endpoints may be on this machine (standalone mode).
    """
    search = _Search(snapshot, secrets, allow_loopback=allow_loopback)
    ex = search.ingress(resource.ingress, resource.said, resource.hosts)
    if resource.role is not Role.MASTER:
        return search.resolved(ex)
    minions = tuple(search.minion(minion, resource.hosts) for minion in resource.minions)
    return search.resolved(MergeableIngresses(ex, minions))


class _Search:
    """One resource on its way through the snapshot: collects what it names and what is wrong."""

    def __init__(self, snapshot: Snapshot, secrets: LocalSecretStore, *, allow_loopback: bool) -> None:
        self._snapshot = snapshot
        self._secrets = secrets
        self._allow_loopback = allow_loopback
        self._problems: list[Problem] = []
        self._references: set[ObjectRef] = set()
        self._files: dict[str, File] = {}

    def resolved(self, ex: IngressEx | MergeableIngresses) -> Resolved:
        """Return *ex* with all that was collected."""
        return Resolved(ex, tuple(self._problems), frozenset(self._references), tuple(self._files.values()))

    def ingress(self, ingress: Ingress, said: Said, hosts: tuple[str, ...]) -> IngressEx:
        """Resolve a regular Ingress or a master, whose own default backend serves the host."""
        spec = ingress.spec or IngressSpec()
        backends = dict(_rule_backends(spec, hosts, None))
        if spec.default_backend:
            backends = {"spec.defaultBackend": spec.default_backend, **backends}
        return IngressEx(
            ingress=ingress,
            said=said,
            hosts=hosts,
            endpoints=self._endpoints(ingress, said, backends),
            secrets=self._secrets_of(ingress, said),
            wildcard=self._secrets.wildcard,
        )

    def minion(self, minion: MinionConfiguration, hosts: tuple[str, ...]) -> IngressEx:
        """Resolve a minion: the paths that it holds; a default backend belongs to its master."""
        ingress, said = minion.ingress, minion.said
        backends = dict(_rule_backends(ingress.spec or IngressSpec(), hosts, minion.paths))
        return IngressEx(
            ingress=ingress,
            said=said,
            hosts=hosts,
            paths=minion.paths,
            endpoints=self._endpoints(ingress, said, backends),
            secrets=self._secrets_of(ingress, said),
        )

    def _endpoints(
        self, ingress: Ingress, said: Said, backends: Mapping[str, IngressBackend]
    ) -> dict[ServicePort, Endpoints]:
        """Look every Service port up once, however many paths name it; a Problem names the first of them."""
        found: dict[ServicePort, Endpoints] = {}
        cluster_ip = bool(said.get("services", {}).get("use_cluster_ip"))
        for field, backend in backends.items():
            if backend.service is None:
                continue
            name, port = backend.service.name, backend.service.port
            key = name, str(port or "")
            if key not in found:
                wanted = Wanted(ingress.ref, f"{field}.service", name, port, cluster_ip, self._allow_loopback)
                found[key] = self._service_endpoints(wanted)
        return found

    def _service_endpoints(self, wanted: Wanted) -> Endpoints:
        ref = ObjectRef(Service.KIND.name, wanted.origin.namespace, wanted.service)
        self._references.add(ref)
        slices = self._snapshot.slices_of.get((ref.namespace, ref.name), ())
        found, problems = endpoints(wanted, self._snapshot.services.get(ref), slices)
        self._problems += problems
        return found

    def _secrets_of(self, ingress: Ingress, said: Said) -> dict[str, SecretReference]:
        """Resolve the Secrets of TLS and of passwords.

        A Secret that is named for both can be right for one only; then the one with the error
        stands for it, so that neither use is served with the content of the other.
        """
        found: dict[str, SecretReference] = {}
        for i, tls in enumerate((ingress.spec and ingress.spec.tls) or ()):
            hosts = ", ".join(tls.hosts or ()) or "its hosts"
            field, effect = f"spec.tls[{i}].secretName", UNENCRYPTED.format(hosts=hosts)
            if not tls.secret_name:
                self._need_wildcard(ingress.ref, field, effect)
            elif tls.secret_name not in found:
                found[tls.secret_name] = self._secret(ingress.ref, field, tls.secret_name, effect)
        if name := said.get("auth", {}).get("basic_auth_secret"):
            reference = self._secret(ingress.ref, BASIC_AUTH, name, LOCKED)
            if name not in found or reference.error:
                found[name] = reference
        return found

    def _secret(self, origin: ObjectRef, field: str, name: str, effect: str) -> SecretReference:
        ref = ObjectRef(Secret.KIND.name, origin.namespace, name)
        kind = SecretKind.HTPASSWD if field == BASIC_AUTH else SecretKind.TLS
        self._references.add(ref)
        valid = self._secrets.get(ref, self._snapshot.secrets.get(ref), kind, self._snapshot.now)
        if error := valid.reference.error:
            self._problems.append(Problem(origin, field, name, error, effect))
        self._problems += [Problem(origin, field, name, warning, USED) for warning in valid.warnings]
        self._files |= {file.name: file for file in valid.files}
        return valid.reference

    def _need_wildcard(self, origin: ObjectRef, field: str, effect: str) -> None:
        """Complain if there is no wildcard certificate, and wait for its Secret; a usable one never goes away."""
        wildcard = self._secrets.wildcard
        if wildcard is None:
            reason = "is missing, and there is no certificate for such hosts (-wildcard-tls-secret)"
            self._problems.append(Problem(origin, field, "", reason, effect))
        elif wildcard.error:
            self._references.add(wildcard.ref)
            reason = f"is missing, and the wildcard certificate {wildcard.ref.key} {wildcard.error}"
            self._problems.append(Problem(origin, field, "", reason, effect))


def _rule_backends(
    spec: IngressSpec, hosts: tuple[str, ...], held: frozenset[int] | None
) -> Iterator[tuple[str, IngressBackend]]:
    """Yield the backends of the paths that are served, with their fields; ``None`` in place of *held* means all."""
    for i, rule in enumerate(spec.rules or ()):
        if (rule.host or "") not in hosts:
            continue
        for j, path in enumerate((rule.http and rule.http.paths) or ()):
            if held is None or j in held:
                yield f"spec.rules[{i}].http.paths[{j}].backend", path.backend
