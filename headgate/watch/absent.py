"""Kinds that the cluster does not have: one log line for all of them at the start, then one for each change."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from headgate.api import Kind

log = logging.getLogger(__name__)

REMEDY = "`headgate crds | kubectl apply -f -`"
WITHOUT = "-enable-custom-resources=false"


class AbsentKinds:
    """Collects which kinds are missing; the Informers of several namespaces report the same kind."""

    def __init__(self, remedy: str = REMEDY, without: str = WITHOUT, alternatives: Iterable[Kind] = ()) -> None:
        """Begin with none; nothing is logged before ``announce``.

        Args:
            remedy: creates the definitions.
            without: the flag that does without them.
            alternatives: kinds of which one is enough: they are missing only if all of them are.
        """
        self._alternatives = frozenset(map(_name, alternatives))
        self._remedy = f"{remedy} creates the definitions, {without} does without"
        self._names: set[str] = set()
        self._started = False

    def includes(self, kind: Kind) -> bool:
        """Whether *kind* is missing."""
        return _name(kind) in self._names

    def note(self, kind: Kind, *, absent: bool) -> None:
        """Take note that *kind* is *absent*, or is there again."""
        name, before = _name(kind), frozenset(self._missing())
        if absent == (name in self._names):
            return
        if absent:
            self._names.add(name)
        else:
            self._names.discard(name)
        fresh = self._missing() - before if absent else before & {name}
        if self._started and fresh:
            self._log(sorted(fresh), absent=absent)

    def announce(self) -> None:
        """Log what is missing at the start, when everything was asked for once."""
        if (missing := self._missing()) and not self._started:
            self._log(sorted(missing), absent=True)
        self._started = True

    def _missing(self) -> set[str]:
        """Return the names of what is missing and has no alternative."""
        return self._names if self._alternatives <= self._names else self._names - self._alternatives

    def _log(self, names: list[str], *, absent: bool) -> None:
        kinds = ", ".join(names)
        if absent:
            sentence = f"the cluster has no {kinds}: not watched until it has; {self._remedy}"
        else:
            sentence = f"the cluster has {kinds} now: watched from now on"
        message = "custom resources are missing" if absent else "custom resources are there"
        log.info(message, extra={"fields": {"definitions": kinds}, "sentence": sentence})


def _name(kind: Kind) -> str:
    return f"{kind.plural}.{kind.group}"
