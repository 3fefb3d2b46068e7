"""The reference page of Problems: what Headgate says, collected from the cases that prove that it says so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from headgate.settings.docs import cell, code, table

CASES = Path(__file__).resolve().parent.parent / "tests" / "cases"
_LINE = re.compile(r"(?P<severity>warning|error): (?:\S+: )?(?P<kind>[A-Z]\w*) \S+: (?P<text>.*)")
_FIELD = re.compile(r"(?P<field>[\w./\[\]-]+): (?P<rest>.*)")
_EFFECT = re.compile(r"(?P<reason>.*) \((?P<effect>[^()]*(?:\([^()]*\)[^()]*)*)\)")

_OPENING = """# Problems

A Problem is something in an object that cannot be used as it stands. It reads

    FIELD: 'VALUE' REASON (EFFECT)

where FIELD is an annotation, a ConfigMap key or a path into the object, VALUE what was found there, REASON why it
cannot be used and what to write instead, and EFFECT what Headgate does now. An *error* refuses the object; after a
*warning* the object is served without what cannot be. Users read Problems in the events of their objects
([events.md](events.md)), operators in the log, and everybody before the deployment in the output of `headgate check`.

The texts below are those of the test cases in `tests/cases`, where each stands beside the manifest that causes it.
"""


class Said(NamedTuple):
    """A Problem as a case shows it."""

    kind: str
    field: str
    severity: str
    reason: str
    effect: str
    case: str


def problems_markdown() -> str:
    """Return the page: every Problem once, by kind of object and field."""
    found: dict[tuple[str, ...], Said] = {}
    for said in _all():
        found.setdefault((said.kind, said.field, _shape(said.reason)), said)
    parts = [_OPENING]
    for kind in sorted({said.kind for said in found.values()}):
        rows = sorted(said for said in found.values() if said.kind == kind)
        cells = ((code(s.field), cell(s.reason), cell(s.effect), s.severity, code(s.case)) for s in rows)
        parts += [f"## {kind}", "", *table(("Field", "Problem", "What happens now", "Severity", "Case"), cells), ""]
    return "\n".join(parts)


def _all() -> Iterator[Said]:
    for path in sorted(CASES.glob("*/*/problems.txt")):
        case = path.parent.relative_to(CASES).as_posix()
        for line in path.read_text().splitlines():
            if match := _LINE.fullmatch(line):
                yield _parsed(match, case)


def _parsed(match: re.Match[str], case: str) -> Said:
    field = _FIELD.fullmatch(match["text"])
    effect = _EFFECT.fullmatch(field["rest"] if field else match["text"])
    rest = field["rest"] if field else match["text"]
    reason, after = (effect["reason"], effect["effect"]) if effect else (rest, "")
    return Said(
        match["kind"],
        re.sub(r"\[\d+\]", "[0]", field["field"]) if field else "",
        match["severity"],
        reason,
        after,
        case,
    )


def _shape(reason: str) -> str:
    """Return *reason* without values and names, so that one Problem is shown once."""
    return re.sub(r"'(?:[^'\\]|\\.)*'|\d+", "", reason)
