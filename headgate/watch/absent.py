"""Kinds that the cluster does not have: one log line for all of them at the start, then one for each change."""

from __future__ import annotations

import logging

from headgate.api import Kind

log = logging.getLogger(__name__)

REMEDY = "`headgate crds | kubectl apply -f -`"
WITHOUT = "-enable-custom-resources=false"


class AbsentKinds:
    """Collects which kinds are missing; the Informers of several namespaces report the same kind."""

    def __init__(self, remedy: str = REMEDY, without: str = WITHOUT) -> None:
        """Begin with none; nothing is logged before ``announce``.

        *remedy* creates the definitions, and the flag *without* does without them.
        """
        self._remedy = f"{remedy} creates the definitions, {without} does without"
        self._names: set[str] = set()
        self._started = False

    def includes(self, kind: Kind) -> bool:
        """Whether *kind* is missing."""
        return f"{kind.plural}.{kind.group}" in self._names

    def note(self, kind: Kind, *, absent: bool) -> None:
        """Take note that *kind* is *absent*, or is there again."""
        name = f"{kind.plural}.{kind.group}"
        if absent == (name in self._names):
            return
        if absent:
            self._names.add(name)
        else:
            self._names.discard(name)
        if self._started:
            self._log([name], absent=absent)

    def announce(self) -> None:
        """Log what is missing at the start, when everything was asked for once."""
        if self._names and not self._started:
            self._log(sorted(self._names), absent=True)
        self._started = True

    def _log(self, names: list[str], *, absent: bool) -> None:
        kinds = ", ".join(names)
        if absent:
            sentence = f"the cluster has no {kinds}: not watched until it has; {self._remedy}"
        else:
            sentence = f"the cluster has {kinds} now: watched from now on"
        message = "custom resources are missing" if absent else "custom resources are there"
        log.info(message, extra={"fields": {"definitions": kinds}, "sentence": sentence})
