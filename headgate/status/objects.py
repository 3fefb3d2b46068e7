"""The objects about which there is something to report, in the order of a Status."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Final

from headgate.problems import ObjectRef, Problem
from headgate.status.report import ObjectStatus, Serving

REFUSED: Final = "refused"
WARNING: Final = "warning"
IGNORED: Final = "ignored"
_ORDER: Final = (REFUSED, WARNING, IGNORED)


def faulty(problems: Iterable[Problem], served: Container[ObjectRef] = frozenset()) -> Iterator[ObjectStatus]:
    """Yield one status for each object that has Problems, by name; those in *served* have an earlier version."""
    for ref, found in sorted(by_object(problems).items()):
        message = "; ".join(dict.fromkeys(map(str, found)))
        if any(problem.refuses for problem in found):
            yield ObjectStatus(str(ref), REFUSED, message, Serving.PREVIOUS if ref in served else Serving.NONE)
        else:
            yield ObjectStatus(str(ref), WARNING, message, Serving.CURRENT)


def by_object(problems: Iterable[Problem]) -> dict[ObjectRef, list[Problem]]:
    """Group *problems* by their objects."""
    found: defaultdict[ObjectRef, list[Problem]] = defaultdict(list)
    for problem in problems:
        found[problem.origin].append(problem)
    return dict(found)


def ignored(reasons: Mapping[ObjectRef, str]) -> Iterator[ObjectStatus]:
    """Yield the objects that belong to other controllers, by name, each with the reason."""
    for ref, reason in sorted(reasons.items()):
        yield ObjectStatus(str(ref), IGNORED, reason, Serving.NONE)


def in_order(objects: Iterable[ObjectStatus]) -> tuple[ObjectStatus, ...]:
    """Return *objects* as a Status has them: refused ones, those with a warning, ignored ones."""
    return tuple(sorted(objects, key=lambda each: _ORDER.index(each.state)))
