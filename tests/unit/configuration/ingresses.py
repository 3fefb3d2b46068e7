"""Ingresses for tests of arbitration, and a Configuration that takes them."""

from __future__ import annotations

from typing import Any

from headgate.api import Ingress
from headgate.configuration import Configuration, Update
from headgate.controller.kinds import CLAIMANTS
from headgate.problems import ObjectRef
from headgate.validation.rules import Rules


def ingress(name: str, host: str = "a.test", *paths: str, created: int = 1, **more: Any) -> Ingress:
    """Return an Ingress of ``default``; *created* is its age, the smaller the older, *more* are metadata."""
    backend = {"service": {"name": "tea", "port": {"number": 80}}}
    found = [{"path": path, "pathType": "Prefix", "backend": backend} for path in paths]
    metadata = {"namespace": "default", "name": name, "creationTimestamp": f"2024-01-{created:02}T00:00:00Z", **more}
    spec = {"ingressClassName": "nginx", "rules": [{"host": host, "http": {"paths": found}}]}
    return Ingress.convert({"metadata": metadata, "spec": spec})


def master(name: str, host: str = "a.test", **more: Any) -> Ingress:
    return ingress(name, host, annotations={"nginx.org/mergeable-ingress-type": "master"}, **more)


def minion(name: str, *paths: str, host: str = "a.test", **more: Any) -> Ingress:
    return ingress(name, host, *paths, annotations={"nginx.org/mergeable-ingress-type": "minion"}, **more)


def ref(name: str) -> ObjectRef:
    return Ingress.KIND.ref("default", name)


def configuration(*ingresses: Ingress) -> Configuration:
    """Return a Configuration that knows *ingresses*."""
    found = Configuration(CLAIMANTS, Rules())
    found.update(ingresses, [])
    return found


def changes(update: Update) -> list[tuple[str, str]]:
    """Return what is to be done, in order: operation and name."""
    return [(change.operation.name, change.resource.ref.name) for change in update.changes]


def problems(update: Update) -> dict[str, list[str]]:
    """Return what each object that was looked at is told."""
    return {found.name: [str(p) for p in standing.problems] for found, standing in update.standings.items()}
