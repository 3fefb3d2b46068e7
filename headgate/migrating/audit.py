"""Which annotations of ingress-nginx objects use, and what becomes of each. Pure."""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import msgspec

from headgate.api import ConfigMap, Ingress, Secret, Service, TopLevel
from headgate.problems import ObjectRef, Problem
from headgate.settings import COMMUNITY
from headgate.settings.community import FIELDS
from headgate.settings.community.absent import ABSENT, CLOSING
from headgate.settings.community.absent_keys import ABSENT_KEYS, CLOSING_KEYS
from headgate.settings.community.keys import AS_ANNOTATIONS, GLOBAL_AUTH, KEYS, UNTOLD
from headgate.settings.community.reading import CLOSED, DEFAULT, OFF
from headgate.settings.community.shared import SHARED


class Outcome(enum.Enum):
    """What becomes of an annotation."""

    SAME = "same"
    DIFFERS = "differs"
    IGNORED = "ignored"
    """It has no effect."""
    REFUSED = "refused"
    """Requests to Ingresses with it are answered 500."""

    @property
    def rank(self) -> int:
        """Where it stands in a list, the worst first."""
        return (Outcome.REFUSED, Outcome.IGNORED, Outcome.DIFFERS, Outcome.SAME).index(self)


class Use(msgspec.Struct, frozen=True):
    """One annotation, or key of the ConfigMap: what becomes of it and why; ``objects`` are those that have it."""

    name: str
    outcome: Outcome
    reason: str
    objects: tuple[str, ...]


class Finding(msgspec.Struct, frozen=True):
    """What is wrong with one object, as ``headgate check`` prints it."""

    object: str
    text: str
    refused: bool


class Audit(msgspec.Struct, frozen=True):
    """What becomes of Ingresses.

    Attributes:
        ingresses: how many are looked at: those of the classes that are served.
        refused: those among them that would not be served, or whose requests would be answered 500.
        other: how many Ingresses are of other classes.
        annotations: those that are used, the worst first.
        keys: those of the ConfigMap, likewise; empty without one.
        findings: what is wrong besides, by object.
    """

    ingresses: int
    refused: tuple[str, ...]
    other: int
    annotations: tuple[Use, ...]
    keys: tuple[Use, ...]
    findings: tuple[Finding, ...]

    def failed(self, *, strict: bool) -> bool:
        """Whether something would be lost; with *strict* also whether something would be different."""
        fatal = {Outcome.REFUSED, Outcome.IGNORED, *([Outcome.DIFFERS] if strict else [])}
        return bool(self.refused) or any(use.outcome in fatal for use in (*self.annotations, *self.keys))


VALUE = "its value cannot be used, see below"

_NAMED: Mapping[type[TopLevel], tuple[str, ...]] = {
    Service: (".service",),
    Secret: (".secretName", "/auth-secret"),
}
"""The ends of fields that name an object of a kind: those of a kind are not missed if there is none of it at all."""


def audit(
    objects: Iterable[TopLevel],
    ignored: Collection[ObjectRef],
    problems: Sequence[Problem],
    config_map: ConfigMap | None = None,
) -> Audit:
    """Look at the Ingresses among *objects*.

    Args:
        objects: all of them.
        ignored: those of other classes.
        problems: everything that is wrong with the objects.
        config_map: that of ingress-nginx (``--configmap``).
    """
    objects = tuple(objects)
    every = [item for item in objects if isinstance(item, Ingress)]
    unknown = tuple(ends for kind, ends in _NAMED.items() if not any(isinstance(item, kind) for item in objects))
    served = [item for item in every if item.ref not in ignored]
    refs = {item.ref for item in served}
    own = [problem for problem in problems if problem.origin in refs]
    found = dict.fromkeys(
        _finding(problem)
        for problem in own
        if not _is_counted(problem) and not problem.field.endswith(sum(unknown, ()))
    )
    refused = {problem.origin.key for problem in own if problem.refuses or problem.effect == CLOSED}
    return Audit(
        ingresses=len(served),
        refused=tuple(sorted(refused)),
        other=len(every) - len(served),
        annotations=_worst_first(_uses(served, own)),
        keys=_worst_first(_keys(config_map)) if config_map else (),
        findings=tuple(sorted(found, key=lambda each: (not each.refused, each.object, each.text))),
    )


def _worst_first(uses: Iterable[Use]) -> tuple[Use, ...]:
    return tuple(sorted(uses, key=lambda use: (use.outcome.rank, -len(use.objects), use.name)))


def _keys(item: ConfigMap) -> Iterator[Use]:
    for key, text in (item.data or {}).items():
        yield Use(key, *outcome_of_key(key, text.strip()), (item.ref.key,))


def outcome_of_key(key: str, text: str) -> tuple[Outcome, str]:
    """Return what becomes of *key*: *text* of the ConfigMap, and why if it is not the same."""
    if reason := CLOSING_KEYS.get(key):
        return (Outcome.SAME, "") if text.lower() in {"", *OFF} else (Outcome.REFUSED, reason)
    if (absent := ABSENT_KEYS.get(key)) and text != absent.default:
        return Outcome.IGNORED, absent.reason
    known = absent or key in KEYS or key in AS_ANNOTATIONS or key in GLOBAL_AUTH or key in UNTOLD
    return (Outcome.SAME, "") if known else (Outcome.IGNORED, "not a key of ingress-nginx")


def _uses(items: Iterable[Ingress], problems: Iterable[Problem]) -> Iterator[Use]:
    """Yield what becomes of each annotation; apart for Ingresses whose value of it is not used."""
    lost = {(each.origin, each.field): _lost(each) for each in problems if _lost(each)}
    users: defaultdict[tuple[str, Outcome | None], list[str]] = defaultdict(list)
    for item in items:
        for key in item.annotations:
            if key.startswith(COMMUNITY.prefix):
                users[key, lost.get((item.ref, key))].append(item.ref.key)
    for (key, worse), keys in users.items():
        outcome, reason = outcome_of(key.removeprefix(COMMUNITY.prefix))
        if worse and outcome in {Outcome.SAME, Outcome.DIFFERS}:
            outcome, reason = worse, VALUE
        yield Use(key, outcome, reason, tuple(sorted(keys)))


def _lost(problem: Problem) -> Outcome | None:
    if problem.refuses or problem.effect == CLOSED:
        return Outcome.REFUSED
    return Outcome.IGNORED if problem.effect == DEFAULT else None


def outcome_of(name: str) -> tuple[Outcome, str]:
    """Return what becomes of the annotation *name*, without its prefix, and why if it is not the same."""
    if absence := ABSENT.get(name):
        return (Outcome.REFUSED if name in CLOSING else Outcome.IGNORED), absence.reason
    if field := FIELDS.get(name):
        return (Outcome.DIFFERS, field.spec.differs) if field.spec.differs else (Outcome.SAME, "")
    if name in SHARED:
        return Outcome.SAME, ""
    return Outcome.IGNORED, "not an annotation of ingress-nginx"


def _is_counted(problem: Problem) -> bool:
    """Whether *problem* says no more than that an annotation is absent, which is in the table."""
    name = problem.field.removeprefix(COMMUNITY.prefix)
    return problem.field.startswith(COMMUNITY.prefix) and outcome_of(name)[0] in {Outcome.IGNORED, Outcome.REFUSED}


def _finding(problem: Problem) -> Finding:
    return Finding(problem.origin.key, str(problem), problem.refuses or problem.effect == CLOSED)
