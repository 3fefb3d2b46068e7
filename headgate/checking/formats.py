"""A report as text, JSON, the workflow commands of GitHub, or SARIF."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import msgspec
from msgspec import structs

from headgate import __version__
from headgate.checking.report import NOTE, Report
from headgate.k8s.reading import STDIN_NAME
from headgate.offline import Row, printable
from headgate.problems import EACH, some

SARIF_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def text(report: Report) -> str:
    """Return one line for each finding, but one for many equal notes, then the summary."""
    return "\n".join((*_lines(report.rows), str(report.summary)))


def _lines(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the lines of *rows*; a note that more than ``EACH`` objects have is one line, in the place of the first."""
    alike = Counter(_alike(row) for row in rows)
    shown = set[tuple[str, ...]]()
    for row in rows:
        key = _alike(row)
        if alike[key] <= EACH:
            yield str(row)
        elif key not in shown:
            shown.add(key)
            objects = some(each.object for each in rows if _alike(each) == key)
            yield str(structs.replace(row, object=objects))


def _alike(row: Row) -> tuple[str, ...]:
    """Return what notes have in common that are about many objects; a warning or an error is alone."""
    return (row.rule, row.reason) if row.severity == NOTE else (row.file, row.object, row.message)


def json(report: Report) -> str:
    """Return the findings as a list."""
    return msgspec.json.format(msgspec.json.encode(report.rows)).decode()


def github(report: Report) -> str:
    """Return one workflow command for each finding, which GitHub shows at the line of the pull request."""
    return "\n".join(map(_command, report.rows))


def sarif(report: Report) -> str:
    """Return the findings as SARIF 2.1.0 with one run; those without a file are notifications of the invocation."""
    rows = [row for row in report.rows if row.file]
    rules = tuple(dict.fromkeys(row.rule for row in rows))
    places = {rule: index for index, rule in enumerate(rules)}
    remarks = [{"level": row.severity, "message": {"text": row.message}} for row in report.rows if not row.file]
    run = {
        "tool": {"driver": {"name": "Headgate", "version": __version__, "rules": [_rule(rule) for rule in rules]}},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": remarks}],
        "results": [_result(row, places[row.rule]) for row in rows],
    }
    log = {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}
    return msgspec.json.format(msgspec.json.encode(log)).decode()


FORMATS: Final[Mapping[str, Callable[[Report], str]]] = {"text": text, "json": json, "github": github, "sarif": sarif}
"""What ``-o`` takes."""


def _command(row: Row) -> str:
    command = "notice" if row.severity == NOTE else row.severity
    if not row.file or row.file == STDIN_NAME:
        place = f"{row.place}: " if row.file else ""
        return f"::{command}::{_data(place + row.message)}"
    properties = ",".join(f"{name}={_property(value)}" for name, value in _properties(row))
    return f"::{command} {properties}::{_data(row.message)}"


def _properties(row: Row) -> Iterator[tuple[str, str]]:
    yield "file", _from_here(row.file)
    if row.line:
        yield "line", str(row.line)
    if row.line and row.column:
        yield "col", str(row.column)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _from_here(file: str) -> str:
    """Return the path from the working directory, which in a pipeline is the root of the repository."""
    path, here = Path(file), Path.cwd()
    if path.is_absolute():
        return path.relative_to(here).as_posix() if path.is_relative_to(here) else path.as_posix()
    return path.as_posix()


def _rule(rule: str) -> dict[str, Any]:
    kind, _, what = rule.partition("/")
    return {"id": rule, "shortDescription": {"text": printable(f"{kind}: {what}")}}


def _result(row: Row, index: int) -> dict[str, Any]:
    return {
        "ruleId": row.rule,
        "ruleIndex": index,
        "level": row.severity,
        "message": {"text": row.message},
        "locations": [{"physicalLocation": _location(row)}],
    }


def _location(row: Row) -> dict[str, Any]:
    region = {"startLine": row.line or 1} | ({"startColumn": row.column} if row.column else {})
    path = _from_here(row.file)
    place = {"uri": f"file://{quote(path)}"} if path.startswith("/") else {"uri": quote(path), "uriBaseId": "%SRCROOT%"}
    return {"artifactLocation": place, "region": region}
