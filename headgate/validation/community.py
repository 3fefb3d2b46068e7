"""The rules of an Ingress in the dialect of ingress-nginx."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

import msgspec
from msgspec import structs

from headgate.api import Ingress
from headgate.api.networking import IngressBackend, IngressSpec
from headgate.problems import Problem, Severity
from headgate.settings import COMMUNITY, Overrides, Role
from headgate.settings.community import CommunityAnnotations, ReadAnnotations, keeps_out, read_community_annotations
from headgate.validation.challenge import ORDINARY, SOLVER, challenge, is_solver
from headgate.validation.ingress import REFUSED, ValidIngress, hosts
from headgate.validation.ingress_parts import (
    Fault,
    backend_faults,
    name_faults,
    rule_faults,
    snippet_faults,
    tls_faults,
)
from headgate.validation.rules import Rules
from headgate.validation.text import decision_fault, path_fault, shortened

EXACT, PREFIX = "Exact", "Prefix"
IDLE = "it has no effect"
WWW = "www."
CLOSED = "the Ingress is refused, and its requests are answered 500, not served unguarded"
"""The effect of what refuses an Ingress that keeps clients out."""


class CommunityPath(msgspec.Struct, frozen=True):
    """A path of a rule.

    Attributes:
        field: where it is.
        host: its host, ``""`` for every host.
        path: the path, ``/`` if it is empty.
        exact: whether its type is Exact; every other type is Prefix.
        backend: the Service that answers.
    """

    field: str
    host: str
    path: str
    exact: bool
    backend: IngressBackend


class ValidCommunityIngress(ValidIngress, frozen=True, kw_only=True):
    """An Ingress of ingress-nginx that may be served: what its annotations say, and its paths, each once.

    *closed* is why its requests are answered 500, empty if they are not; *refused* whether it is only there for that:
    then it has hosts and paths, and nothing else of it is used.
    """

    annotations: CommunityAnnotations
    paths: tuple[CommunityPath, ...]
    closed: str = ""
    refused: bool = False

    @property
    def further_hosts(self) -> Mapping[str, str]:
        """The names of hosts that are none of its rules, with the annotation that asks for each."""
        aliases = {name: "server-alias" for name in self.annotations.server_alias if self.main_hosts}
        twins = dict.fromkeys(self.twins, "from-to-www-redirect")
        return {name: key for name, key in {**aliases, **twins}.items() if name not in self.hosts}

    @property
    def twins(self) -> Mapping[str, str]:
        """The names that are redirected, each with the host with or without ``www.`` to which it is."""
        if not self.annotations.from_to_www_redirect:
            return {}
        return {host[4:] if host.startswith(WWW) else f"{WWW}{host}": host for host in self.main_hosts}

    @property
    def main_hosts(self) -> tuple[str, ...]:
        """The hosts of its rules that are one name each."""
        return tuple(host for host in self.hosts if host and not host.startswith("*"))

    @property
    def canary(self) -> bool:
        """Whether it adds backends to paths of other Ingresses."""
        return self.annotations.canary


def validate_community_ingress(ingress: Ingress, rules: Rules) -> tuple[ValidCommunityIngress | None, list[Problem]]:
    """Check *ingress* whole; results as of ``validate_ingress``.

    One that is refused, and that keeps clients out, is there with its hosts and paths alone: without it a broader path
    or host of another object would answer in its place.
    """
    spec = ingress.spec or IngressSpec()
    read, problems = read_community_annotations(ingress.annotations, ingress.ref, rules.gates, rules.community)
    paths = tuple(_paths(spec))
    faults = [*name_faults(ingress), *_shape(spec), *_hosts(spec), *tls_faults(spec), *snippet_faults(read.overrides)]
    faults += [
        fault for path in paths for fault in _path(path, regex=read.own.use_regex or bool(read.own.rewrite_target))
    ]
    if spec.default_backend and "disable-catch-all" in rules.gates:
        faults.append(("spec.defaultBackend", "", "is not permitted by --disable-catch-all"))
    if spec.default_backend and not spec.default_backend.resource:
        faults += backend_faults("spec.defaultBackend", spec.default_backend)
    problems += [Problem(ingress.ref, *fault, REFUSED, Severity.ERROR) for fault in faults]
    problems += [Problem(ingress.ref, *idle, IDLE) for idle in _idle(spec, paths)]
    if any(problem.refuses for problem in problems):
        return _refused(ingress, read, paths, problems)
    solved, why = challenge(ingress, Role.REGULAR, read.overrides)
    if why:
        reason = f"says that this Ingress solves an ACME challenge, but it {why}"
        problems.append(Problem(ingress.ref, f"metadata.labels[{SOLVER}]", "true", reason, ORDINARY))
    return ValidCommunityIngress(
        ingress, Role.REGULAR, read.overrides, hosts(spec), solved,
        annotations=read.own,
        closed=read.closed,
        paths=_once(paths),
    ), problems  # fmt: skip


def _refused(
    ingress: Ingress, read: ReadAnnotations, paths: tuple[CommunityPath, ...], problems: list[Problem]
) -> tuple[ValidCommunityIngress | None, list[Problem]]:
    """Return what stands for *ingress*, which *problems* refuse, ``None`` if nothing of it must; and all Problems.

    Nothing must if it keeps nobody out, if it claims no path, as canaries, or if its name or all its hosts are invalid.
    """
    spec = _closable(ingress.spec or IngressSpec(), frozenset(problem.field for problem in problems))
    idle = read.own.canary or is_solver(ingress.metadata) or any(name_faults(ingress))
    if spec is None or idle or not keeps_out(ingress.annotations, read):
        return None, problems
    found = [structs.replace(each, effect=CLOSED) if each.refuses else each for each in problems]
    regex = read.own.use_regex or any(path.path != read.own.rewrite_target for path in paths if read.own.rewrite_target)
    wrong = {problem.field.removeprefix(COMMUNITY.prefix) for problem in problems}
    served, whole = hosts(spec), read.own.use_regex or bool(read.own.rewrite_target)
    kept = (path for path in paths if path.host in served and not any(_place_faults(path, regex=whole)))
    return ValidCommunityIngress(
        structs.replace(ingress, spec=spec), Role.REGULAR, Overrides(), served,
        annotations=CommunityAnnotations(
            use_regex=regex,
            ssl_redirect=False,
            server_alias=() if "server-alias" in wrong else read.own.server_alias,
            from_to_www_redirect=read.own.from_to_www_redirect and "from-to-www-redirect" not in wrong,
        ),
        closed=next(str(structs.replace(each, effect="")) for each in problems if each.refuses),
        paths=_once(kept),
        refused=True,
    ), found  # fmt: skip


def _closable(spec: IngressSpec, wrong: Collection[str]) -> IngressSpec | None:
    """Return *spec* without hosts that are invalid, ``None`` if none is left; *wrong* are the fields with mistakes."""
    rules = tuple(rule for i, rule in enumerate(spec.rules or ()) if f"spec.rules[{i}].host" not in wrong)
    default = None if any(field.startswith("spec.defaultBackend") for field in wrong) else spec.default_backend
    if not rules and (spec.rules or default is None):
        return None
    tls = tuple(
        structs.replace(each, secret_name=None) if f"spec.tls[{i}].secretName" in wrong else each
        for i, each in enumerate(spec.tls or ())
    )
    return structs.replace(spec, rules=rules or None, tls=tls or None, default_backend=default)


def _once(paths: Iterable[CommunityPath]) -> tuple[CommunityPath, ...]:
    """Return *paths*, each host, path and type once."""
    every = tuple(paths)
    return tuple({(each.host, each.path, each.exact): each for each in reversed(every)}.values())[::-1]


def _paths(spec: IngressSpec) -> Iterator[CommunityPath]:
    """Yield the paths whose backend is a Service."""
    for i, rule in enumerate(spec.rules or ()):
        for j, path in enumerate((rule.http and rule.http.paths) or ()):
            if path.backend.resource is None:
                field = f"spec.rules[{i}].http.paths[{j}]"
                yield CommunityPath(field, rule.host or "", path.path or "/", path.path_type == EXACT, path.backend)


def _shape(spec: IngressSpec) -> Iterator[Fault]:
    if not spec.rules and not spec.default_backend:
        yield "spec.rules", "", "is empty, and there is no defaultBackend either; give at least one rule"


def _hosts(spec: IngressSpec) -> Iterator[Fault]:
    """Check the hosts; ingress-nginx takes several rules for one host."""
    for i, rule in enumerate(spec.rules or ()):
        yield from rule_faults(f"spec.rules[{i}].host", rule, set())


def _path(path: CommunityPath, *, regex: bool) -> Iterator[Fault]:
    yield from _place_faults(path, regex=regex)
    yield from backend_faults(f"{path.field}.backend", path.backend)


def _place_faults(path: CommunityPath, *, regex: bool) -> Iterator[Fault]:
    if fault := path_fault(path.path, regex=regex):
        yield f"{path.field}.path", shortened(path.path), fault
    elif not regex and (fault := decision_fault(path.path)):
        yield f"{path.field}.path", path.path, fault


def _idle(spec: IngressSpec, paths: tuple[CommunityPath, ...]) -> Iterator[Fault]:
    """Find what is well formed and does nothing."""
    for i, rule in enumerate(spec.rules or ()):
        for j, path in enumerate((rule.http and rule.http.paths) or ()):
            if path.backend.resource is not None:
                yield f"spec.rules[{i}].http.paths[{j}].backend.resource", "", "is not supported; name a service"
    seen: set[tuple[str, str, bool]] = set()
    for each in paths:
        if (key := (each.host, each.path, each.exact)) in seen:
            yield f"{each.field}.path", each.path, "is defined twice for this host"
        seen.add(key)
