"""Hosts of Ingresses as Ingresses of nginx.org: alone, or as a master with its minions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import structs

from headgate.migrating.conversion import carried
from headgate.migrating.conversion.guards import Guards, limit_fields
from headgate.migrating.conversion.outcome import Document, Loss, Names
from headgate.problems import ObjectRef
from headgate.resolve.community.contribution import TOLD
from headgate.routes import Choice, Forward, Match, PathType, Redirect, Route, RouteTable, Split, VirtualHost
from headgate.settings import Overrides

SERVED: Final = ("access", "external_auth", "cors", "backend_tls", "connections")
KIND: Final = "Ingress"

POLICIES: Final = "nginx.org/policies"
ROLE: Final = "nginx.org/mergeable-ingress-type"
NO_ANNOTATION: Final = "has no annotation of nginx.org; the ConfigMap decides"
NO_HEADER: Final = "has a value that annotations of nginx.org cannot have; it is removed, or the usual one"
USUAL: Final = frozenset({
    "connection", "host", "upgrade", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto",
    "x-real-ip", "x-request-id",
})  # fmt: skip
"""Headers that nginx.org sets itself, or leaves to clients as ingress-nginx does."""
_UNWRITABLE = re.compile(r"[$,]")
TO_PRIMARY: Final = "has no annotation of nginx.org; all requests go to the Service of the other Ingress"
FURTHER: Final = "metadata.annotations["
"""How the field of a route begins whose host no rule has (``from-to-www-redirect``)."""
NOT_WRITTEN: Final = "has no annotation of nginx.org; the host is not written"
NO_REDIRECT: Final = "has no annotation of nginx.org; requests are answered 403"


class Writer:
    """Writes the Ingresses of one table."""

    def __init__(self, table: RouteTable, guards: Guards, names: Names, class_name: str) -> None:
        """Write the hosts of *table*."""
        self._table, self._guards, self._names, self._class = table, guards, names, class_name

    def documents(self) -> Iterator[Document]:
        """Yield Ingresses: hosts with the paths of one Ingress in one, of others a master and its minions."""
        alone: dict[tuple[Any, ...], list[VirtualHost]] = {}
        shared = []
        for host in self._table.hosts:
            if any(route.field.startswith(FURTHER) for route in _outer(host)):
                self._guards.note(host.origin, f"the redirect of {host.name}", NOT_WRITTEN, Loss.LOST)
                continue
            self._guards.note_certificate(host)
            owners = tuple(dict.fromkeys(route.origin for route in _outer(host)))
            if len(owners) > 1:
                shared.append((host, owners))
            else:
                owner = owners[0] if owners else host.origin
                alone.setdefault((owner, self._redirected(host), bool(_secret(host))), []).append(host)
        for (owner, *_), hosts in alone.items():
            every = [self._plain(host, route) for host in hosts for route in _outer(host)]
            said = _joined(self._of_host(hosts[0]), self._of_routes(owner, every))
            yield self._ingress(owner, self._name(owner), said, hosts, owner)
        for host, owners in shared:
            if host.ordered:
                self._guards.note_order(host, owners)
            said = {ROLE: "master"} | self._of_host(host)
            name = self._names.of(KIND, host.origin.namespace, f"{host.origin.name}-master")
            yield self._ingress(host.origin, name, said, [host], None)
            for owner in owners:
                routes = [self._plain(host, route) for route in _outer(host) if route.origin == owner]
                minion = {ROLE: "minion"} | self._of_routes(owner, routes)
                yield self._ingress(owner, self._name(owner), minion, [host], owner, tls=False)

    def _name(self, origin: ObjectRef) -> str:
        return self._names.of(KIND, origin.namespace, origin.name)

    def _ingress(  # noqa: PLR0913 - the parts of an Ingress
        self, origin: ObjectRef, name: str, said: Mapping[str, str], hosts: Sequence[VirtualHost],
        owner: ObjectRef | None, *, tls: bool = True,
    ) -> Document:  # fmt: skip
        rules = [self._rule(host, owner) for host in hosts]
        entries = [{"hosts": [host.name], "secretName": _secret(host)} for host in hosts if _secret(host)]
        item = {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {"name": name, "namespace": origin.namespace, "annotations": dict(sorted(said.items()))},
            "spec": {
                "ingressClassName": self._class, **({"tls": entries} if tls and entries else {}), "rules": rules,
            },
        }  # fmt: skip
        return Document(item)

    def _rule(self, host: VirtualHost, owner: ObjectRef | None) -> dict[str, Any]:
        named = {"host": host.name} if host.name else {}
        if owner is None:
            return named
        paths = [
            {**_path(route.match), "backend": {"service": _service(backend.service, backend.port)}}
            for route in _outer(host)
            if route.origin == owner and (backend := self._backend(host, route)) is not None
        ]
        return {**named, "http": {"paths": paths}}

    def _backend(self, host: VirtualHost, route: Route) -> Any:
        if isinstance(route.action, Redirect):
            return next((each.backend for each in _outer(host) if each.backend), None)
        return self._plain(host, route).backend

    def _plain(self, host: VirtualHost, route: Route) -> Route:
        """Return *route* without a canary."""
        action: Any = route.action
        if isinstance(action, Split | Choice):
            self._guards.note(action.by or route.origin, "canary", TO_PRIMARY, Loss.LOST)
        while isinstance(action, Split | Choice):
            target = action.otherwise if isinstance(action, Choice) else action.shares[-1][1]
            action = next(each.action for each in host.routes if each.match.path == target)
        return structs.replace(route, action=action)

    # --- annotations --------------------------------------------------------------------------------------

    def _redirected(self, host: VirtualHost) -> bool:
        wanted = [route.redirect for route in _outer(host) if not isinstance(route.action, Redirect)]
        return bool(host.redirect or (wanted and all(wanted)))

    def _of_host(self, host: VirtualHost) -> dict[str, str]:
        said: dict[str, str] = {}
        wanted = [each for each in (host.redirect, *(route.redirect for route in _outer(host))) if each]
        secure, redirected = bool(_secret(host)), self._redirected(host)
        if wanted and not (secure and redirected):
            why = "is of some paths only, or of a host without a certificate; nothing is redirected"
            self._guards.note(host.origin, "ssl-redirect", why, Loss.LOST)
        if secure:
            said[carried.annotation_of("ssl_redirect")] = "true" if redirected and not wanted[0].forwarded else "false"
            if redirected and wanted[0].forwarded:
                said[carried.annotation_of("redirect_to_https")] = "true"
            if redirected:
                said[carried.annotation_of("http_redirect_code")] = str(wanted[0].code)
        if secure and (hsts := host.policies.hsts):
            said[carried.annotation_of("hsts")] = "true"
            said[carried.annotation_of("hsts_max_age")] = str(hsts.max_age)
            said[carried.annotation_of("hsts_include_subdomains")] = str(hsts.include_subdomains).lower()
            if not hsts.preload:
                self._guards.note(host.origin, "hsts", "always has preload in nginx.org", Loss.DIFFERS)
        overrides = host.settings[-1].overrides
        said |= carried.annotated(overrides)
        for name, _ in carried.unsaid(overrides, carried.has_annotation):
            self._guards.note(host.origin, name, NO_ANNOTATION, Loss.LOST)
        if host.policies.client_certificates:
            found = self._guards.of_host(host.origin, host.policies, secure=False)
            said[POLICIES] = ",".join(each["name"] for each in found)
        return said

    def _of_routes(self, owner: ObjectRef, routes: Sequence[Route]) -> dict[str, str]:
        if not routes:
            return {}
        first = routes[0]
        said: dict[str, str] = {}
        for route in routes:
            self._note_action(route)
            self._guards.note_backends(owner, route.settings, [route.backend] if route.backend else [])
        own = carried.own(first.settings, owner)
        said |= carried.annotated(Overrides(carried.unkeyed(first.settings))) | carried.annotated(own)
        for name, _ in carried.unsaid(own, carried.has_annotation):
            self._guards.note(owner, name, NO_ANNOTATION, Loss.LOST)
        if any(route.match.pattern for route in routes):
            said["nginx.org/path-regex"] = "case_insensitive"
        said |= self._of_changes(owner, routes) | self._of_backends(routes)
        said |= self._limits(owner, first) | self._passwords(owner, first)
        if first.error_pages:
            self._guards.note(owner, "default-backend", "does not answer for errors in nginx.org", Loss.LOST)
        if found := self._guards.of_route(owner, first.policies, SERVED):
            said[POLICIES] = ",".join(each["name"] for each in found)
        return said

    def _note_action(self, route: Route) -> None:
        if isinstance(route.action, Redirect):
            self._guards.note(route.origin, f"the redirect of {route.match}", NO_REDIRECT, Loss.CLOSED)

    def _of_changes(self, owner: ObjectRef, routes: Sequence[Route]) -> dict[str, str]:
        changes = [
            route.action.changes for route in routes if isinstance(route.action, Forward) and route.action.changes
        ]
        said: dict[str, str] = {}
        if rewritten := next((each.path for each in changes if each.path), ""):
            said["nginx.org/rewrite-target"] = rewritten
        headers = changes[0].set_headers if changes else ()
        for each in headers:
            unset = _UNWRITABLE.search(each.value) or each.name.lower() in USUAL
            if unset and TOLD.get(each.name) != each.value:
                self._guards.note(owner, f"header {each.name} of requests", NO_HEADER, Loss.LOST)
        # What clients say themselves must not reach backends in place of what cannot be set.
        wanted = {each.name: each.value for each in headers if each.name.lower() not in USUAL}
        plain = {name: "" if _UNWRITABLE.search(value) else value for name, value in wanted.items()}
        if plain:
            said["nginx.org/proxy-set-headers"] = ",".join(f"{name}: {value}" for name, value in plain.items())
        return said

    @staticmethod
    def _of_backends(routes: Sequence[Route]) -> dict[str, str]:
        found = [route.backend for route in routes if route.backend]
        by_kind = {
            "nginx.org/grpc-services": [each.service for each in found if each.grpc],
            "nginx.org/ssl-services": [each.service for each in found if each.tls],
            "nginx.org/websocket-services": [each.service for each in found if not each.grpc],
        }
        return {key: ",".join(dict.fromkeys(names)) for key, names in by_kind.items() if names}

    def _limits(self, owner: ObjectRef, route: Route) -> dict[str, str]:
        limits = route.policies.limits
        if len(limits) > 1:
            why = "are two limits, and nginx.org has one; requests are answered 403"
            self._guards.note(owner, "limit-rps and limit-rpm", why, Loss.CLOSED)
        if not limits:
            return {}
        if limits[0].exempt:
            self._guards.note(owner, "limit-allowlist", "has no equal; these clients are limited, too", Loss.DIFFERS)
        return {
            "nginx.org/limit-req-rate": limits[0].rate, "nginx.org/limit-req-key": limit_fields(limits[0])["key"],
            "nginx.org/limit-req-zone-size": limits[0].size, "nginx.org/limit-req-burst": str(limits[0].burst),
            "nginx.org/limit-req-no-delay": "true", "nginx.org/limit-req-reject-code": str(limits[0].status),
        }  # fmt: skip

    def _passwords(self, owner: ObjectRef, route: Route) -> dict[str, str]:
        found = route.policies.passwords
        if found is None:
            return {}
        name = self._guards.add_password_secret(owner, found.secret.ref)
        return {"nginx.org/basic-auth-secret": name} | (
            {"nginx.org/basic-auth-realm": str(found.realm)} if found.realm else {}
        )


def _joined(host: Mapping[str, str], routes: Mapping[str, str]) -> dict[str, str]:
    """Return the annotations of both; of Policies those of the host as well."""
    both = [said[POLICIES] for said in (host, routes) if POLICIES in said]
    return {**host, **routes, **({POLICIES: ",".join(both)} if both else {})}


def _outer(host: VirtualHost) -> Iterator[Route]:
    return (route for route in host.routes if route.match.type is not PathType.INTERNAL)


def _secret(host: VirtualHost) -> str:
    return host.tls.named if host.tls else ""


def _path(match: Match) -> dict[str, str]:
    if match.pattern:
        return {"path": match.path.removeprefix("^"), "pathType": "ImplementationSpecific"}
    return {"path": match.path, "pathType": match.type.value}


def _service(name: str, port: str) -> dict[str, Any]:
    return {"name": name, "port": {"number": int(port)} if port.isdigit() else {"name": port}}
