"""Solvers of ACME challenges: the Ingresses that cert-manager makes while it proves who has a host (RFC 8555 §8.3).

Such an Ingress is there for one path, for minutes, and its host usually belongs to another object already.
"""

from __future__ import annotations

import re
from typing import Final

from headgate.api import Ingress, ObjectMeta
from headgate.api.networking import IngressSpec
from headgate.settings import Overrides, Role

SOLVER: Final = "acme.cert-manager.io/http01-solver"
"""The label that cert-manager gives to the Ingresses of its solvers."""
PREFIX: Final = "/.well-known/acme-challenge/"
ORDINARY: Final = "it claims its host as any other Ingress"
_TOKEN = re.compile(r"[A-Za-z0-9_-]+")


def is_solver(meta: ObjectMeta) -> bool:
    """Whether an object says that it solves a challenge."""
    return (meta.labels or {}).get(SOLVER) == "true"


def challenge(ingress: Ingress, role: Role, overrides: Overrides) -> tuple[str, str]:
    """Return the path of the challenge that *ingress* solves, or why it solves none; two empty texts for others.

    It may have nothing but that path on one host, for on the host of another object it gets that past every guard.
    """
    if not is_solver(ingress.metadata) or role is Role.MINION:
        return "", ""
    if role is Role.MASTER:
        return "", "is a master"
    if overrides.values.routing.path_regex:
        return "", f"has {overrides.key('path_regex')}"
    return _only_path(ingress.spec or IngressSpec())


def _only_path(spec: IngressSpec) -> tuple[str, str]:
    rules = spec.rules or ()
    if len(rules) != 1 or spec.default_backend:
        return "", "has a defaultBackend" if spec.default_backend else f"has {len(rules)} rules, and not 1"
    host, paths = rules[0].host or "", (rules[0].http and rules[0].http.paths) or ()
    if not host or host.startswith("*."):
        return "", "has no host, or a wildcard, for which there are no HTTP-01 challenges"
    if len(paths) != 1:
        return "", f"has {len(paths)} paths, and not 1"
    path, kind = paths[0].path or "", paths[0].path_type
    if kind not in {"Exact", "ImplementationSpecific"}:
        return "", f"has the pathType {kind}, and not Exact or ImplementationSpecific"
    if not (path.startswith(PREFIX) and _TOKEN.fullmatch(path[len(PREFIX) :])):
        return "", f"has a path other than {PREFIX}TOKEN"
    return path, ""
