"""The rules of a VirtualServer that concern several fields together; those of one field are with its declaration."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import msgspec

from headgate.api.nginx_org.actions import Action, ErrorPage, Match, PolicyReference, Split
from headgate.api.nginx_org.upstreams import Upstream
from headgate.api.nginx_org.virtualserver import TLS, Route, VirtualServer, VirtualServerSpec
from headgate.ir.snippets import leaves_its_block
from headgate.problems import Problem, Severity
from headgate.settings import Overrides
from headgate.validation.captures import idle_captures
from headgate.validation.custom_settings import (
    host_settings,
    idle,
    idle_for_grpc,
    route_settings,
    upstream_settings,
)
from headgate.validation.delegation import Delegations, reference_faults
from headgate.validation.dependents import dependents_problems
from headgate.validation.fields import Fault, field_faults, name_faults, not_an_upstream, path_fault, text_fault
from headgate.validation.framing import framing_problems
from headgate.validation.routepath import RoutePath
from headgate.validation.rules import Rules
from headgate.validation.text import decision_fault, label_fault, label_value_fault

NOT_PERMITTED = "is not permitted; start Headgate with -enable-snippets"
WHOLE = 100
"""What the weights of splits add up to."""
INTERNAL = "/internal_location_"
"""How the paths of the locations of splits and matches begin."""
_LOOSE_DOLLAR = re.compile(r"\$(?![1-9])")
CAPTURED_NOTHING = "endpoints get another path than the one that was meant"


class ValidVirtualServer(msgspec.Struct, frozen=True):
    """A VirtualServer that may be served.

    Attributes:
        item: the object.
        spec: its spec.
        overrides: the settings of the host.
        upstreams: the settings of each upstream, by name.
        routes: the settings of each route.
        http_snippet: configuration beside the server.
        delegations: which of its routes refer to VirtualServerRoutes.
    """

    item: VirtualServer
    spec: VirtualServerSpec
    overrides: Overrides = Overrides()
    upstreams: Mapping[str, Overrides] = {}
    routes: tuple[Overrides, ...] = ()
    http_snippet: str = ""
    delegations: Delegations = Delegations()


def validate_virtual_server(item: VirtualServer, rules: Rules) -> tuple[ValidVirtualServer | None, list[Problem]]:
    """Check *item* whole.

    Returns:
        the VirtualServer ready for arbitration, or ``None`` if a Problem refuses it, and every Problem found.
    """
    spec = item.spec or VirtualServerSpec()
    faults = [*name_faults(item), *field_faults(spec, "spec"), *_tls(spec.tls), *upstream_faults(spec.upstreams or ())]
    faults += routes_faults(spec.routes or (), spec.upstreams or (), "spec.routes", delegates=True)
    faults += policies_faults(spec.policies, spec.routes or (), "spec.routes", item.metadata.namespace)
    faults += reference_faults(spec.routes or (), item.metadata.namespace)
    allowed = "enable-snippets" in rules.gates
    faults += snippet_faults(_host_snippets(spec), spec.routes or (), "spec.routes") if allowed else ()
    upstreams, unfit = upstream_overrides(() if faults else spec.upstreams or ())
    faults += unfit
    problems = [
        Problem(item.ref, *fault, "the VirtualServer is refused", Severity.ERROR) for fault in dict.fromkeys(faults)
    ]
    if problems:
        return None, problems
    unused: list[Fault] = [*idle(spec), *(() if allowed else _snippets(spec))]
    unused += () if allowed else location_snippets(spec.routes or (), "spec.routes")
    unused += idle_for_grpc(spec.upstreams or (), spec.routes or (), "spec.routes")
    warnings = [Problem(item.ref, *fault, "it has no effect") for fault in unused]
    captures = idle_captures(spec.routes or (), "spec.routes")
    warnings += [Problem(item.ref, *fault, CAPTURED_NOTHING) for fault in captures]
    if not spec.routes:
        reason = "is empty, so that no request for the host has a backend; add a route"
        warnings.append(Problem(item.ref, "spec.routes", "", reason, "requests are answered 404"))
    warnings += dependents_problems(item.ref, spec, rules)
    warnings += framing_problems(item.ref, spec.routes or (), "spec.routes")
    return _valid(item, spec, upstreams, snippets=allowed), warnings


def _valid(
    item: VirtualServer, spec: VirtualServerSpec, upstreams: Mapping[str, Overrides], *, snippets: bool
) -> ValidVirtualServer:
    return ValidVirtualServer(
        item,
        spec,
        host_settings(spec, snippets=snippets),
        upstreams,
        tuple(
            route_settings(route, f"spec.routes[{i}]", snippets=snippets) for i, route in enumerate(spec.routes or ())
        ),
        (spec.http_snippets or "") if snippets else "",
        Delegations.of(spec.routes or (), item.metadata.namespace),
    )


def upstream_overrides(upstreams: Iterable[Upstream]) -> tuple[dict[str, Overrides], list[Fault]]:
    """Return the settings of each of *upstreams*, by name, and the fields that they refuse."""
    found: dict[str, Overrides] = {}
    faults: list[Fault] = []
    for index, upstream in enumerate(upstreams):
        found[upstream.name], unfit = upstream_settings(upstream, f"spec.upstreams[{index}]")
        faults += unfit
    return found, faults


def _snippets(spec: VirtualServerSpec) -> Iterator[Fault]:
    yield from ((path, "", NOT_PERMITTED) for path, text in _host_snippets(spec).items() if text)


def _host_snippets(spec: VirtualServerSpec) -> Mapping[str, str | None]:
    return {"spec.http-snippets": spec.http_snippets, "spec.server-snippets": spec.server_snippets}


def snippet_faults(found: Mapping[str, str | None], routes: Iterable[Route], field: str) -> Iterator[Fault]:
    """Yield which of the snippets *found*, by their fields, and of *routes*, at *field*, leave their place."""
    of_routes = {f"{field}[{i}].location-snippets": route.location_snippets for i, route in enumerate(routes)}
    for path, text in {**found, **of_routes}.items():
        if text and "\0" in text:
            yield path, "", "has a NUL byte"
        elif text and leaves_its_block(text):
            yield path, "", "closes a block that it did not open; remove the } without a {"


def location_snippets(routes: Iterable[Route], path: str) -> Iterator[Fault]:
    """Yield the snippets of *routes*, which are not permitted."""
    for index, route in enumerate(routes):
        if route.location_snippets:
            yield f"{path}[{index}].location-snippets", "", NOT_PERMITTED


def _tls(tls: TLS | None) -> Iterator[Fault]:
    if tls and tls.cert_manager and not tls.secret:
        yield "spec.tls.secret", "", "is missing; cert-manager needs the name of the Secret to make"


def policies_faults(
    of_host: Iterable[PolicyReference] | None, routes: Iterable[Route], field: str, namespace: str
) -> Iterator[Fault]:
    """Yield Policies that a host, or one of its *routes*, at *field*, names twice; *namespace* is the object's."""
    places = {"spec.policies": of_host, **{f"{field}[{i}].policies": route.policies for i, route in enumerate(routes)}}
    for path, references in places.items():
        seen: set[tuple[str, str]] = set()
        for index, reference in enumerate(references or ()):
            key = reference.namespace or namespace, reference.name
            if key in seen:
                yield f"{path}[{index}]", "/".join(key), "is there twice"
            seen.add(key)


# --- upstreams ----------------------------------------------------------------------------------------


def upstream_faults(upstreams: Sequence[Upstream]) -> Iterator[Fault]:
    """Yield what is wrong with upstreams beyond single fields."""
    names = Counter(upstream.name for upstream in upstreams)
    for index, upstream in enumerate(upstreams):
        path = f"spec.upstreams[{index}]"
        if upstream.name and names[upstream.name] > 1:
            yield f"{path}.name", upstream.name, "is the name of two upstreams; rename one of them"
        if upstream.subselector and upstream.use_cluster_ip:
            yield f"{path}.subselector", "", "cannot be used with use-cluster-ip; remove one of them"
        for key, value in (upstream.subselector or {}).items():
            if fault := label_fault(key):
                yield f"{path}.subselector", key, fault
            elif fault := label_value_fault(value):
                yield f"{path}.subselector.{key}", value, fault
        if bool(upstream.backup) != (upstream.backup_port is not None):
            yield f"{path}.backup", upstream.backup or "", "and backupPort need each other"
        method = (upstream.lb_method or "").split()
        if upstream.backup and method[:1] in (["hash"], ["ip_hash"], ["random"]):
            yield f"{path}.backup", upstream.backup, f"cannot be used with lb-method {' '.join(method)}"
        yield from _health_check(upstream, f"{path}.healthCheck")


def _health_check(upstream: Upstream, path: str) -> Iterator[Fault]:
    check = upstream.health_check
    if check is None:
        return
    grpc = upstream.type == "grpc"
    http_only = {"path": check.path, "statusMatch": check.status_match}
    grpc_only = {"grpcStatus": check.grpc_status, "grpcService": check.grpc_service}
    for name, value in (http_only if grpc else grpc_only).items():
        if value is not None:
            yield f"{path}.{name}", str(value), f"is for upstreams of type {'http' if grpc else 'grpc'} only"
    if check.persistent and not check.mandatory:
        yield f"{path}.persistent", "true", "needs mandatory: true"


# --- routes -------------------------------------------------------------------------------------------


def routes_faults(
    routes: Iterable[Route], upstreams: Iterable[Upstream], field: str, *, delegates: bool
) -> Iterator[Fault]:
    """Yield what is wrong with *routes*, at *field*; *delegates* says that they may name VirtualServerRoutes."""
    seen: dict[RoutePath, int] = {}
    names = frozenset(upstream.name for upstream in upstreams)
    for index, route in enumerate(routes):
        path = f"{field}[{index}]"
        yield from _route(route, path, names, delegates=delegates)
        found = RoutePath.of(route.path).location
        if found in seen:
            reason = f"is the path of {field}[{seen[found]}] too; use another path, or remove one of the two"
            yield f"{path}.path", route.path, reason
        seen.setdefault(found, index)


def _route(route: Route, path: str, upstreams: Collection[str], *, delegates: bool) -> Iterator[Fault]:
    """Yield what is wrong with a route beyond single fields."""
    parsed = RoutePath.of(route.path)
    if route.path and (fault := parsed.fault):
        yield f"{path}.path", route.path, fault
    elif not parsed.is_regex and parsed.path.startswith(INTERNAL):
        yield f"{path}.path", route.path, "is reserved for the locations of splits and matches; use another path"
    elif not parsed.is_regex and (fault := decision_fault(parsed.path)):
        yield f"{path}.path", route.path, fault
    yield from _choice(route, path, delegates=delegates)
    if route.action:
        yield from _action(route.action, f"{path}.action", upstreams, regex=parsed.is_regex)
    yield from _splits(route.splits, f"{path}.splits", upstreams)
    for index, match in enumerate(route.matches or ()):
        yield from _match(match, f"{path}.matches[{index}]", upstreams)
    for index, page in enumerate(route.error_pages or ()):
        yield from _error_page(page, f"{path}.errorPages[{index}]")


def _choice(route: Route, path: str, *, delegates: bool) -> Iterator[Fault]:
    given = {
        "action": route.action,
        "splits": route.splits,
        "route": route.route,
        "routeSelector": route.route_selector,
    }
    allowed = list(given) if delegates else ["action", "splits"]
    chosen = [name for name, value in given.items() if value]
    for name in chosen:
        if name not in allowed:
            yield f"{path}.{name}", "", "cannot be used in a VirtualServerRoute"
    yield from _exactly_one(path, allowed, chosen)


def _exactly_one(path: str, allowed: Iterable[str], chosen: Sequence[str]) -> Iterator[Fault]:
    if len(chosen) != 1:
        found = f"has {' and '.join(chosen)}" if chosen else "has none"
        yield path, "", f"must have exactly one of {', '.join(allowed)}, and {found}"


def _action(action: Action, path: str, upstreams: Collection[str], *, regex: bool) -> Iterator[Fault]:
    given = {"pass": action.pass_, "redirect": action.redirect, "return": action.return_, "proxy": action.proxy}
    yield from _exactly_one(path, given, [name for name, value in given.items() if value])
    if action.pass_ and action.pass_ not in upstreams:
        yield f"{path}.pass", action.pass_, not_an_upstream(upstreams, action.pass_)
    if action.proxy:
        if action.proxy.upstream and action.proxy.upstream not in upstreams:
            yield f"{path}.proxy.upstream", action.proxy.upstream, not_an_upstream(upstreams, action.proxy.upstream)
        yield from _rewrite(action.proxy.rewrite_path or "", f"{path}.proxy.rewritePath", regex=regex)


def _rewrite(text: str, path: str, *, regex: bool) -> Iterator[Fault]:
    if not text:
        return
    if _LOOSE_DOLLAR.search(text):
        yield path, text, "has a $ that no digit from 1 to 9 follows; only captures such as $1 may stand there"
    elif fault := text_fault(text) if regex else path_fault(text):
        yield path, text, fault


def _splits(splits: Sequence[Split] | None, path: str, upstreams: Collection[str]) -> Iterator[Fault]:
    if splits is None:
        return
    if len(splits) == 1:
        yield path, "", "has one entry; a split has at least two"
    total = sum(split.weight or 0 for split in splits)
    if splits and total != WHOLE:
        yield path, "", f"has weights that add up to {total}; they must add up to {WHOLE}"
    for index, split in enumerate(splits):
        if split.action:
            yield from _action(split.action, f"{path}[{index}].action", upstreams, regex=True)


def _match(match: Match, path: str, upstreams: Collection[str]) -> Iterator[Fault]:
    if match.conditions is not None and not match.conditions:
        yield f"{path}.conditions", "", "is empty; there must be at least one"
    for index, condition in enumerate(match.conditions or ()):
        sources = ("header", "cookie", "argument", "variable")
        given = [name for name in sources if getattr(condition, name)]
        yield from _exactly_one(f"{path}.conditions[{index}]", sources, given)
    given = [name for name, value in (("action", match.action), ("splits", match.splits)) if value]
    yield from _exactly_one(path, ("action", "splits"), given)
    if match.action:
        yield from _action(match.action, f"{path}.action", upstreams, regex=True)
    yield from _splits(match.splits, f"{path}.splits", upstreams)


def _error_page(page: ErrorPage, path: str) -> Iterator[Fault]:
    if page.codes is not None and not page.codes:
        yield f"{path}.codes", "", "is empty; there must be at least one"
    given = [name for name, value in (("return", page.return_), ("redirect", page.redirect)) if value is not None]
    yield from _exactly_one(path, ("return", "redirect"), given)
