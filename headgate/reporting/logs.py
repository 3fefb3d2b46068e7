"""Log lines on stdout: the incumbent's seven formats, each record on one line.

Code logs a constant message and ``extra={"fields": {…}}``; the formatters of this module print both.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from headgate.options import LogFormat, LogLevel

log = logging.getLogger(__name__)

TRACE = 5
"""The level below DEBUG."""

_LEVELS = {
    LogLevel.FATAL: logging.CRITICAL,
    LogLevel.ERROR: logging.ERROR,
    LogLevel.WARN: logging.WARNING,
    LogLevel.INFO: logging.INFO,
    LogLevel.DEBUG: logging.DEBUG,
    LogLevel.TRACE: TRACE,
}
_NAMES = {number: level.name for level, number in _LEVELS.items()}
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@+,%")

Clock = Callable[[float], str | int]
"""Converts seconds since 1970 for one format."""


def configure(form: LogFormat, level: LogLevel, stream: TextIO | None = None) -> None:
    """Write all log records of *level* and above to *stream* (stdout if None) in *form*.

    An earlier configuration is replaced.
    """
    handler = _Handler(stream or sys.stdout)
    handler.setFormatter(formatter(form))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(_LEVELS[level])
    # Messages of the event loop below warnings are of no use to operators.
    logging.getLogger("asyncio").setLevel(max(_LEVELS[level], logging.WARNING))


class _Handler(logging.StreamHandler[TextIO]):
    """Writes lines; one that cannot be written, for example to a closed terminal or pipe, is lost without a word."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Print the traceback of a bug, as usual, but nothing where the lines cannot be written."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


def announce(product: str, version: str, commit: str) -> None:
    """Write the first line, with the version, whatever the level; its source is the caller."""
    log.setLevel(logging.INFO)
    log.info(product, extra={"fields": {"version": version, "commit": commit}}, stacklevel=2)


def formatter(form: LogFormat) -> logging.Formatter:
    """Return the formatter of *form*."""
    shape, _, unit = form.value.partition("-")
    clock = _CLOCKS[unit]
    if shape == "json":
        return JsonFormatter(clock)
    return TextFormatter(clock) if shape == "text" else GlogFormatter()


class JsonFormatter(logging.Formatter):
    """One JSON object per line: ``time``, ``level``, ``source``, ``msg``, then the fields."""

    def __init__(self, clock: Clock) -> None:
        """Convert times with *clock*."""
        super().__init__()
        self._clock = clock

    def format(self, record: logging.LogRecord) -> str:
        """Format *record*; values without a JSON type become text."""
        line = {**_head(record, self._clock), **_fields(record)}
        return json.dumps(line, default=str, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """``key=value`` pairs: ``time``, ``level``, ``source``, ``msg``, then the fields."""

    def __init__(self, clock: Clock) -> None:
        """Convert times with *clock*."""
        super().__init__()
        self._clock = clock

    def format(self, record: logging.LogRecord) -> str:
        """Format *record*; values with spaces, quotes or control characters are quoted as in JSON."""
        return _pairs({**_head(record, self._clock), **_fields(record)})


class GlogFormatter(logging.Formatter):
    """``IYYYYMMDD HH:MM:SS.micros   PID file:line] message key=value …`` (the letter is the level's)."""

    def format(self, record: logging.LogRecord) -> str:
        """Format *record*; a newline in the message is escaped."""
        time = dt.datetime.fromtimestamp(record.created, dt.UTC).strftime("%Y%m%d %H:%M:%S.%f")
        where = f"{record.process or 0:>4} {record.filename}:{record.lineno}"
        message = _unquoted(record.getMessage())
        fields = " ".join(f"{key}={_read(value)}" for key, value in _fields(record).items())
        return f"{_level(record)[0]}{time} {where}] {message}" + (f" {fields}" if fields else "")


def _head(record: logging.LogRecord, clock: Clock) -> dict[str, Any]:
    return {
        "time": clock(record.created),
        "level": _level(record),
        "source": f"{record.filename}:{record.lineno}",
        "msg": record.getMessage(),
    }


def _level(record: logging.LogRecord) -> str:
    return _NAMES.get(record.levelno, record.levelname)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return the key-values of *record*, and the traceback of its exception as ``traceback``."""
    fields: Mapping[str, Any] = getattr(record, "fields", {})
    if not record.exc_info:
        return dict(fields)
    return {**fields, "traceback": "".join(traceback.format_exception(*record.exc_info)).rstrip()}


def _pairs(fields: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={_word(value)}" for key, value in fields.items())


def _word(value: Any) -> str:
    text = str(value)
    return text if text and _PLAIN.issuperset(text) else json.dumps(text, ensure_ascii=False)


def _read(value: Any) -> str:
    """Return *value* for people: double quotes inside, which nginx puts around names, stay as they are."""
    text = str(value)
    return f"'{_unquoted(text)}'" if '"' in text and "'" not in text else _word(text)


def _unquoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1].replace(r"\"", '"')


def _rfc3339(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_CLOCKS: Mapping[str, Clock] = {
    "": _rfc3339,
    "unix": int,
    "unix-ms": lambda seconds: int(seconds * 1000),
}
