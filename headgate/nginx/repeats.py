"""Errors that repeat: logged once, then counted."""

from __future__ import annotations

import time
from typing import Final

AGAIN_S: Final = 60.0
"""Seconds between two lines about an error that lasts."""


class Repeats:
    """Counts equal errors in a row."""

    def __init__(self) -> None:
        """Begin without an error."""
        self._text = ""
        self.count = 0
        """How often the present error occurred."""
        self._began = self._shown = 0.0

    @property
    def seconds(self) -> float:
        """Seconds since the first of these errors."""
        return time.monotonic() - self._began

    def is_due(self, text: str) -> bool:
        """Note the error *text*; return whether it is to be shown: another one than before, or after ``AGAIN_S``."""
        now = time.monotonic()
        if text != self._text:
            self._text, self.count, self._began = text, 0, now
        self.count += 1
        due = self.count == 1 or now - self._shown >= AGAIN_S
        if due:
            self._shown = now
        return due

    def end(self) -> None:
        """Note that there is no error any more."""
        self._text = ""
