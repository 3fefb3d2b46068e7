"""What came of an attempt to make nginx serve a FileSet."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

import msgspec

from headgate.problems import ObjectRef


class Outcome(enum.Enum):
    """How an apply ended."""

    APPLIED = "applied"
    """nginx serves the new files (all but the refused origins), verified."""
    UNCHANGED = "unchanged"
    """The wanted files were there already; nothing was reloaded."""
    REFUSED = "refused"
    """nginx refused the whole (its message names no origin that could be left out); the last good files serve."""
    FAILED = "failed"
    """Something beyond the configuration went wrong (disk full, reload timed out); the last good files are back."""


APPLY_S: Final = 180.0
"""Seconds after which one apply has ended, whatever nginx does; health checks allow for several in a row."""
NOT_TRIED: Final = "not tried"
"""How the message of an origin begins that was left out without a try, for want of time; it is worth another."""


class ApplyResult(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one apply.

    Attributes:
        outcome: see Outcome.
        version: the configuration version that nginx serves now.
        refused: origin → nginx's own message, for each object whose new files were left out.
        kept: the objects of which nginx serves an earlier version: those of ``refused`` whose last good files
            could stay, or everything that was served if the whole was not applied.
        closed: those of ``refused`` whose requests are answered 500 in place of files that keep clients out.
        held: the profiles of routes that stay because nginx refuses what is to replace them.
        idle: the objects of which nothing is served because nothing is of the object that they attach to.
        retry: those of ``refused`` that nginx may accept another time as they are (a port in use, a name that does
            not resolve, no time to try); worth an apply with ``retry`` after a while.
        warnings: origin → what nginx warned of in its files; ``None`` is the origin of files of no object.
        error: one line, why the whole was refused or failed; empty otherwise.
        passing: whether what ``error`` says may be over another time, with the same files.
        reloaded: whether a reload (or the start) happened and was verified.
        written: files written or replaced.
        deleted: files removed.
        pushed: upstreams that were pushed to workers, or deleted there; ``pushed_hosts`` are the hosts of which that is
            so, ``pushed_guards`` what lets in requests by their tokens.
        test_ms: milliseconds spent in ``nginx -t``, all runs together.
        reload_ms: milliseconds from the signal (or the start) to the verified version.
    """

    outcome: Outcome
    version: int
    refused: Mapping[ObjectRef, str] = {}
    kept: frozenset[ObjectRef] = frozenset()
    closed: frozenset[ObjectRef] = frozenset()
    held: frozenset[str] = frozenset()
    idle: frozenset[ObjectRef] = frozenset()
    retry: frozenset[ObjectRef] = frozenset()
    warnings: Mapping[ObjectRef | None, tuple[str, ...]] = {}
    error: str = ""
    passing: bool = False
    reloaded: bool = False
    written: int = 0
    deleted: int = 0
    pushed: int = 0
    pushed_hosts: int = 0
    pushed_guards: int = 0
    test_ms: float = 0.0
    reload_ms: float = 0.0

    @property
    def undecided(self) -> bool:
        """Whether some origins were left out without a try."""
        return any(message.startswith(NOT_TRIED) for message in self.refused.values())

    @property
    def ok(self) -> bool:
        """Whether nginx serves what was asked, apart from refused origins."""
        return self.outcome in {Outcome.APPLIED, Outcome.UNCHANGED}
