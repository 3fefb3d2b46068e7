"""What works differently for objects that were written for another ingress controller (``headgate check --from``)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec

from headgate.api import ConfigMap, Ingress, TopLevel, VirtualServer
from headgate.api.networking import HTTPIngressPath, IngressSpec
from headgate.checking.matching import Finding, ServedPath, of_host, of_path
from headgate.problems import ObjectRef, Problem
from headgate.settings import INCUMBENT, REGISTRY, Role, Setting

MODULE: Final = (
    "needs ngx_otel_module, which the image of Headgate does not have; add it as docs/observability.md describes"
)
DIFFERS: Final = "works differently here"
OTEL: Final = "otel-"

Differences = Callable[[Sequence[TopLevel], ObjectRef | None], Iterator[Problem]]
"""Given the objects and which of them is the ConfigMap, yields a warning for each part that works differently."""


class _Hosts(msgspec.Struct, frozen=True):
    """What several Ingresses of a host decide together, as the parts of a mergeable set do.

    Attributes:
        types: host and path → the types of that path.
        secure: the hosts with TLS.
        hsts: whether a host has Strict-Transport-Security.
    """

    types: Mapping[tuple[str, str], Collection[str]]
    secure: Collection[str]
    hsts: bool

    @classmethod
    def of(cls, objects: Iterable[TopLevel]) -> _Hosts:
        types: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        secure: set[str] = set()
        hsts = False
        for item in objects:
            if isinstance(item, ConfigMap):
                hsts |= _is_true((item.data or {}).get("hsts", ""))
            elif isinstance(item, Ingress):
                hsts |= _is_true(item.annotations.get(f"{INCUMBENT.prefix}hsts", ""))
                spec = item.spec or IngressSpec()
                secure.update(host for tls in spec.tls or () for host in tls.hosts or ())
                for host, path in _paths(spec):
                    types[host, path.path or "/"].add(path.path_type or "")
        return cls(types, secure, hsts)


def _paths(spec: IngressSpec) -> Iterator[tuple[str, HTTPIngressPath]]:
    for rule in spec.rules or ():
        yield from ((rule.host or "", path) for path in (rule.http and rule.http.paths) or ())


def _is_true(text: str) -> bool:
    return text.strip().lower() == "true"


def from_nic(objects: Sequence[TopLevel], config_map: ObjectRef | None) -> Iterator[Problem]:
    """Yield what works differently than in the F5 NGINX Ingress Controller."""
    hosts = _Hosts.of(item for item in objects if not isinstance(item, ConfigMap) or item.ref == config_map)
    for item in objects:
        if isinstance(item, Ingress):
            yield from _ingress(item, hosts)
        elif isinstance(item, VirtualServer) and item.spec:
            yield from _found(item.ref, "spec.host", item.spec.host, of_host(item.spec.host))
        elif isinstance(item, ConfigMap) and item.ref == config_map:
            yield from _config_map(item, hosts)


ORIGINS: Mapping[str, Differences] = MappingProxyType({"nic": from_nic})
"""What ``--from`` takes."""


def differences(
    origin: str, objects: Sequence[TopLevel], config_map: ObjectRef | None, left_out: Collection[ObjectRef]
) -> Iterator[Problem]:
    """Yield the differences to the controller *origin*, but for objects that are *left_out*."""
    known = ORIGINS.get(origin)
    found = known(objects, config_map) if known else ()
    yield from (problem for problem in found if problem.origin not in left_out)


def _ingress(item: Ingress, hosts: _Hosts) -> Iterator[Problem]:
    for key, value in sorted(item.annotations.items()):
        setting = REGISTRY.annotations.get(key)
        if setting and _concerns(setting, value, item, hosts):
            yield Problem(item.ref, key, value, f"{DIFFERS}: {setting.spec.differs}")
    spec = item.spec or IngressSpec()
    is_regex = f"{INCUMBENT.prefix}path-regex" in item.annotations
    for i, rule in enumerate(spec.rules or ()):
        host = rule.host or ""
        yield from _found(item.ref, f"spec.rules[{i}].host", host, of_host(host))
        for j, path in enumerate((rule.http and rule.http.paths) or ()) if not is_regex else ():
            text = path.path or "/"
            one = ServedPath(text, path.path_type or "", hosts.types.get((host, text.rstrip("/")), ()))
            yield from _found(item.ref, f"spec.rules[{i}].http.paths[{j}].path", text, of_path(one))


def _found(ref: ObjectRef, field: str, value: str, finding: Finding | None) -> Iterator[Problem]:
    if finding:
        yield Problem(ref, field, value, finding.reason, finding.effect)


def _concerns(setting: Setting, value: str, item: Ingress | None, hosts: _Hosts) -> bool:
    """Whether the difference of *setting* concerns this *value*, of an Ingress or (``None``) of the ConfigMap."""
    annotations = item.annotations if item else {}
    match setting.spec.key:
        case "keepalive":
            return value.strip() == "0" or INCUMBENT.role_of(annotations) in {Role.MASTER, Role.MINION}
        case "proxy-set-headers":
            return f"{INCUMBENT.prefix}grpc-services" in annotations
        case "grpc-services":
            rules = (item and item.spec and item.spec.rules) or ()
            return any((rule.host or "") not in hosts.secure for rule in rules)
        case "add-header":
            return hosts.hsts
        case "location-snippets":
            return hosts.hsts and "add_header" in value
        case _:
            return bool(setting.spec.differs) and not setting.spec.narrow


def _config_map(item: ConfigMap, hosts: _Hosts) -> Iterator[Problem]:
    for key, value in sorted((item.data or {}).items()):
        setting = REGISTRY.keys.get(key)
        if key.startswith(OTEL):
            yield Problem(item.ref, key, value, MODULE)
        elif setting and _concerns(setting, value, None, hosts):
            yield Problem(item.ref, key, value, f"{DIFFERS}: {setting.spec.differs}")
