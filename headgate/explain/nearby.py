"""What has to do with a question and is not its answer: faults of the same host, and names that are alike."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator

from headgate.api import Ingress
from headgate.explain.answer import Nearby
from headgate.explain.picture import Picture
from headgate.problems import ObjectRef, Problem

NEAR = 0.6
"""How alike two names must be (``difflib`` ratio)."""
MOST = 3


def nearby(picture: Picture, name: str, involved: Iterable[ObjectRef]) -> tuple[Nearby, ...]:
    """Return what is wrong with the Ingresses that ask for the host *name*, those *involved*, and the ConfigMap."""
    refs = {ingress.ref for ingress in picture.ingresses if _asks_for(ingress, name)} | set(involved)
    if picture.config_map:
        refs.add(picture.config_map.ref)
    return tuple(_nearby(picture, refs))


def nearest(wanted: str, known: Iterable[str]) -> list[str]:
    """Return what is most like *wanted*, the best first."""
    return difflib.get_close_matches(wanted, sorted(set(known) - {wanted}), n=MOST, cutoff=NEAR)


def covers(host: str, name: str) -> bool:
    """Whether *host* of a rule covers *name*; a wildcard covers one label (Kubernetes Ingress API)."""
    if not host.startswith("*."):
        return host == name
    return re.fullmatch(rf"[^.]+{re.escape(host[1:])}", name) is not None


def _asks_for(ingress: Ingress, name: str) -> bool:
    rules = (ingress.spec and ingress.spec.rules) or ()
    return any(covers(rule.host or "", name) for rule in rules)


def _nearby(picture: Picture, refs: Iterable[ObjectRef]) -> Iterator[Nearby]:
    for ref in sorted(refs):
        if reason := picture.ignored.get(ref):
            yield Nearby(str(ref), "ignored", f"is none of ours: {reason}")
        for problem in picture.problems.get(ref, ()):
            yield _row(problem)


def _row(problem: Problem) -> Nearby:
    return Nearby(str(problem.origin), problem.severity.value, str(problem))
