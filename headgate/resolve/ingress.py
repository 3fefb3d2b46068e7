"""An Ingress, alone or with its minions, becomes a RouteTable: with the endpoints and Secrets that it names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

import msgspec

from headgate.api.networking import HTTPIngressPath, IngressBackend, IngressSpec, IngressTLS
from headgate.api.nginx_org.actions import PolicyReference
from headgate.configuration import Attached, Resource
from headgate.problems import Problem
from headgate.resolve.contents import SecretKind
from headgate.resolve.lowered import Lowered
from headgate.resolve.policies.jwt import annotated_jwt
from headgate.resolve.policies.kinds import Referrer, Scope, lower_policies
from headgate.resolve.search import Search
from headgate.resolve.secrets import LocalSecretStore
from headgate.resolve.snapshot import Snapshot
from headgate.routes import (
    Backend,
    Check,
    Endpoints,
    Forward,
    Layer,
    Layers,
    Listener,
    Match,
    PathRegex,
    PathType,
    Policies,
    Queue,
    Route,
    RouteTable,
    SecretReference,
    Tls,
    VirtualHost,
)
from headgate.routes.policies import Jwt
from headgate.settings import HANDED_DOWN, Overrides, Role
from headgate.validation.ingress import ValidIngress

UNENCRYPTED = "TLS handshakes for {hosts} are rejected"
ALONE = "an earlier entry has the certificate of {hosts}"
NO_POLICIES = Policies()
LOCKED = "requests that need a password are answered 403"

ServicePort = tuple[str, str]
"""A Service name and one of its ports, by number or name, as the Ingress writes it."""


def lower_ingress(
    resource: Resource, snapshot: Snapshot, secrets: LocalSecretStore, *, allow_loopback: bool = False
) -> Lowered:
    """Lower *resource* to routes: a regular Ingress, or a master with its minions.

    Args:
        resource: what holds the hosts.
        snapshot: the cluster as this batch sees it.
        secrets: remembers what it checked and named before.
        allow_loopback: whether endpoints may be on this machine (standalone mode).
    """
    search = Search(snapshot, secrets, allow_loopback=allow_loopback)
    valid: ValidIngress = resource.candidate.valid
    holder = _Contribution(search, valid, resource.hosts, None)
    if valid.role is Role.MASTER:
        inherited = (msgspec.structs.replace(holder.layer, overrides=valid.overrides.part(*HANDED_DOWN)),)
        minions = [_minion(search, attached, resource.hosts, inherited, holder) for attached in resource.attached]
    else:
        inherited, minions = (holder.layer,), []
    hosts = tuple(
        VirtualHost(
            name=host,
            origin=resource.ref,
            settings=(holder.layer,),
            handed_down=inherited,
            routes=tuple(route for part in (holder, *minions) for route in part.routes(host)),
            default=holder.default,
            listeners=_listeners(valid.overrides),
            tls=holder.certificates.tls(host),
            policies=holder.policies,
            shared=valid.role is Role.MASTER,
        )
        for host in resource.hosts
    )
    members = (resource.ref, *(attached.candidate.ref for attached in resource.attached))
    return search.lowered(RouteTable(origin=resource.ref, members=members, hosts=hosts))


def _minion(
    search: Search, attached: Attached, hosts: tuple[str, ...], inherited: Layers, master: _Contribution
) -> _Contribution:
    return _Contribution(search, attached.candidate.valid, hosts, attached.held, inherited, master.policies)


def _reference(text: str) -> PolicyReference:
    namespace, _, name = text.rpartition("/")
    return PolicyReference(name=name, namespace=namespace or None)


def _listeners(overrides: Overrides) -> tuple[Listener, ...]:
    routing = overrides.values.routing
    plain = (Listener(port) for port in routing.listen_ports)
    return (*plain, *(Listener(port, tls=True) for port in routing.listen_ports_ssl))


class _Contribution:
    """The routes of one Ingress on *hosts*; ``held`` are the indexes of the paths that a minion holds.

    Services are looked up when this is built, once however many paths name one; a Problem names the first path.
    """

    def __init__(  # noqa: PLR0913 - what a minion gets from its master
        self,
        search: Search,
        valid: ValidIngress,
        hosts: tuple[str, ...],
        held: frozenset[int] | None,
        below: Layers = (),
        around: Policies = NO_POLICIES,
    ) -> None:
        self.layer = Layer(valid.ingress.ref, valid.overrides, valid.role)
        self._settings = (*below, self.layer)
        self._ingress = valid.ingress
        self._held = held
        self._values = valid.overrides.values
        self._paths = self._by_host(frozenset(hosts))
        self._endpoints = self._find_endpoints(search)
        self._checks = self._find_checks(search)
        self.certificates = _Certificates(search, valid)
        own = lower_policies(search, self._referrer(hosts), map(_reference, self._values.auth.policies))
        own = self._with_token(search, own)
        self.policies = msgspec.structs.replace(own.over(around), basic_auth=self._passwords(search))

    def _referrer(self, hosts: tuple[str, ...]) -> Referrer:
        return Referrer(
            origin=self.layer.origin,
            field=self.layer.overrides.key("policies"),
            indexed=False,
            scope=Scope.INGRESS if self._held is None else Scope.MINION,
            guarded="it",
            tls=all(self.certificates.tls(host) for host in hosts),
        )

    @property
    def default(self) -> Forward | None:
        """The default backend of the Ingress."""
        backend = self._spec.default_backend
        return Forward((self._backend(backend),)) if backend else None

    def routes(self, host: str) -> Iterator[Route]:
        """Yield the routes of *host*, in the order of the paths."""
        regex = PathRegex(self._values.routing.path_regex) if self._values.routing.path_regex else None
        for field, path in self._paths.get(host, ()):
            yield Route(
                match=Match(path.path or "/", PathType(path.path_type or PathType.SPECIFIC), regex),
                action=Forward((self._backend(path.backend),)),
                origin=self.layer.origin,
                settings=self._settings,
                policies=self.policies,
                field=field,
            )

    @property
    def _spec(self) -> IngressSpec:
        return self._ingress.spec or IngressSpec()

    def _by_host(self, hosts: frozenset[str]) -> Mapping[str, list[tuple[str, HTTPIngressPath]]]:
        """Return the paths of each of *hosts* that are held, with their fields."""
        found: dict[str, list[tuple[str, HTTPIngressPath]]] = {}
        for i, rule in enumerate(self._spec.rules or ()):
            host = rule.host or ""
            for j, path in enumerate((rule.http and rule.http.paths) or ()) if host in hosts else ():
                if self._held is None or j in self._held:
                    found.setdefault(host, []).append((f"spec.rules[{i}].http.paths[{j}]", path))
        return found

    def _backends(self) -> Iterator[tuple[str, IngressBackend]]:
        if self._spec.default_backend and self._held is None:  # a minion's belongs to its master
            yield "spec.defaultBackend", self._spec.default_backend
        for paths in self._paths.values():
            for field, path in paths:
                yield f"{field}.backend", path.backend

    def _find_endpoints(self, search: Search) -> Mapping[ServicePort, Endpoints]:
        found: dict[ServicePort, Endpoints] = {}
        for field, backend in self._backends():
            if (service := backend.service) and (key := _key(backend)) not in found:
                found[key] = search.endpoints(self.layer, f"{field}.service", service.name, service.port)
        return found

    def _find_checks(self, search: Search) -> Mapping[ServicePort, Check | None]:
        if not self._values.upstream.health_checks:
            return {}
        ports = {_key(backend): backend.service for _, backend in self._backends()}
        return {key: search.check(self.layer, each.name, each.port) for key, each in ports.items() if each}

    def _backend(self, backend: IngressBackend) -> Backend:
        service, port = _key(backend)
        endpoints = self._endpoints.get((service, port), Endpoints())
        check = self._checks.get((service, port))
        return Backend(
            service, port, self._ingress.metadata.namespace, endpoints, check=check, queue=self._queue(check)
        )

    def _queue(self, check: Check | None) -> Queue | None:
        size = self._values.upstream.health_checks_mandatory_queue
        if check is None or not size:
            return None
        field = self.layer.overrides.key("health_checks_mandatory_queue")
        return Queue(field, size, check.read_timeout or 1)

    def _with_token(self, search: Search, own: Policies) -> Policies:
        """Return *own* Policies with what the annotations say of JSON Web Tokens."""
        auth, overrides, origin = self._values.auth, self.layer.overrides, self.layer.origin
        if not auth.jwt_key:
            return own
        field = overrides.key("jwt_key")
        if own.jwt:
            reason = f"is not used, as Policy {own.jwt.policy.key} is of type jwt, too; remove one of them"
            search.report(Problem(origin, field, auth.jwt_key, reason, "the Policy applies"))
            return own
        wanted = Jwt(
            policy=origin, realm=str(auth.jwt_realm), token=auth.jwt_token or "", login_url=auth.jwt_login_url or "",
            keys=f"Secret {origin.namespace}/{auth.jwt_key}",
        )  # fmt: skip
        found = annotated_jwt(search, origin, field, wanted, auth.jwt_key)
        if isinstance(found, str):
            return msgspec.structs.replace(own, refused=own.refused or f"{field} {found}")
        return msgspec.structs.replace(own, jwt=found)

    def _passwords(self, search: Search) -> SecretReference | None:
        name = self._values.auth.basic_auth_secret
        if not name:
            return None
        field = self.layer.overrides.key("basic_auth_secret")
        return search.secret(self.layer.origin, field, name, SecretKind.HTPASSWD, LOCKED)


class _Certificates:
    """The Secrets of ``spec.tls``, each looked up once, in the order of the entries."""

    def __init__(self, search: Search, valid: ValidIngress) -> None:
        self._wildcard = search.wildcard
        self._of_host: defaultdict[str, list[IngressTLS]] = defaultdict(list)
        self._secrets: dict[str, SecretReference] = {}
        for i, tls in enumerate((valid.ingress.spec and valid.ingress.spec.tls) or ()):
            for host in tls.hosts or ():
                self._of_host[host].append(tls)
            hosts = ", ".join(tls.hosts or ()) or "its hosts"
            field, effect = f"spec.tls[{i}].secretName", UNENCRYPTED.format(hosts=hosts)
            if tls.hosts and all(len(self._of_host[host]) > 1 for host in tls.hosts):
                effect = ALONE.format(hosts=hosts)
            if not tls.secret_name:
                search.need_wildcard(valid.ingress.ref, field, effect)
            elif tls.secret_name not in self._secrets:
                found = search.secret(valid.ingress.ref, field, tls.secret_name, SecretKind.TLS, effect)
                self._secrets[tls.secret_name] = found

    def tls(self, host: str) -> Tls | None:
        """Return how *host* speaks TLS: by the first entry that names it.

        The next one with a key of another algorithm is for clients that cannot use the first.
        """
        entries = self._of_host.get(host)
        if not entries:
            return None
        first, *others = entries
        secret = self._secrets.get(first.secret_name) if first.secret_name else self._wildcard
        found = (self._secrets[entry.secret_name] for entry in others if entry.secret_name)
        algorithms = {"", secret.algorithm} if secret else {""}
        second = next((other for other in found if other.algorithm not in algorithms), None)
        return Tls(secret, first.secret_name or "", second=second if secret and not secret.error else None)


def _key(backend: IngressBackend) -> ServicePort:
    service = backend.service
    return (service.name, str(service.port or "")) if service else ("", "")
