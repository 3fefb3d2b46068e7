"""Room 8: what became of a batch, told to the owners of its objects, once and only when it changed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec

from headgate.api import ConfigMap, Ingress, Secret
from headgate.api.base import TopLevel
from headgate.configuration import Operation
from headgate.controller.rooms import Rooms, Walk
from headgate.ir import ApplyResult
from headgate.problems import ObjectRef, Problem
from headgate.reporting.verdicts import (
    Refusal,
    State,
    Subject,
    Verdict,
    for_config_map,
    for_ingress,
    secret_deleted,
    secret_rejected,
    secret_updated,
)

log = logging.getLogger(__name__)

Find = Callable[[type[TopLevel], ObjectRef], TopLevel | None]


class EventSink(Protocol):
    """Where Verdicts become Events."""

    def record(self, verdict: Verdict) -> None:
        """Say it."""


class StatusSink(Protocol):
    """Where Verdicts become statuses."""

    def report(self, verdict: Verdict) -> None:
        """Take note."""

    def forget(self, ref: ObjectRef) -> None:
        """Stop caring."""


class Census(msgspec.Struct, frozen=True):
    """How the Ingresses of our class fare.

    Attributes:
        served: those that requests reach.
        refused: those that are not served as they stand; an earlier version of them may be.
    """

    served: int
    refused: int


class Herald:
    """Remembers what was last said about each object."""

    def __init__(  # noqa: PLR0913 - what it reads, and the three ways it speaks
        self,
        rooms: Rooms,
        find: Find,
        events: EventSink,
        status: StatusSink | None,
        pod: Subject,
        addresses: Callable[[], None] = lambda: None,
    ) -> None:
        """Speak through *events* and *status*.

        Args:
            rooms: what is served and what is wrong.
            find: looks objects up.
            events: takes Verdicts for Events.
            status: takes Verdicts for statuses, if those are written.
            pod: who speaks of the Secrets of flags.
            addresses: called after each batch, to look at the addresses of Ingresses again.
        """
        self._addresses = addresses
        self._rooms = rooms
        self._find = find
        self._events = events
        self._status = status
        self._pod = pod
        self._last: dict[ObjectRef, Verdict] = {}
        self._standing: dict[ObjectRef, tuple[Problem, ...]] = {}
        self._served: set[ObjectRef] = set()
        self._refused: frozenset[ObjectRef] = frozenset()
        self._doubtful: set[ObjectRef] = set()
        """Who was told that an apply failed as a whole, and is told when one succeeds."""

    def tell(self, walk: Walk, result: ApplyResult, keys: frozenset[ObjectRef], config_refusal: str) -> None:
        """Tell the owners of everything that *walk* looked at, and of what nginx now refuses or no longer refuses."""
        self._note_ignored(walk)
        self._standing.update(walk.update.problems)
        for ref in walk.update.gone:
            self._forget(ref)
        for change in walk.update.changes:
            if change.operation is Operation.DELETE:
                self._served.discard(change.resource.ref)
        refused = frozenset(result.refused)
        concerned = set(walk.update.problems)
        for ref in walk.regenerated | (refused ^ self._refused):
            concerned |= self._members(ref)
        self._refused = refused
        concerned |= self._doubtful
        concerned -= walk.update.gone
        self._doubtful = set() if result.ok else concerned
        for ref in sorted(concerned):
            self._say(ref, result, again=ref in keys)
        if walk.config_map is not None:
            self._say_config_map(walk.config_map, result, config_refusal)
        for secret, problems in walk.special.items():
            self._say_special(secret, problems)
        self._remember(walk, result)
        self._addresses()

    def census(self) -> Census:
        """Count the Ingresses by what was last said about them."""
        verdicts = self._last.values()
        refused = sum(verdict.state is State.INVALID for verdict in verdicts)
        return Census(served=sum(verdict.served for verdict in verdicts), refused=refused)

    def _note_ignored(self, walk: Walk) -> None:
        """Log which Ingresses are none of ours; other controllers' Ingresses are no news in a cluster."""
        level = logging.INFO if self._rooms.standalone else logging.DEBUG
        for ref, reason in sorted(walk.update.ignored.items()):
            log.log(level, "ignored", extra={"fields": {"object": str(ref), "reason": reason}})

    def _members(self, ref: ObjectRef) -> set[ObjectRef]:
        resource = self._rooms.configuration.resources.get(ref)
        return set(resource.members) if resource else set()

    def _say(self, ref: ObjectRef, result: ApplyResult, *, again: bool) -> None:
        """Judge one Ingress; say it if it differs from the last time, or if its owner just wrote it."""
        ingress = self._find(Ingress, ref)
        if ingress is None:
            return
        owner = self._rooms.configuration.owner(ref)
        found = [*self._standing.get(ref, ()), *self._about(ref, owner, resolved=True)]
        generated = list(self._about(ref, owner, resolved=False))
        subject = Subject(ref, ingress.metadata.uid, ingress.KIND.api_version)
        verdict = for_ingress(subject, found, generated, self._refusal(owner, result))
        if again or verdict != self._last.get(ref):
            self._events.record(verdict)
        self._last[ref] = verdict
        if self._status:
            self._status.report(verdict)

    def _about(self, ref: ObjectRef, owner: ObjectRef | None, *, resolved: bool) -> Iterator[Problem]:
        if owner is None:
            return
        configurator = self._rooms.configurator
        made = configurator.resolved(owner)
        problems = (made.problems if made else ()) if resolved else configurator.generated(owner)
        for problem in problems:
            if problem.origin == ref:
                yield problem

    def _refusal(self, owner: ObjectRef | None, result: ApplyResult) -> Refusal | None:
        if owner is None:
            return None
        message = result.refused.get(owner) or ("" if result.ok else result.error)
        return Refusal(message, kept=owner in self._served) if message else None

    def _say_config_map(self, problems: tuple[Problem, ...], result: ApplyResult, refusal: str) -> None:
        ref = self._rooms.config_map
        if ref is None:
            return
        found = self._find(ConfigMap, ref)
        subject = Subject(ref, found.metadata.uid if found else "", ConfigMap.KIND.api_version)
        against = refusal or ("" if result.ok else result.error)
        for verdict in for_config_map(subject, problems, Refusal(against) if against else None):
            self._events.record(verdict)

    def _say_special(self, secret: ObjectRef, problems: tuple[Problem, ...]) -> None:
        """Say what became of a Secret of a flag; each renewal is news, though the words are the same."""
        bad = [problem for problem in problems if problem.code]
        if not bad:
            verdict = secret_updated(self._pod, secret)
        elif self._find(Secret, secret) is None:
            verdict = secret_deleted(self._pod, secret)
        else:
            verdict = secret_rejected(self._pod, secret, bad)
        self._events.record(verdict)

    def _remember(self, walk: Walk, result: ApplyResult) -> None:
        """Note what nginx serves, so that a later refusal can say whether something is kept."""
        if result.ok:
            self._served |= walk.regenerated - result.refused.keys()

    def _forget(self, ref: ObjectRef) -> None:
        self._last.pop(ref, None)
        self._standing.pop(ref, None)
        if self._status:
            self._status.forget(ref)
