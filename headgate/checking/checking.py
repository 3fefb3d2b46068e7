"""Checks manifests as they are before a deployment."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from msgspec import structs

from headgate.api import ConfigMap, TopLevel
from headgate.api.nginx_org import Policy
from headgate.checking.assumed import with_config_map, without_omissions
from headgate.checking.migration import differences
from headgate.checking.report import NOTE, Report, Summary
from headgate.k8s import FILE, Manifests
from headgate.k8s.positions import UNKNOWN, Position
from headgate.offline import Row, examine, printable
from headgate.options import Options
from headgate.problems import ObjectRef, Problem

EMPTY = "has no Kubernetes objects, so nothing in it is checked; is the path right?"
"""About an argument of the command: in a pipeline it may be a wrong path."""
UNSEEN = (
    "is not checked: nginx reads the file from secrets/ in the directory of its configuration; while it cannot, the"
    " hosts that need it answer 500"
)
CRL_FIELD = "spec.ingressMTLS.crlFileName"
_LINE = re.compile(r"line (\d+)(?:, column (\d+))?")
_INDEX = re.compile(r"\[\d+\]")


def check(options: Options, manifests: Manifests, origin: str = "") -> Report:
    """Read *manifests* and take them through the pipeline once, without a running nginx or network.

    Args:
        options: the flags.
        manifests: the files.
        origin: the controller for which they were written (``ORIGINS``), if its differences are to be reported.

    Raises:
        ConfigError: an argument cannot be read.
        NginxError: ``--nginx`` names a binary that cannot be asked what it can.
    """
    objects = manifests.load()
    options, config_maps = with_config_map(options, objects)
    generation, found = examine(options, objects, broken=manifests.refused.values())
    wrong, omissions = without_omissions(found, objects)
    findings = {problem: _rule(manifests, problem) for problem in (*manifests.problems(), *wrong)}
    findings |= {problem: f"{problem.origin.kind}/unknown-field" for problem in manifests.unknown_fields()}
    moved = differences(origin, objects, _named(options), generation.update.ignored.keys())
    reported = {(problem.origin, problem.field) for problem in findings}
    fresh = (problem for problem in moved if (problem.origin, problem.field) not in reported)
    findings |= {problem: f"{problem.origin.kind}/from-{origin}" for problem in fresh}
    rows = [_row(manifests, problem, rule) for problem, rule in findings.items()]
    rows += [Row("", "", "", "", f"{place} {EMPTY}", "", "warning", rule=f"{FILE}/empty") for place in manifests.empty]
    notes = [_note(manifests, ref, reason, "by-name") for ref, reason in config_maps.items()]
    ignored = generation.update.ignored
    notes += [_note(manifests, ref, f"is ignored: {reason}", "ignored") for ref, reason in sorted(ignored.items())]
    assumed = generation.update.assumed
    notes += [_note(manifests, ref, reason, "without-class") for ref, reason in sorted(assumed.items())]
    notes += _unseen_lists(manifests, objects, ignored)
    notes += [Row("", "", "", "", str(each), "", NOTE, rule=f"Service/{each.rule}") for each in omissions]
    known = {item.ref for item in objects} | manifests.refused.keys()
    rows.sort(key=lambda row: (row.file, row.line, row.column))
    return Report((*rows, *notes), _summary(manifests, known, findings, ignored))


def _named(options: Options) -> ObjectRef | None:
    """Return the ConfigMap that decides about all of nginx."""
    named = options.main_config_map
    return ConfigMap.KIND.ref(named.namespace, named.name) if named else None


def _summary(
    manifests: Manifests, known: set[ObjectRef], problems: Collection[Problem], ignored: Mapping[ObjectRef, str]
) -> Summary:
    refused = {problem.origin for problem in problems if problem.refuses} & known
    warned = {problem.origin for problem in problems} & known - refused
    others = ignored.keys() & known - refused - warned
    return Summary(
        fine=len(known - refused - warned - others),
        warned=len(warned),
        refused=len(refused),
        ignored=len(others),
        unread_kinds=len(manifests.unknown),
        unreadable=len(manifests.unreadable),
        skipped=sum(name not in manifests.unreadable for name in _files(problems)),
        elsewhere=sum(problem.origin.kind != FILE and problem.origin not in known for problem in problems),
    )


def _files(problems: Collection[Problem]) -> Iterator[str]:
    """Yield the file of each Problem about a file."""
    yield from (problem.origin.name for problem in problems if problem.origin.kind == FILE)


def _unseen_lists(manifests: Manifests, objects: Iterable[TopLevel], ignored: Collection[ObjectRef]) -> Iterator[Row]:
    """Yield a note for each Policy with a revocation list that is a file of the machine which runs nginx."""
    for item in objects:
        mtls = item.spec.ingress_mtls if isinstance(item, Policy) and item.spec else None
        if mtls and mtls.crl_file_name and item.ref not in ignored:
            note = _note(manifests, item.ref, UNSEEN, "file-not-checked")
            line, column = manifests.position(item.ref, CRL_FIELD)
            yield structs.replace(note, field=CRL_FIELD, value=mtls.crl_file_name, line=line, column=column)


def _note(manifests: Manifests, ref: ObjectRef, reason: str, rule: str) -> Row:
    line, column = manifests.position(ref, "")
    return Row(printable(manifests.where(ref)), str(ref), "", "", reason, "", NOTE, line, column, f"{ref.kind}/{rule}")


def _row(manifests: Manifests, problem: Problem, rule: str) -> Row:
    about_file = problem.origin.kind == FILE
    (line, column), field = _of_file(problem.field) if about_file else (_position(manifests, problem), problem.field)
    return Row(
        file=printable(manifests.where(problem.origin)),
        object="" if about_file else str(problem.origin),
        field=field,
        value=problem.value,
        reason=problem.reason,
        effect=problem.effect,
        severity=problem.severity.value,
        line=line,
        column=column,
        rule=rule,
    )


def _position(manifests: Manifests, problem: Problem) -> Position:
    return manifests.position(problem.origin, problem.field)


def _of_file(field: str) -> tuple[Position, str]:
    """Return the position that a Problem of a file names in words, and what is left of the field."""
    found = _LINE.fullmatch(field)
    return ((int(found[1]), int(found[2] or 0)), "") if found else (UNKNOWN, field)


def _rule(manifests: Manifests, problem: Problem) -> str:
    """Return what kind of Problem it is: the kind of the object, and the field without indexes."""
    if problem.origin.kind == FILE:
        return f"{FILE}/{'not-readable' if problem.origin.name in manifests.unreadable else 'skipped'}"
    return f"{problem.origin.kind}/{_INDEX.sub('[]', problem.field) or 'object'}"
