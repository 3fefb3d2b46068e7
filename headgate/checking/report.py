"""The result of a check: every finding with its place, and what was checked."""

from __future__ import annotations

import msgspec

from headgate.offline import Row

NOTE = "note"


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What was checked; an object counts once, by the worst that was found.

    Attributes:
        fine: objects without a finding; those that are only named in a note are among them.
        warned: objects with a warning and no error.
        refused: objects with an error, those that cannot be decoded included.
        ignored: objects of another class or controller, which are not checked.
        unread_kinds: kinds in the files that Headgate does not read.
        unreadable: files that cannot be used at all.
        skipped: documents that are no object, or define one again.
        elsewhere: warnings and errors about objects that are not in the files.
    """

    fine: int = 0
    warned: int = 0
    refused: int = 0
    ignored: int = 0
    unread_kinds: int = 0
    unreadable: int = 0
    skipped: int = 0
    elsewhere: int = 0

    @property
    def objects(self) -> int:
        """The objects of the kinds that Headgate reads."""
        return self.fine + self.warned + self.refused + self.ignored

    def __str__(self) -> str:
        """``23 objects: 20 fine, 2 with warnings, 1 refused; 1 kind not read``; what is zero is left out."""
        beside = (
            (self.skipped, f"{_count(self.skipped, 'document')} skipped"),
            (self.unreadable, f"{_count(self.unreadable, 'file')} not readable"),
            (self.unread_kinds, f"{_count(self.unread_kinds, 'kind')} not read"),
            (self.elsewhere, f"{_count(self.elsewhere, 'problem')} with objects that are not in the files"),
        )
        return "; ".join((self._objects(), *(words for number, words in beside if number)))

    def _objects(self) -> str:
        counts = ((self.fine, "fine"), (self.warned, "with warnings"), (self.refused, "refused"))
        parts = [f"{number} {words}" for number, words in (*counts, (self.ignored, "ignored")) if number]
        if not parts:
            return "no objects"
        return f"{_count(self.objects, 'object')}: {'all fine' if self.fine == self.objects else ', '.join(parts)}"


class Report(msgspec.Struct, frozen=True):
    """Every finding, by file and line, notes at the end; and the summary."""

    rows: tuple[Row, ...]
    summary: Summary

    def failed(self, *, strict: bool) -> bool:
        """Whether something is refused or not readable or, if *strict*, a warning was found; notes do not count."""
        failing = {"error", "warning"} if strict else {"error"}
        return any(row.severity in failing for row in self.rows)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
