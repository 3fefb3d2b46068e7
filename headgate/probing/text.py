"""What two controllers answer differently, as a table for people, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from headgate.probing.answers import BODY, CERTIFICATE, Difference
from headgate.probing.asking import Comparison
from headgate.probing.probes import Probe

SHORT = len("sha256:") + 16
LONGEST = 60
"""The longest value that the table shows."""
NONE = "-"
HEAD = ("REQUEST", "WHY IT IS SENT", "DIFFERS", "A", "B")


class Report(msgspec.Struct, frozen=True):
    """Everything that came of it.

    Attributes:
        a: the address of the first controller, as it was given; ``b`` that of the second.
        asked: how many requests were compared.
        left_out: how many were not sent because of ``--max``.
        comparisons: one for each request.
        notes: what could not be compared, and why.
    """

    a: str
    b: str
    asked: int
    left_out: int
    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...] = ()

    @property
    def different(self) -> tuple[Comparison, ...]:
        """Those with a difference."""
        return tuple(each for each in self.comparisons if each.differences)

    @property
    def unsteady(self) -> tuple[Comparison, ...]:
        """Those with something that a controller answers differently to the same request."""
        return tuple(each for each in self.comparisons if each.unsteady)


def as_text(report: Report) -> str:
    """Return the lines for people."""
    return "\n".join(_lines(report))


def as_json(report: Report) -> str:
    """Return the same for programs; only requests with a difference, or something unsteady, are listed."""
    found = {
        "a": report.a,
        "b": report.b,
        "asked": report.asked,
        "leftOut": report.left_out,
        "different": [_plain(each) for each in report.different],
        "unsteady": [_request(each.probe) | {"what": each.unsteady} for each in report.unsteady],
        "notes": report.notes,
    }
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()


def _plain(found: Comparison) -> dict[str, object]:
    return _request(found.probe) | {"differences": found.differences}


def _request(probe: Probe) -> dict[str, object]:
    found: dict[str, object] = {"method": probe.method, "url": probe.url, "why": probe.reason.value}
    if probe.headers:
        found["headers"] = dict(probe.headers)
    if probe.upload >= 0:
        found["upload"] = probe.upload
    return found


def _lines(report: Report) -> Iterator[str]:
    yield f"A is {report.a}, B is {report.b}."
    yield f"{_count(report.asked, 'request')} compared, {len(report.different):,} with differences."
    if report.different:
        yield ""
        yield from _table([HEAD, *(row for each in report.different for row in _rows(each))])
    notes = tuple(_notes(report))
    if notes:
        yield ""
        yield from notes


def _notes(report: Report) -> Iterator[str]:
    if unsteady := report.unsteady:
        what = ", ".join(sorted({name for each in unsteady for name in each.unsteady}))
        example = f"for example {unsteady[0].probe.method} {unsteady[0].probe.url}"
        yield f"{_count(len(unsteady), 'request')} not compared in {what}: it differs each time ({example})."
    if report.left_out:
        yield f"{_count(report.left_out, 'request')} left out; --max allows more."
    yield from report.notes


def _rows(found: Comparison) -> Iterator[tuple[str, ...]]:
    probe, why = found.probe, found.probe.reason.value
    if probe.headers:
        name, value = probe.headers[0]
        why += f" ({name}: {value})"
    begin = (f"{probe.method} {probe.url}", why)
    for each in found.differences:
        yield *begin, each.name, _shown(each, each.a), _shown(each, each.b)
        begin = ("", "")


def _shown(found: Difference, value: str) -> str:
    if found.name in {BODY, CERTIFICATE}:
        value = value[:SHORT]
    return value if 0 < len(value) <= LONGEST else f"{value[:LONGEST]}…" if value else NONE


def _table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
