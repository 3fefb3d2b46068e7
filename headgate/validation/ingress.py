"""The rules of an Ingress: its hosts, paths, backends, TLS and annotations together.

The rules are those of the Kubernetes API (networking.k8s.io/v1) and of the incumbent.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from headgate.api import Ingress
from headgate.api.networking import HTTPIngressPath, IngressBackend, IngressRule, IngressSpec
from headgate.problems import Problem, Severity
from headgate.settings import INCUMBENT, Overrides, Role, read_annotations
from headgate.validation.challenge import ORDINARY, SOLVER, challenge
from headgate.validation.ingress_parts import (
    Fault,
    backend_faults,
    name_faults,
    rule_faults,
    snippet_faults,
    tls_faults,
)
from headgate.validation.rules import Rules
from headgate.validation.text import (
    decision_fault,
    path_fault,
    shortened,
)
from headgate.validation.uri import ESCAPE, decoded, unreachable

PATH_TYPES = ("Exact", "Prefix", "ImplementationSpecific")
REFUSED = "the Ingress is refused"


class ValidIngress(msgspec.Struct, frozen=True):
    """An Ingress that may be served; ``hosts`` are those of its rules in order, ``""`` for every host.

    The paths of ``ingress`` are decoded, as nginx compares them. ``challenge`` is the path of the ACME challenge that
    it solves, empty if it solves none.
    """

    ingress: Ingress
    role: Role
    overrides: Overrides
    hosts: tuple[str, ...]
    challenge: str = ""


def validate_ingress(ingress: Ingress, rules: Rules) -> tuple[ValidIngress | None, list[Problem]]:
    """Check *ingress* whole.

    Returns:
        the Ingress ready for arbitration, or ``None`` if a Problem refuses it, and every Problem found.
    """
    spec = ingress.spec or IngressSpec()
    role, fault = _role(ingress)
    overrides, problems = read_annotations(ingress.annotations, ingress.ref, role, rules.gates)
    paths = tuple(_paths(spec))
    faults = [*fault, *name_faults(ingress), *_shape(spec, len(paths), role, rules)]
    faults += [*_rules(spec, paths, overrides, role), *tls_faults(spec)]
    faults += [
        *_together(spec, overrides),
        *_reserved(paths, overrides),
        *_ports(overrides, rules),
        *snippet_faults(overrides),
    ]
    problems += [Problem(ingress.ref, *fault, REFUSED, Severity.ERROR) for fault in faults]
    problems += [
        Problem(ingress.ref, *idle, "it has no effect") for idle in (*_idle(spec, role), *_dead(paths, overrides))
    ]
    if any(problem.refuses for problem in problems):
        return None, problems
    if any("%" in (path.path or "") for _, path in paths):
        ingress = _decoded(ingress, overrides)
    solved, why = challenge(ingress, role, overrides)
    if why:
        reason = f"says that this Ingress solves an ACME challenge, but it {why}"
        problems.append(Problem(ingress.ref, f"metadata.labels[{SOLVER}]", "true", reason, ORDINARY))
    return ValidIngress(ingress, role, overrides, hosts(spec), solved), problems


def hosts(spec: IngressSpec) -> tuple[str, ...]:
    """Return the hosts that *spec* asks for; one without rules asks for every host."""
    return tuple(dict.fromkeys(rule.host or "" for rule in spec.rules or ())) or ("",)


def backends(spec: IngressSpec) -> Iterator[tuple[str, IngressBackend]]:
    """Yield every backend with its field."""
    if spec.default_backend:
        yield "spec.defaultBackend", spec.default_backend
    for field, path in _paths(spec):
        yield f"{field}.backend", path.backend


Paths = tuple[tuple[str, HTTPIngressPath], ...]
"""Every path of an Ingress with its field."""


def _paths(spec: IngressSpec) -> Iterator[tuple[str, HTTPIngressPath]]:
    for i, rule in enumerate(spec.rules or ()):
        for j, path in enumerate((rule.http and rule.http.paths) or ()):
            yield f"spec.rules[{i}].http.paths[{j}]", path


def _role(ingress: Ingress) -> tuple[Role, list[Fault]]:
    role = INCUMBENT.role_of(ingress.annotations)
    if role is None and INCUMBENT.role:
        key = INCUMBENT.role[0]
        return Role.REGULAR, [(key, ingress.annotations[key], "is neither master nor minion")]
    return role or Role.REGULAR, []


def _shape(spec: IngressSpec, paths: int, role: Role, rules: Rules) -> Iterator[Fault]:
    """Check how many rules, hosts and *paths* there are, for the role."""
    count = len(spec.rules or ())
    if not count and not spec.default_backend:
        yield "spec.rules", "", "is empty, and there is no defaultBackend either; give at least one rule"
    elif "" in hosts(spec) and not rules.allow_empty_host:
        where = "spec.rules[0].host" if count else "spec.rules"
        what = "is missing" if count else "is empty, so that the defaultBackend would serve every host"
        yield where, "", f"{what}; name a host, or start Headgate with -allow-empty-ingress-host"
    if role is not Role.REGULAR and count != 1:
        yield "spec.rules", str(count), f"is not the number of rules that a {role.value} must have, which is 1"
    if role is Role.MASTER and paths:
        yield "spec.rules[0].http.paths", str(paths), "paths in a master; paths belong to its minions"
    if role is Role.MINION and count == 1 and not paths:
        yield "spec.rules[0].http.paths", "", "is empty; a minion must have at least one path"
    if role is Role.MINION and spec.tls:
        yield "spec.tls", "", "cannot be used in a minion; TLS belongs to its master"


def _rules(spec: IngressSpec, paths: Paths, overrides: Overrides, role: Role) -> Iterator[Fault]:
    seen: set[str] = set()
    regex = overrides.values.routing.path_regex in {"case_sensitive", "case_insensitive"}
    for i, rule in enumerate(spec.rules or ()):
        yield from rule_faults(f"spec.rules[{i}].host", rule, seen)
    for field, path in paths:
        yield from _path(field, path, regex=regex and role is not Role.MASTER)
    if spec.default_backend:
        yield from backend_faults("spec.defaultBackend", spec.default_backend)
    for field, path in paths:
        yield from backend_faults(f"{field}.backend", path.backend)


def _path(field: str, path: HTTPIngressPath, *, regex: bool) -> Iterator[Fault]:
    kind = path.path_type or ""
    if kind not in PATH_TYPES:
        yield f"{field}.pathType", kind, f"is not one of {', '.join(PATH_TYPES)}"
    elif not path.path:
        if kind != "ImplementationSpecific":
            yield f"{field}.path", "", f"is empty, which pathType {kind} does not allow"
    elif fault := path_fault(path.path, regex=regex):
        yield f"{field}.path", shortened(path.path), fault


def _idle(spec: IngressSpec, role: Role) -> Iterator[Fault]:
    """Find what is well formed and does nothing."""
    served = frozenset(hosts(spec))
    for i, tls in enumerate(spec.tls or ()):
        if not tls.hosts:
            yield f"spec.tls[{i}].hosts", "", "is empty, and a certificate is only used for the hosts it is given"
        for j, host in enumerate(tls.hosts or ()):
            if host not in served:
                yield f"spec.tls[{i}].hosts[{j}]", host, "is not a host of any rule of this Ingress"
    if role is Role.MINION and spec.default_backend:
        yield "spec.defaultBackend", "", "cannot be used in a minion; the default backend belongs to its master"


def _dead(paths: Paths, overrides: Overrides) -> Iterator[Fault]:
    """Find paths that no request can have."""
    for field, path in paths:
        kind, text = _kind(path, overrides), path.path or ""
        if kind and text and (reason := unreachable(text, kind)) and not path_fault(text, regex=False):
            yield f"{field}.path", text, reason
        if not kind and (escape := ESCAPE.search(text)):
            yield (
                f"{field}.path",
                escape[0],
                "cannot match: nginx compares the decoded path; write the decoded character",
            )


def _reserved(paths: Paths, overrides: Overrides) -> Iterator[Fault]:
    """Find paths that would be those of locations in which a Policy decides: nginx refuses two alike."""
    for field, path in paths:
        kind, text = _kind(path, overrides), path.path or ""
        if kind and (fault := decision_fault(decoded(text, kind))):
            yield f"{field}.path", text, fault


def _kind(path: HTTPIngressPath, overrides: Overrides) -> str:
    """Return the pathType as far as it counts, ``""`` for a regular expression."""
    regex = overrides.values.routing.path_regex
    return path.path_type or "" if regex is None else "Exact" if regex == "exact" else ""


def _decoded(ingress: Ingress, overrides: Overrides) -> Ingress:
    """Return *ingress* with its paths as nginx compares them."""
    if ingress.spec is None:
        return ingress
    rules = tuple(_decoded_rule(rule, overrides) for rule in ingress.spec.rules or ())
    return msgspec.structs.replace(ingress, spec=msgspec.structs.replace(ingress.spec, rules=rules))


def _decoded_rule(rule: IngressRule, overrides: Overrides) -> IngressRule:
    if rule.http is None:
        return rule
    paths = tuple(
        msgspec.structs.replace(path, path=decoded(path.path, kind))
        if path.path and (kind := _kind(path, overrides))
        else path
        for path in rule.http.paths or ()
    )
    return msgspec.structs.replace(rule, http=msgspec.structs.replace(rule.http, paths=paths))


def _ports(overrides: Overrides, rules: Rules) -> Iterator[Fault]:
    """Check that no port of the Ingress is one of ours: nginx could not open it, or would change what it speaks."""
    if not overrides:
        return
    usual = {"listen_ports": "-default-http-listener-port", "listen_ports_ssl": "-default-https-listener-port"}
    for name, flag in usual.items():
        for port in getattr(overrides.values.routing, name):
            if rules.ports.get(port, flag) != flag:
                yield overrides.key(name), str(port), f"is the port of {rules.ports[port]}; take another"


def _together(spec: IngressSpec, overrides: Overrides) -> Iterator[Fault]:
    """Check annotations against the rest of the Ingress."""
    if not overrides:
        return
    used = {backend.service.name for _, backend in backends(spec) if backend.service}
    services, routing = overrides.values.services, overrides.values.routing
    named = {
        "ssl_services": services.ssl_services,
        "grpc_services": services.grpc_services,
        "websocket_services": services.websocket_services,
        "rewrites": (rewrite.service for rewrite in routing.rewrites),
        "sticky_cookie_services": (sticky.service for sticky in services.sticky_cookie_services),
    }
    for field, names in named.items():
        for name in names:
            if name not in used:
                yield overrides.key(field), name, "is not a Service that this Ingress uses"
    upstream = overrides.values.upstream
    if upstream.health_checks_mandatory and not upstream.health_checks:
        yield overrides.key("health_checks_mandatory"), "true", f'needs {overrides.key("health_checks")}: "true"'
    if upstream.health_checks_mandatory_queue and not upstream.health_checks_mandatory:
        needed = f'needs {overrides.key("health_checks_mandatory")}: "true"'
        yield overrides.key("health_checks_mandatory_queue"), str(upstream.health_checks_mandatory_queue), needed
    for field in ("listen_ports", "listen_ports_ssl"):
        if field in overrides and "" in hosts(spec):
            yield overrides.key(field), "", "cannot be used in an Ingress without a host"
