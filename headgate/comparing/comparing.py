"""Compares what became of two sets of objects; knows neither files nor clusters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from headgate.comparing.files import files, secrets
from headgate.comparing.hosts import hosts, served
from headgate.comparing.report import Comparison, ObjectChange, Operation, ProblemChange
from headgate.comparing.routes import routes
from headgate.comparing.settings import settings
from headgate.comparing.streams import served_streams, streams
from headgate.pipeline import Generation
from headgate.problems import ObjectRef, Problem


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two that are compared.

    Attributes:
        generation: what became of the objects.
        problems: everything that is wrong with them.
        objects: the objects that there are, of the kinds that are read.
        config_map: the ConfigMap of ``-nginx-configmaps``.
    """

    generation: Generation
    problems: tuple[Problem, ...] = ()
    objects: frozenset[ObjectRef] = frozenset()
    config_map: ObjectRef | None = None


def compare(old: Side, new: Side, *, patch: bool = True, notes: Iterable[str] = ()) -> Comparison:
    """Return what differs between *old* and *new*; *patch* says whether files come with a unified diff."""
    before, after = served(old.generation), served(new.generation)
    named = new.config_map or old.config_map
    return Comparison(
        hosts=tuple(hosts(before, after)),
        routes=tuple(routes(before, after)),
        streams=tuple(streams(served_streams(old.generation), served_streams(new.generation))),
        settings=tuple(settings((old.generation.env, before), (new.generation.env, after), str(named or ""))),
        secrets=tuple(secrets(old.generation, new.generation)),
        problems=tuple(_problems(old.problems, new.problems)),
        objects=tuple(_objects(old, new)),
        files=tuple(files(old.generation.files, new.generation.files, patch=patch)),
        notes=tuple(notes),
    )


def _problems(old: Iterable[Problem], new: Iterable[Problem]) -> Iterator[ProblemChange]:
    """Yield the Problems of one side only, by object."""
    before, after = dict.fromkeys(old), dict.fromkeys(new)
    gone = [(problem, Operation.REMOVED) for problem in before if problem not in after]
    found = [(problem, Operation.ADDED) for problem in after if problem not in before]
    for problem, operation in sorted((*gone, *found), key=lambda pair: pair[0].origin):
        yield ProblemChange(
            operation, str(problem.origin), problem.field, problem.value, problem.reason, problem.effect,
            problem.severity.value, str(problem),
        )  # fmt: skip


def _objects(old: Side, new: Side) -> Iterator[ObjectChange]:
    before, after = _states(old), _states(new)
    for ref in sorted(before.keys() | after.keys()):
        states = before.get(ref) or _present(old, ref), after.get(ref) or _present(new, ref)
        if states[0] != states[1]:
            yield ObjectChange(str(ref), *states, new.generation.update.ignored.get(ref, ""))


def _states(side: Side) -> Mapping[ObjectRef, str]:
    """Return the objects that are not served."""
    refused = {problem.origin: "refused" for problem in side.problems if problem.refuses}
    return {**dict.fromkeys(side.generation.update.ignored, "ignored"), **refused}


def _present(side: Side, ref: ObjectRef) -> str:
    return "served" if ref in side.objects else "absent"
