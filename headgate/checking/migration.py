"""What works differently for objects that were written for another ingress controller (``headgate check --from``)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from headgate.api import ConfigMap, Ingress, TopLevel, VirtualServer
from headgate.api.networking import HTTPIngressPath, IngressSpec
from headgate.problems import ObjectRef, Problem
from headgate.settings import INCUMBENT, REGISTRY

LABELS: Final = "covers exactly one label here, as Kubernetes defines it; the F5 controller's covers any number"
MODULE: Final = (
    "needs ngx_otel_module, which the image of Headgate does not have; add it as docs/observability.md describes"
)
DIFFERS: Final = "works differently here"
OTEL: Final = "otel-"

Differences = Callable[[Iterable[TopLevel], ObjectRef | None], Iterator[Problem]]
"""Given the objects and which of them is the ConfigMap, yields a warning for each part that works differently."""


class Matching(msgspec.Struct, frozen=True):
    """A difference of what paths and hosts match: what it is about, and how Headgate differs."""

    name: str
    how: str


MATCHING: Final = (
    Matching(
        "pathType: Prefix",
        "Matches whole path elements, as Kubernetes defines it: `/api` matches `/api` and `/api/x`, no longer "
        "`/apiv2`. With `ImplementationSpecific` it is a prefix of nginx, as in the incumbent.",
    ),
    Matching(
        "path with a final /",
        "`/api` is not redirected to `/api/`: it matches Prefix `/api/`, and does not match Exact `/api/`.",
    ),
    Matching(
        "path with %",
        "The path is decoded before it is compared: `/my%20app` matches; in the incumbent no request matches it.",
    ),
    Matching("host: *.example.com", "Covers exactly one label, as Kubernetes defines it, no longer `a.b.example.com`."),
)
"""For the page about the differences; ``_path`` and ``_hosts`` find the objects that they concern."""


def from_nic(objects: Iterable[TopLevel], config_map: ObjectRef | None) -> Iterator[Problem]:
    """Yield what works differently than in the F5 NGINX Ingress Controller."""
    for item in objects:
        if isinstance(item, Ingress):
            yield from _ingress(item)
        elif isinstance(item, VirtualServer) and item.spec and item.spec.host.startswith("*."):
            yield Problem(item.ref, "spec.host", item.spec.host, LABELS)
        elif isinstance(item, ConfigMap) and item.ref == config_map:
            yield from _config_map(item)


ORIGINS: Mapping[str, Differences] = MappingProxyType({"nic": from_nic})
"""What ``--from`` takes."""


def differences(
    origin: str, objects: Iterable[TopLevel], config_map: ObjectRef | None, left_out: Collection[ObjectRef]
) -> Iterator[Problem]:
    """Yield the differences to the controller *origin*, but for objects that are *left_out*."""
    known = ORIGINS.get(origin)
    found = known(objects, config_map) if known else ()
    yield from (problem for problem in found if problem.origin not in left_out)


def _ingress(item: Ingress) -> Iterator[Problem]:
    for key, value in sorted(item.annotations.items()):
        setting = REGISTRY.annotations.get(key)
        if setting and setting.spec.differs and not setting.spec.narrow:
            yield Problem(item.ref, key, value, f"{DIFFERS}: {setting.spec.differs}")
    spec = item.spec or IngressSpec()
    is_regex = f"{INCUMBENT.prefix}path-regex" in item.annotations
    for i, rule in enumerate(spec.rules or ()):
        if (rule.host or "").startswith("*."):
            yield Problem(item.ref, f"spec.rules[{i}].host", rule.host or "", LABELS)
        for j, path in enumerate((rule.http and rule.http.paths) or ()) if not is_regex else ():
            yield from _path(item.ref, f"spec.rules[{i}].http.paths[{j}].path", path)


def _path(ref: ObjectRef, field: str, path: HTTPIngressPath) -> Iterator[Problem]:
    """Yield how a path matches other requests than in the F5 controller, which generates ``location PATH`` for it."""
    text = path.path or "/"
    bare = text.rstrip("/")
    if path.path_type == "Prefix" and bare and not text.endswith("/"):
        reason = f"matches whole path elements: {bare}/x, but not {bare}x, which the F5 controller's prefix matches too"
        yield Problem(ref, field, text, reason, f"pathType: ImplementationSpecific still matches {bare}x")
    elif path.path_type in {"Prefix", "Exact"} and bare and text.endswith("/"):
        now = "is matched too" if path.path_type == "Prefix" else "is not matched"
        reason = f"ends with a slash: {bare} {now}, while the F5 controller's nginx redirects it to {text}"
        yield Problem(ref, field, text, reason)
    if "%" in text:
        yield Problem(ref, field, text, "is decoded before it is compared; in the F5 controller no request matches it")


def _config_map(item: ConfigMap) -> Iterator[Problem]:
    for key, value in sorted((item.data or {}).items()):
        setting = REGISTRY.keys.get(key)
        if key.startswith(OTEL):
            yield Problem(item.ref, key, value, MODULE)
        elif setting and setting.spec.differs and not setting.spec.narrow:
            yield Problem(item.ref, key, value, f"{DIFFERS}: {setting.spec.differs}")
