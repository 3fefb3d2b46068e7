"""The reference page of Problems, collected from the expected output of the test cases."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from headgate.settings.docs import cell, code, table

CASES = Path(__file__).resolve().parent.parent / "tests" / "cases"
_LINE = re.compile(r"(?P<severity>warning|error): (?:\S+: )?(?P<kind>[A-Z]\w*) \S+: (?P<text>.*)")
_IN_FILE = re.compile(r"(?P<severity>warning|error): \S+: (?P<kind>line) \d+(?:, column \d+)?: ?(?P<text>.*)")
_FIELD = re.compile(r"(?P<field>[\w./\[\]-]+): (?P<rest>.*)")
_EFFECT = re.compile(r"(?P<reason>.*) \((?P<effect>[^()]*(?:\([^()]*\)[^()]*)*)\)")

_OPENING = """# Problems

A Problem is something in an object that cannot be used. Its form is

    FIELD: 'VALUE' REASON (EFFECT)

where FIELD is an annotation, a ConfigMap key or a path into the object, VALUE what was found there, REASON why it
cannot be used and what to write instead, and EFFECT what Headgate does now. After an *error* the object is refused;
after a *warning* it is served without the part that cannot be used. Users find Problems in the events of their objects
([events.md](events.md)), operators in the log, and both before a deployment in the output of `headgate check`.

The texts below are from the test cases in `tests/cases`, each of which has the manifest that causes it.
"""

_FILE = "File"
_ABOUT = {
    _FILE: """\
Problems of the files in a folder (`headgate check`, `headgate render`, `headgate run -manifests`). Kinds that do not
concern an ingress controller, such as Deployments, are not reported. A kustomization, and a Helm chart with its
templates, are reported with the command that makes manifests from them: `kustomize build DIR | headgate check -` or
`helm template DIR | headgate check -`.
""",
}


class Row(NamedTuple):
    """A Problem of a case."""

    kind: str
    field: str
    severity: str
    reason: str
    effect: str
    case: str


def problems_markdown() -> str:
    """Return the page: every Problem once, by kind of object and field."""
    found: dict[tuple[str, ...], Row] = {}
    for row in _all():
        found.setdefault((row.kind, row.field, _shape(row.reason)), row)
    parts = [_OPENING]
    for kind in sorted({row.kind for row in found.values()}):
        rows = sorted(row for row in found.values() if row.kind == kind)
        cells = ((code(s.field), cell(s.reason), cell(s.effect), s.severity, code(s.case)) for s in rows)
        parts += [
            f"## {kind}",
            "",
            *([_ABOUT[kind]] if kind in _ABOUT else ()),
            *table(("Field", "Problem", "What happens now", "Severity", "Case"), cells),
            "",
        ]
    return "\n".join(parts)


def _all() -> Iterator[Row]:
    for path in sorted(CASES.glob("*/*/problems.txt")):
        case = path.parent.relative_to(CASES).as_posix()
        for line in path.read_text().splitlines():
            if match := _LINE.fullmatch(line):
                yield _parsed(match, case)
            elif match := _IN_FILE.fullmatch(line):
                yield _parsed(match, case)._replace(kind=_FILE, field="line")


def _parsed(match: re.Match[str], case: str) -> Row:
    field = _FIELD.fullmatch(match["text"])
    effect = _EFFECT.fullmatch(field["rest"] if field else match["text"])
    rest = field["rest"] if field else match["text"]
    reason, after = (effect["reason"], effect["effect"]) if effect else (rest, "")
    return Row(
        match["kind"],
        re.sub(r"\[\d+\]", "[0]", field["field"]) if field else "",
        match["severity"],
        reason,
        after,
        case,
    )


def _shape(reason: str) -> str:
    """Return *reason* without values and names, so that one Problem is shown once."""
    return re.sub(r"'(?:[^'\\]|\\.)*'|\d+|\bIngress [\w.-]+/[\w.-]+", "", reason)
