"""A comparison for people: a section each, then the unified diff."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator

import msgspec

from headgate.comparing.report import (
    Change,
    Comparison,
    FileChange,
    ObjectChange,
    Operation,
    ProblemChange,
    SecretChange,
    SettingChange,
    StreamChange,
)
from headgate.problems import show

EVERY_HOST = "every other host"
"""The name of the host without a name."""
EVERYTHING = "all hosts"
"""Where a setting of the ConfigMap applies."""


class Tone(enum.Enum):
    """What a line is, for those who print it in colours."""

    PLAIN = "plain"
    HEADING = "heading"
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    HUNK = "hunk"


class Line(msgspec.Struct, frozen=True):
    """A line, without its end; it may hold characters that a terminal interprets."""

    text: str
    tone: Tone = Tone.PLAIN


_SIGNS = {
    Operation.ADDED: ("+", Tone.ADDED),
    Operation.REMOVED: ("-", Tone.REMOVED),
    Operation.CHANGED: ("~", Tone.CHANGED),
}
_DIFF = (("---", Tone.HEADING), ("+++", Tone.HEADING), ("@@", Tone.HUNK), ("+", Tone.ADDED), ("-", Tone.REMOVED))


def lines(found: Comparison) -> Iterator[Line]:
    """Yield every line; none if nothing differs."""
    sections: tuple[tuple[str, Iterable[Line]], ...] = (
        ("Hosts", (line for each in found.hosts for line in _entry(each.operation, _host(each.host), each.fields))),
        (
            "Routes",
            (
                line
                for each in found.routes
                for line in _entry(each.operation, f"{_host(each.host)} {each.route}", each.fields)
            ),
        ),
        (
            "TCP and UDP",
            (line for each in found.streams for line in _entry(each.operation, _stream(each), each.fields)),
        ),
        ("Settings", map(_setting, found.settings)),
        ("Secrets", map(_secret, found.secrets)),
        ("Problems", map(_problem, found.problems)),
        ("Objects", map(_object, found.objects)),
        ("Files of nginx", map(_file, found.files)),
    )
    begun = False
    for title, rows in sections:
        for number, row in enumerate(rows):
            if number == 0:
                yield from (Line(""),) if begun else ()
                yield Line(title, Tone.HEADING)
                begun = True
            yield row
    for file in found.files:
        yield from _patch(file)


def _entry(operation: Operation, name: str, fields: Iterable[Change]) -> Iterator[Line]:
    """Yield what happened to *name*, then a line for each field."""
    sign, tone = _SIGNS[operation]
    yield Line(f"  {sign} {name}", tone)
    for change in fields:
        value = _pair(change.old, change.new) if operation is Operation.CHANGED else change.new or change.old
        yield Line(f"      {change.field}: {value}")


def _pair(old: str, new: str) -> str:
    return f"{_value(old)} -> {_value(new)}"


def _value(text: str) -> str:
    """Return a value on one line, cut if it is long; ``none`` if it is empty."""
    if not text:
        return "none"
    quoted = show(text)
    return text if quoted == f"'{text}'" else quoted


def _host(name: str) -> str:
    return name or EVERY_HOST


def _stream(change: StreamChange) -> str:
    return f"listener {change.listener} {change.host}".rstrip()


def _setting(change: SettingChange) -> Line:
    where = EVERYTHING if change.host is None else f"{_host(change.host)} {change.route}".rstrip()
    origin = f" ({change.object})" if change.object else ""
    return Line(f"  ~ {where}: {change.name}: {_pair(change.old, change.new)}{origin}", Tone.CHANGED)


def _secret(change: SecretChange) -> Line:
    sign, tone = _SIGNS[change.operation]
    return Line(f"  {sign} {change.use} of Secret {change.secret} {change.operation.value}", tone)


def _problem(change: ProblemChange) -> Line:
    # A Problem is bad when it comes.
    sign, tone, word = ("+", Tone.REMOVED, "new") if change.operation is Operation.ADDED else ("-", Tone.ADDED, "gone")
    return Line(f"  {sign} {word}: {change.severity}: {change.object}: {change.message}", tone)


def _object(change: ObjectChange) -> Line:
    reason = f": {change.reason}" if change.reason else ""
    return Line(f"  ~ {change.object}: {change.old} -> {change.new}{reason}", Tone.CHANGED)


def _file(change: FileChange) -> Line:
    sign, tone = _SIGNS[change.operation]
    return Line(f"  {sign} {change.name}", tone)


def _patch(file: FileChange) -> Iterator[Line]:
    if file.diff:
        yield Line("")
    for text in file.diff.split("\n")[:-1]:
        yield Line(text, next((tone for start, tone in _DIFF if text.startswith(start)), Tone.PLAIN))
