"""Mergeable Ingresses: a master holds the host, its minions hold paths, the oldest each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from headgate.api import Ingress
from headgate.api.networking import HTTPIngressPath
from headgate.configuration.hosts import Arbiter, Claimant
from headgate.configuration.resource import MinionConfiguration
from headgate.problems import ObjectRef, Problem, Severity
from headgate.validation.ingress import ValidIngress

PathKey = tuple[str, str]
"""A path and its type: ``Exact /a`` and ``Prefix /a`` can stand side by side."""


def share_paths(minions: Iterable[ValidIngress]) -> Iterator[tuple[MinionConfiguration, list[Problem]]]:
    """Yield the minions in order of their keys, each with the paths that it holds and what it lost."""
    members = sorted(minions, key=lambda minion: minion.ingress.ref)
    arbiter: Arbiter[PathKey] = Arbiter()
    for minion in members:
        arbiter.claim(Claimant.of(minion.ingress.ref, minion.ingress.metadata), _keys(minion.ingress).values())
    for minion in members:
        ref = minion.ingress.ref
        keys = _keys(minion.ingress)
        held = frozenset(i for i, key in keys.items() if arbiter.holder(key) == ref)
        lost = [(i, key) for i, key in keys.items() if i not in held]
        yield MinionConfiguration(minion.ingress, minion.said, held), [_taken(ref, i, key[0]) for i, key in lost]


def orphan(ref: ObjectRef) -> Problem:
    """Say that a minion has no master."""
    return Problem(
        ref,
        "",
        "",
        "Ingress master is invalid or doesn't exist",
        "its paths are not served until there is a master for its host",
        Severity.ERROR,
        code="NoIngressMasterFound",
    )


def _taken(ref: ObjectRef, index: int, path: str) -> Problem:
    field = f"spec.rules[0].http.paths[{index}].path"
    return Problem(ref, field, "", f"path {path} is taken by another resource", "that one serves it")


def _keys(ingress: Ingress) -> dict[int, PathKey]:
    rules = (ingress.spec and ingress.spec.rules) or ()
    paths = (rules[0].http and rules[0].http.paths) or () if rules else ()
    return {i: (_bare(path), path.path_type or "") for i, path in enumerate(paths)}


def _bare(path: HTTPIngressPath) -> str:
    """Return the path as it is arbitrated: the Prefixes ``/tea`` and ``/tea/`` mean the same (Kubernetes API)."""
    text = path.path or "/"
    return text.rstrip("/") or "/" if path.path_type == "Prefix" else text
