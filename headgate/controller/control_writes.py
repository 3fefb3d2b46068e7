"""What an operator changes in a running controller: its log level, and which endpoints are drained."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from headgate.options import LogLevel
from headgate.reporting.control import RefusedError
from headgate.reporting.events import EventRecorder
from headgate.reporting.logs import set_level
from headgate.reporting.verdicts import Subject, endpoints_drained, log_level_set
from headgate.watch.drained import Drained

log = logging.getLogger(__name__)


class ControlWrites:
    """Carries out what the control socket takes; each change is an event on the controller's Pod."""

    def __init__(self, level: LogLevel, drained: Drained, events: EventRecorder, pod: Callable[[], Subject]) -> None:
        """Begin with the *level* of the flags; *pod* returns the subject of the events."""
        self._level = level
        self._drained = drained
        self._events = events
        self._pod = pod

    def set_log_level(self, level: str) -> str:
        """Log what is of *level* or above from now on; return what is different.

        Raises:
            RefusedError: there is no such level.
        """
        try:
            wanted = LogLevel(level)
        except ValueError:
            raise RefusedError(
                f"{level!r} is not a log level; use {', '.join(each.value for each in LogLevel)}"
            ) from None
        before, self._level = self._level, wanted
        self._events.record(log_level_set(self._pod(), before.value, wanted.value))
        set_level(wanted)
        return f"log level {wanted.value}, {before.value} before"

    def drain(self, names: Sequence[str], *, undo: bool) -> str:
        """Send no new requests to the endpoints with *names*, or (*undo*) send them again; return what is different.

        Raises:
            RefusedError: no endpoint has one of the names, or (*undo*) it is not drained.
        """
        now = self._drained.names
        unknown = sorted(set(names) - now) if undo else self._drained.unknown(set(names) - now)
        if unknown:
            what = "not drained" if undo else "no endpoint has this address, Pod or node"
            raise RefusedError(f"{', '.join(unknown)}: {what}; nothing was changed. See headgate status -o wide")
        count = self._drained.change(now - set(names) if undo else now | set(names))
        self._events.record(endpoints_drained(self._pod(), sorted(names), count, undo=undo))
        return f"{count} {'endpoint' if count == 1 else 'endpoints'} {'no longer drained' if undo else 'drained'}"
