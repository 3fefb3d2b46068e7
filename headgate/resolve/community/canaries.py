"""Canaries: Ingresses that add a second backend to equal paths of other Ingresses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from msgspec import structs

from headgate.problems import ObjectRef, Problem
from headgate.resolve.community.idle_guards import report_of_canary
from headgate.resolve.community.named import fastcgi
from headgate.resolve.search import Search
from headgate.routes import (
    Backend,
    Case,
    Choice,
    Condition,
    Forward,
    Layer,
    Match,
    PathType,
    Route,
    Split,
    VirtualHost,
)
from headgate.validation.community import CommunityPath, ValidCommunityIngress

LEAST_TOTAL = 100
DIGITS = 2
"""``split_clients`` of nginx knows hundredths of a percent."""


class Canaries:
    """The canaries of some hosts; of two for the same path the older one counts."""

    def __init__(self, search: Search, canaries: Sequence[ValidCommunityIngress]) -> None:
        """Take *canaries*, the oldest first; what is missing is reported to *search*."""
        self._search = search
        self._canaries = canaries
        self._used: set[ObjectRef] = set()
        self._foreign: dict[ObjectRef, ObjectRef] = {}
        """Canaries that are left out, each with the Ingress of another namespace whose path it is for."""
        self._count = 0
        for valid in canaries:
            report_of_canary(search, valid)

    def added(self, path: CommunityPath, route: Route) -> Iterator[Route]:
        """Yield the *route* of *path*, with a canary followed by the internal routes to which it leads."""
        found = self._find(path, route.origin)
        if found is None or not isinstance(route.action, Forward):
            yield route
            return
        valid, own = found
        backend = structs.replace(self._backend(valid, own), unserved=route.action.backend.unserved)
        if backend == route.action.backend:
            yield route
            return
        self._used.add(valid.ingress.ref)
        yield from self._divided(route, route.action, valid, backend)

    def report_unused(self, hosts: Iterable[VirtualHost]) -> None:
        """Report the canaries that none of *hosts* has a path for."""
        names = ", ".join(host.name or "every host" for host in hosts)
        for valid in self._canaries:
            if (foreign := self._foreign.get(valid.ingress.ref)) and valid.ingress.ref not in self._used:
                reason = f"is for a path of {foreign}, which is of another namespace; see --canaries-across-namespaces"
                self._search.report(Problem(valid.ingress.ref, "spec.rules", "", reason, "it has no effect"))
            elif valid.ingress.ref not in self._used:
                reason = f"is for no path of another Ingress on {names}, or an older canary has that path"
                self._search.report(Problem(valid.ingress.ref, "spec.rules", "", reason, "it has no effect"))

    def _find(self, path: CommunityPath, main: ObjectRef) -> tuple[ValidCommunityIngress, CommunityPath] | None:
        """Return the first canary with the host, path and type of *path* of *main*, of whose namespace it is."""
        key = (path.host, path.path, path.exact)
        found = ((valid, own) for valid in self._canaries for own in valid.paths)
        alike = [each for each in found if (each[1].host, each[1].path, each[1].exact) == key]
        if not self._search.foreign_canaries:
            foreign = [valid.ingress.ref for valid, _ in alike if valid.ingress.ref.namespace != main.namespace]
            self._foreign |= dict.fromkeys(foreign, main)
            alike = [each for each in alike if each[0].ingress.ref not in foreign]
        return next(iter(alike), None)

    def _backend(self, valid: ValidCommunityIngress, path: CommunityPath) -> Backend:
        service = path.backend.service
        assert service is not None  # noqa: S101 - validation skips others
        layer = Layer(valid.ingress.ref, valid.overrides)
        endpoints = self._search.endpoints(layer, f"{path.field}.backend.service", service.name, service.port)
        protocol = valid.annotations.backend_protocol
        return Backend(
            service.name,
            str(service.port or ""),
            valid.ingress.metadata.namespace,
            endpoints,
            grpc=protocol in {"grpc", "grpcs"},
            tls=protocol in {"https", "grpcs"},
            websocket=protocol != "fcgi",
            fastcgi=fastcgi(self._search, valid)[0],
            as_client=protocol == "auto_http",
        )

    def _divided(self, route: Route, main: Forward, valid: ValidCommunityIngress, backend: Backend) -> Iterator[Route]:
        """Yield *route* with what decides about its requests, then the routes to which it leads."""
        base = f"/_canary_{route.origin.namespace}_{route.origin.name}_{self._count}"
        self._count += 1
        primary, canary, weighed = f"{base}_primary", f"{base}_canary", f"{base}_weighed"
        said, cases = valid.annotations, tuple(_cases(valid, primary, canary))
        total = max(said.canary_weight_total, LEAST_TOTAL)
        share = min(round(100 * said.canary_weight / total, DIGITS), 100)
        split = Split(((share, canary), (100 - share, primary)), valid.ingress.ref)
        rest = canary if share == 100 else primary if not share else weighed  # noqa: PLR2004 - percent
        inner = structs.replace(route, redirect=None)
        if cases:
            yield structs.replace(route, action=Choice(cases, rest, valid.ingress.ref))
        elif rest == weighed:
            yield structs.replace(route, action=split)
        else:
            yield structs.replace(route, action=main if rest == primary else Forward((backend,), main.changes))
            return
        if cases and rest == weighed:
            yield structs.replace(inner, match=Match(weighed, PathType.INTERNAL), action=split)
        yield structs.replace(inner, match=Match(primary, PathType.INTERNAL))
        yield structs.replace(inner, match=Match(canary, PathType.INTERNAL), action=Forward((backend,), main.changes))


def _cases(valid: ValidCommunityIngress, primary: str, canary: str) -> Iterator[Case]:
    """Yield what decides before the weight: a header, then a cookie."""
    said = valid.annotations
    if said.canary_by_header:
        variable = f"$http_{said.canary_by_header.lower().replace('-', '_')}"
        if said.canary_by_header_value:
            yield _case(variable, f"^{re.escape(said.canary_by_header_value)}$", canary)
        elif said.canary_by_header_pattern:
            yield _case(variable, said.canary_by_header_pattern, canary)
        else:
            yield _case(variable, "^always$", canary)
            yield _case(variable, "^never$", primary)
    if said.canary_by_cookie:
        yield _case(f"$cookie_{said.canary_by_cookie}", "^always$", canary)
        yield _case(f"$cookie_{said.canary_by_cookie}", "^never$", primary)


def _case(variable: str, pattern: str, target: str) -> Case:
    """Return a case by a regular expression, because nginx compares other values of a map whatever their case."""
    return Case((Condition(variable, f"~{pattern}"),), target)
