"""A failure that lasts is logged once, and so is its end."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from headgate.k8s.errors import is_news


class FailureLog:
    """The log lines about one thing that fails, perhaps again and again, and recovers."""

    def __init__(self, log: logging.Logger, failed: str, recovered: str, fields: Mapping[str, str]) -> None:
        """Begin without a failure; *failed* and *recovered* are the messages, *fields* those of every line."""
        self._log = log
        self._messages = failed, recovered
        self._fields = fields
        self._text = ""
        self._level = logging.DEBUG
        """The highest level of a line about the failure."""

    @property
    def error(self) -> str:
        """The text of the failure that lasts, empty if none does."""
        return self._text

    def failed(self, error: Exception, text: str) -> None:
        """Log *error*, described by *text*, if the last one was another; at DEBUG if its outage is logged already."""
        if text == self._text:
            return
        level = logging.WARNING if is_news(error) else logging.DEBUG
        self._text, self._level = text, max(self._level, level)
        self._log.log(level, self._messages[0], extra={"fields": {**self._fields, "error": text}})

    def recovered(self) -> None:
        """Log the end of the failure if there was one, at the level of its lines but not above INFO."""
        if self._text:
            level = min(self._level, logging.INFO)
            self._text, self._level = "", logging.DEBUG
            self._log.log(level, self._messages[1], extra={"fields": dict(self._fields)})
