"""What nginx writes to its standard error, line by line, where Headgate's log has another form than nginx's.

nginx never waits for Headgate: one thread empties the pipe into memory, another one logs, and what exceeds both is
counted and left out. The pipe does not block: a worker that finds it full loses that line only.
Once Headgate has ended, the lines of an nginx that outlives it are lost; what is critical is in its error log too.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import queue
import re
import threading
import time
from typing import Final

from headgate.nginx.blame import Complaint, complaints, is_about_binding

log = logging.getLogger(__name__)

CAPACITY: Final = 1024 * 1024
"""Bytes that the pipe holds, some 7,000 lines: what a user without privileges may have (pipe(7))."""
CHUNK: Final = 64 * 1024
KEPT: Final = 8 * 1024 * 1024
"""Bytes that may wait in memory to be logged, some 30,000 lines; further ones are left out."""
END_S: Final = 2.0
"""Seconds for the last lines, after nginx has ended."""
AGAIN_S: Final = 60.0
"""Seconds between two warnings that lines are left out."""

_LEVELS: Final = {
    **dict.fromkeys(("emerg", "alert", "crit", "error"), logging.ERROR),
    "warn": logging.WARNING,
    "notice": logging.INFO,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}
_PROCESSES: Final = re.compile(
    r"signal process started|signal \d+ \(\w+\) received.*|reconfiguring|gracefully shutting down|exiting|exit"
    r"|using the \"\w+\" event method|nginx/\S+(?: \(.*\))?|built by .*|OS: .*|getrlimit\(RLIMIT_NOFILE\): .*"
    r"|start (?:worker|cache manager|cache loader) process(?:es| \d+)|[\w ]*process \d+ exited with code 0"
)
"""The notices of a start, a reload or an end in order, which the line about it stands for."""


class ErrorPipe:
    """A pipe for nginx's standard error, and the thread that logs what comes out of it."""

    def __init__(self) -> None:
        """Open nothing yet."""
        self.master = 0
        """The pid of the nginx master; its warnings are those of ``nginx -t``, which are reported on their object."""
        self._writer: int | None = None
        self._threads: tuple[threading.Thread, ...] = ()
        self._waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._size = 0
        """Bytes in ``_waiting``, as far as the reading thread knows: what it put there less what was ``_done``."""
        self._done = 0
        self._lost = 0
        """Lines left out, which the reading thread counts; of these, the logging thread reported ``_reported``."""
        self._reported = 0
        self._warned = float("-inf")

    @property
    def writer(self) -> int | None:
        """What nginx gets as its standard error; ``None`` if it has that of Headgate."""
        return self._writer

    def open(self) -> None:
        """Make the pipe and begin to read."""
        reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        with contextlib.suppress(OSError):  # the system's limit may be lower
            fcntl.fcntl(self._writer, fcntl.F_SETPIPE_SZ, CAPACITY)
        self._threads = tuple(
            threading.Thread(target=work, args=given, name="nginx-errors", daemon=True)
            for work, given in ((self._read, (reader,)), (self._work, ()))
        )
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Log what is still there, and end; for when nginx has ended."""
        if self._writer is not None:
            os.close(self._writer)
            self._writer = None
            for thread in self._threads:
                thread.join(END_S)

    def _read(self, reader: int) -> None:
        """Empty the pipe until no process can write any more."""
        with open(reader, "rb", buffering=0) as pipe:
            rest = b""
            while chunk := pipe.read(CHUNK):
                whole, newline, rest = (rest + chunk).rpartition(b"\n")
                if self._size - self._done + len(whole) > KEPT:
                    self._lost += whole.count(b"\n") + len(newline)
                elif newline:
                    self._size += len(whole)
                    self._waiting.put(whole)
            self._waiting.put(rest)
        self._waiting.put(None)

    def _work(self) -> None:
        """Log each line, until ``None`` comes after the last one."""
        while (piece := self._waiting.get()) is not None:
            for line in piece.split(b"\n"):
                self._take(line)
            self._done += len(piece)
            if time.monotonic() - self._warned > AGAIN_S:
                self._warn()
        self._warn()

    def _take(self, line: bytes) -> None:
        text = line.decode(errors="backslashreplace").strip()
        if not text:
            return
        try:
            self._log(text, next(complaints(text), None))
        except Exception:
            log.exception("internal error", extra={"fields": {"doing": "a line of nginx"}})

    def _log(self, text: str, complaint: Complaint | None) -> None:
        """Log one line: at the level that ``error-log-level`` let through, unless it is about nginx's processes."""
        if complaint is None:
            _emit(logging.WARNING, text, {"message": text})
            return
        fields = {"nginx_level": complaint.level, "pid": complaint.pid, "message": complaint.text}
        reported = complaint.level == "warn" and complaint.pid in {0, self.master}
        if reported or _PROCESSES.fullmatch(complaint.text) or is_about_binding(complaint.text):
            if log.isEnabledFor(logging.DEBUG):
                _emit(logging.DEBUG, text, fields)
        else:
            _emit(_LEVELS.get(complaint.level, logging.INFO), text, fields)

    def _warn(self) -> None:
        """Log how many lines were left out since the last time, if any were."""
        lost = self._lost - self._reported
        if lost:
            self._warned = time.monotonic()
            self._reported += lost
            log.warning("lines of nginx left out", extra={"fields": {"lines": lost, "why": "they came too fast"}})


def _emit(level: int, text: str, fields: dict[str, object]) -> None:
    """Log a line of nginx whatever ``-log-level`` says; which lines there are is decided by ``error-log-level``."""
    extra = {"fields": fields, "verbatim": text, "sentence": f"nginx: {fields['message']}"}
    log.handle(log.makeRecord(log.name, level, "nginx", 0, "nginx", (), None, extra=extra))
