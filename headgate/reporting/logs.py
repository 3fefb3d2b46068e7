"""Log lines on stdout: the incumbent's seven formats and one for a terminal, each record on one line.

Code logs a constant message and ``extra={"fields": {…}}``, and adds ``"sentence": "…"`` where a person reads the same
better as a sentence: glog and the terminal print that, ``json`` and ``text`` print the message and the fields. A line
that nginx wrote has it as ``"verbatim"`` as well: ``glog`` and ``text`` pass it on to stderr as it is.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import sys
import textwrap
import traceback
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, TextIO

import msgspec

from headgate.options import LogFormat, LogLevel, Options
from headgate.reporting.appending import append

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

NARROW = 60
"""Columns below which lines for a person are broken between words; of wider terminals they stay one line."""
_INDENT = len("HH:MM:SS LEVEL ")

Clock = Callable[[float], str | int]
"""Converts seconds since 1970 for one format."""


class Style(msgspec.Struct, frozen=True):
    """How records become lines.

    Attributes:
        form: one of the incumbent's formats; ``None`` for a person at a terminal.
        colors: whether the lines for a person have colours.
    """

    form: LogFormat | None
    colors: bool = False

    @property
    def passes_lines_on(self) -> bool:
        """Whether lines of nginx are passed on as they are."""
        return self.form is not None and not is_json(self.form)

    @property
    def formatter(self) -> logging.Formatter:
        """The formatter of records."""
        return TerminalFormatter(colors=self.colors, columns=_width) if self.form is None else formatter(self.form)


def is_json(form: LogFormat) -> bool:
    """Whether each line is a JSON object."""
    return form.value.startswith("json")


def style(options: Options, environ: Mapping[str, str] = os.environ, stream: TextIO | None = None) -> Style:
    """Return how *options* want lines on *stream* (stdout if None).

    A terminal gets lines for a person unless ``-log-format`` is given, without colours if NO_COLOR
    (https://no-color.org) or ``TERM=dumb`` is in *environ*.
    """
    stream = stream or sys.stdout
    if options.log_format_given or stream is None or not stream.isatty():
        return Style(options.log_format)
    return Style(None, colors=not environ.get("NO_COLOR") and environ.get("TERM", "dumb") != "dumb")


def folds_notices(options: Options, style: Style) -> bool:
    """Whether lines of nginx are read by Headgate: if they are not passed on as they are, or not all of them."""
    return not style.passes_lines_on or options.log_level not in {LogLevel.DEBUG, LogLevel.TRACE}


def configure(form: LogFormat | Style, level: LogLevel, stream: TextIO | None = None) -> None:
    """Write all log records of *level* and above to *stream* (stdout if None) in *form*.

    An earlier configuration is replaced.
    """
    if stream is None:
        append()
    chosen = Style(form) if isinstance(form, LogFormat) else form
    handler = _Handler(stream or sys.stdout)
    handler.setFormatter(chosen.formatter)
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    if chosen.form and is_json(chosen.form):
        sys.excepthook = _log_bug
    if chosen.passes_lines_on:
        handler.addFilter(lambda record: not _verbatim(record))
        errors = _Handler(stream or sys.stderr)
        errors.setFormatter(_VerbatimFormatter())
        errors.addFilter(lambda record: bool(_verbatim(record)))
        root.addHandler(errors)
    set_level(level)


def set_level(level: LogLevel) -> None:
    """Write log records of *level* and above from now on."""
    logging.getLogger().setLevel(_LEVELS[level])
    # Messages of the event loop below warnings are of no use to operators.
    logging.getLogger("asyncio").setLevel(max(_LEVELS[level], logging.WARNING))


def _log_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Log the exception that ends the program, which Python would print."""
    log.critical("internal error", exc_info=(kind, error, trace))


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


class _VerbatimFormatter(logging.Formatter):
    """A line of nginx as it is."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return _verbatim(record)


class JsonFormatter(logging.Formatter):
    """One JSON object per line: ``time``, ``level``, ``source``, ``msg``, then the fields."""

    def __init__(self, clock: Clock) -> None:
        """Convert times with *clock*."""
        super().__init__()
        self._clock = clock

    def format(self, record: logging.LogRecord) -> str:
        """Format *record*; values without a JSON type become text. A line of nginx that is JSON stays as it is."""
        if (text := _verbatim(record)).startswith('{"time": '):
            return text
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
        return f"{_level(record)[0]}{time} {where}] {' '.join(filter(None, _words(record)))}"


class TerminalFormatter(logging.Formatter):
    """``HH:MM:SS LEVEL sentence``, in local time, or the message and ``key=value …``; for a person."""

    def __init__(self, *, colors: bool, columns: Callable[[], int] = lambda: 0) -> None:
        """Colour the level, the object and the fields if *colors*; *columns* returns the width, 0 if it is unknown."""
        super().__init__()
        self._colors = colors
        self._columns = columns

    def format(self, record: logging.LogRecord) -> str:
        """Format *record*; control characters, which would command the terminal, are escaped."""
        time = dt.datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        columns = self._columns()
        message, fields = (_broken(text.translate(_CONTROLS), columns) for text in _words(record))
        thing, colon, rest = message.partition(": ")
        if colon and hasattr(record, "sentence"):
            message = f"{self._paint(_BOLD, thing)}: {rest}"
        level = self._paint(_PAINTS.get(record.levelno, _PLAIN_TEXT), f"{_level(record):5}")
        parts = (self._paint(_FAINT, time), level, message, self._paint(_FAINT, fields))
        return " ".join(filter(None, parts))

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colors and code and text else text


def _broken(text: str, columns: int) -> str:
    """Break *text* between words for a narrow terminal, which would break it inside of them."""
    if not _INDENT * 2 < columns < NARROW:
        return text
    lines = textwrap.wrap(text, columns - _INDENT, break_long_words=False, break_on_hyphens=False)
    return f"\n{' ' * _INDENT}".join(lines)


def _width() -> int:
    """Return the columns of the terminal of standard output, 0 if it has none or does not tell."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError):
        return 0


_BOLD, _FAINT, _PLAIN_TEXT = "1", "2", ""
_PAINTS = {TRACE: "2", logging.DEBUG: "2", logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "1;31"}
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}


def _words(record: logging.LogRecord) -> tuple[str, str]:
    """Return the sentence of *record* and nothing, or its message and its fields."""
    if sentence := getattr(record, "sentence", ""):
        return _unquoted(sentence), ""
    fields = " ".join(f"{key}={_read(value)}" for key, value in _fields(record).items())
    return _unquoted(record.getMessage()), fields


def _verbatim(record: logging.LogRecord) -> str:
    """Return the line of nginx that *record* is about, if it is about one."""
    return str(getattr(record, "verbatim", ""))


def _head(record: logging.LogRecord, clock: Clock) -> dict[str, Any]:
    return {
        "time": clock(record.created),
        "level": _level(record),
        "source": f"{record.filename}:{record.lineno}" if record.lineno else record.filename,
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
