"""Reporter: reports the result of a batch on its objects, once for each change."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import msgspec
from msgspec import structs

from headgate.api import ConfigMap, Secret
from headgate.api.base import TopLevel
from headgate.configuration import Standing
from headgate.controller.kinds import ClaimantKind
from headgate.controller.none_served import counted, is_unserved, none_served
from headgate.controller.refusals import refusal, shared
from headgate.ir import ApplyResult
from headgate.pipeline import Generation
from headgate.pipeline.generator import Generated
from headgate.problems import EACH, NAMED, ObjectRef, Problem, some
from headgate.reporting.sentences import UNKNOWN, Occasion
from headgate.reporting.verdicts import (
    EventType,
    Refusal,
    State,
    Subject,
    Verdict,
    for_config_map,
    secret_deleted,
    secret_rejected,
    secret_updated,
)

log = logging.getLogger(__name__)

FIRST_LINES = 50
"""Objects that are logged one by one at the start; of more objects, only so many with a warning or an error are."""

Find = Callable[[type[TopLevel], ObjectRef], TopLevel | None]


class EventSink(Protocol):
    """Where Verdicts become Events."""

    def record(self, *verdicts: Verdict, occasion: Occasion = UNKNOWN) -> None:
        """Collect all that is to be reported on one object now."""

    def forget(self, ref: ObjectRef, why: str = "removed") -> None:
        """Have nothing to say about an object any more."""


class StatusSink(Protocol):
    """Where Verdicts become statuses."""

    def report(self, verdict: Verdict) -> None:
        """Take note."""

    def forget(self, ref: ObjectRef) -> None:
        """Stop caring."""


class Census(msgspec.Struct, frozen=True):
    """How the objects of our class fare.

    Attributes:
        served: those that requests reach.
        refused: those that are not served as they stand; an earlier version of them may be.
    """

    served: int
    refused: int


class Sinks(msgspec.Struct, frozen=True):
    """The destinations of the Reporter.

    Attributes:
        events: takes Verdicts for Events.
        status: takes Verdicts for statuses, if those are written.
        addresses: called after each batch with the ConfigMap's ``external-status-address``, to look at the addresses
            of Ingresses again.
        seen: called after each batch with its keys, also of objects that changed in nothing that is judged.
    """

    events: EventSink
    status: StatusSink | None
    addresses: Callable[[str], None] = lambda _: None
    seen: Callable[[frozenset[ObjectRef]], None] = lambda _: None


class _FirstLines:
    """Which objects of the first batch are logged one by one; thousands of lines would hide those that matter."""

    def __init__(self) -> None:
        self.crowded = False
        self._left = FIRST_LINES
        self._hidden = 0

    def hides(self, verdict: Verdict) -> bool:
        """Whether the line about *verdict* is a detail."""
        if self.crowded and verdict.type is EventType.NORMAL:
            return True
        self._left -= 1
        self._hidden += self._left < 0
        return self._left < 0

    def conclude(self) -> None:
        """Log how many warnings were not logged one by one."""
        if self._hidden:
            text = f"{self._hidden:,} more objects have a warning or an error; -log-level=debug logs them"
            log.warning("more warnings", extra={"fields": {"count": self._hidden}, "sentence": text})


class Reporter:
    """Remembers the last verdict of each object."""

    def __init__(  # noqa: PLR0913 - the sources of verdicts and their destinations
        self,
        kinds: Iterable[ClaimantKind],
        find: Find,
        sinks: Sinks,
        pod: Subject,
        config_maps: Sequence[ObjectRef] = (),
        *,
        folder: str = "",
    ) -> None:
        """Speak through *sinks*.

        Args:
            kinds: the kinds whose objects have verdicts.
            find: looks up the version of an object that the Pipeline had: a newer one may be there already, which is
                not what the verdict is about.
            sinks: where it speaks.
            pod: Headgate's own Pod.
            config_maps: the ConfigMaps that flags name; the first decides about all of nginx.
            folder: where the objects come from if not from a cluster. Objects of other controllers are logged then, and
                that nothing is served; in a cluster both are usual.
        """
        self.pod = pod
        """What Events about the Secrets of flags are attached to."""
        self._kinds = {(kind.model.KIND.group, kind.model.KIND.name): kind for kind in kinds}
        self._find = find
        self._sinks = sinks
        self._config_maps = tuple(config_maps)
        self._folder = folder
        self._none_served = ""
        self._last: dict[ObjectRef, Verdict] = {}
        self._last_of_config_maps: dict[ObjectRef, tuple[Verdict, ...]] = {}
        self._warned: set[ObjectRef] = set()
        """The objects whose last verdict is a warning."""
        self._standings: dict[ObjectRef, Standing] = {}
        self._ownerless: set[ObjectRef] = set()
        """The objects that claim nothing by themselves (Policies)."""
        self._refused: frozenset[ObjectRef] = frozenset()
        self._kept: frozenset[ObjectRef] = frozenset()
        self._idle: frozenset[ObjectRef] = frozenset()
        self._ignored: dict[ObjectRef, str] = {}
        self._shared: Mapping[ObjectRef, tuple[Problem, ...]] = {}
        """Problems of objects that nginx serves: it refuses others, or warns of something."""
        self._shares: dict[ObjectRef, _Shares] = {}
        """What each resource says about the objects in it, in this batch."""
        self._doubtful: set[ObjectRef] = set()
        """Objects on which a failed apply was reported; the next success is reported too."""
        self._users: Mapping[ObjectRef, list[Generated]] = {}
        """The resources that refer to objects without a resource of their own (Policies)."""
        self._reported = 0
        """Problems that were reported in this batch."""
        self._first: _FirstLines | None = _FirstLines()
        """What the log of the first batch gets; ``None`` after it."""

    def report(self, generation: Generation, result: ApplyResult, keys: frozenset[ObjectRef]) -> int:
        """Tell the owners of everything that *generation* looked at, and of what nginx refuses or refuses no longer.

        Args:
            generation: the answer that nginx was given last.
            result: how nginx took it.
            keys: the batch; for its objects an unchanged verdict is reported again, unless only their status changed.

        Returns:
            how many problems were reported.
        """
        update = generation.update
        self._reported = 0
        self._shares.clear()
        self._log_ignored(generation)
        self._take_standings(update.standings)
        for ref in update.gone:
            ignored = update.ignored.get(ref)
            self._forget(ref, f"no longer served, {ignored}" if ignored else "removed")
        for ref in keys | update.gone | update.standings.keys():
            self._ignored.pop(ref, None)
        self._ignored.update(update.ignored)
        self._users = self._index(generation)
        concerned = self._concerned(generation, result)
        if self._first:
            self._first.crowded = len(concerned) > FIRST_LINES
        for ref in sorted(concerned):
            self._tell(ref, generation, result, again=ref in keys and ref in update.standings)
        if generation.config_map is not None:
            for number, ref in enumerate(self._config_maps):
                problems = tuple(problem for problem in generation.config_map if problem.origin == ref)
                self._tell_config_map(ref, problems, None if number else result, again=ref in keys)
        for secret, problems in generation.special.items():
            self._tell_special(secret, problems)
        self._sinks.addresses(generation.env.params.main.external_status_address or "")
        self._sinks.seen(keys)
        if self._folder and result.ok:
            self._tell_none_served()
        if self._first:
            self._first.conclude()
        self._first = None
        return self._reported

    def verdicts(self) -> Mapping[ObjectRef, Verdict]:
        """Return the last verdict of each object."""
        return self._last.copy()

    def ignored(self) -> Mapping[ObjectRef, str]:
        """Return the objects of other controllers, and why they are not served here."""
        return self._ignored.copy()

    def refused(self) -> Iterator[ObjectRef]:
        """Yield the objects that are not served as they stand."""
        return (ref for ref, verdict in self._last.items() if verdict.state is State.INVALID)

    def census(self) -> Census:
        """Count the objects by their last verdict."""
        served = sum(verdict.served for verdict in self._last.values())
        return Census(served=served, refused=sum(1 for _ in self.refused()))

    def _take_standings(self, standings: Mapping[ObjectRef, Standing]) -> None:
        self._standings.update(standings)
        for ref, standing in standings.items():
            (self._ownerless.add if standing.owner is None else self._ownerless.discard)(ref)

    def _concerned(self, generation: Generation, result: ApplyResult) -> set[ObjectRef]:
        """Return the objects whose verdict may have changed."""
        refused, kept = frozenset(result.refused), result.kept & result.refused.keys()
        concerned = set(generation.update.standings)
        for ref in generation.generated:
            concerned.update(generation.members(ref))
        for ref in (refused ^ self._refused) | (kept ^ self._kept) | (result.idle ^ self._idle):
            if (ref.group, ref.kind) in self._kinds:
                concerned.add(ref)
        self._refused, self._kept, self._idle = refused, kept, result.idle
        if result.ok:
            before, self._shared = self._shared, shared(generation, result)
            told = before.keys() | self._shared.keys()
            concerned.update(
                ref for ref in told if before.get(ref) != self._shared.get(ref) and (ref.group, ref.kind) in self._kinds
            )
        concerned |= self._doubtful
        concerned |= (self._users.keys() | self._warned) & self._ownerless
        concerned -= generation.update.gone
        self._doubtful = set() if result.ok else set(concerned)
        return concerned

    def _index(self, generation: Generation) -> Mapping[ObjectRef, list[Generated]]:
        """Return the resources that refer to each object that claims nothing by itself."""
        users: dict[ObjectRef, list[Generated]] = {}
        for found in generation.resources.values() if self._ownerless else ():
            for ref in self._ownerless & found.wanted.references:
                users.setdefault(ref, []).append(found)
        return users

    def _log_ignored(self, generation: Generation) -> None:
        update = generation.update
        ignored = {ref: why for ref, why in update.ignored.items() if ref not in update.gone}  # which have a line
        self._log_alike("ignored", ignored, "ignored, ")
        self._log_alike("without class", update.assumed)

    def _log_alike(self, message: str, reasons: Mapping[ObjectRef, str], lead: str = "") -> None:
        """Log one line for each object, but one for many with the same reason; these have theirs at DEBUG."""
        level = logging.INFO if self._folder else logging.DEBUG
        alike: dict[str, list[str]] = {}
        for ref, reason in sorted(reasons.items()):
            alike.setdefault(reason, []).append(str(ref))
        for reason, names in alike.items():
            if many := len(names) > EACH and level > logging.DEBUG:
                fields = {"objects": names[:NAMED], "count": len(names), "reason": reason}
                log.log(level, message, extra={"fields": fields, "sentence": f"{some(names)}: {lead}{reason}"})
            for name in names:
                one = {"object": name, "reason": reason}
                shown = logging.DEBUG if many else level
                log.log(shown, message, extra={"fields": one, "sentence": f"{name}: {lead}{reason}"})

    def _tell_none_served(self) -> None:
        """Log that nothing is served, and why, once until something is served or the reason is another one."""
        kinds = self._kinds
        present = (ref for ref in self._ignored if self._find(kinds[ref.group, ref.kind].model, ref))
        ignored = {ref: self._ignored[ref] for ref in present}
        unserved = counted(ref for ref, verdict in self._last.items() if is_unserved(verdict))
        reason = "" if self.census().served else none_served(self._folder, counted(self.refused()), unserved, ignored)
        if reason and reason != self._none_served:
            fields = {"reason": reason, "effect": "requests are answered with 404"}
            sentence = f"nothing is served: {reason} ({fields['effect']})"
            log.warning("nothing is served", extra={"fields": fields, "sentence": sentence})
        self._none_served = reason

    def _tell(self, ref: ObjectRef, generation: Generation, result: ApplyResult, *, again: bool) -> None:
        """Judge one object; say it if it differs from the last time, or if its owner just wrote it."""
        kind = self._kinds[ref.group, ref.kind]
        item = self._find(kind.model, ref)
        if item is None:
            return
        standing = self._standings.get(ref, Standing())
        shares = self._shares_of(standing.owner, generation) if standing.owner else _NOTHING
        users = self._users.get(ref, [])
        found = [*standing.problems, *shares.found.get(ref, ()), *_about(ref, users, generated=False)]
        generated = [*shares.generated.get(ref, ()), *_about(ref, users, generated=True), *self._shared.get(ref, ())]
        subject = Subject(ref, item.metadata.uid, item.KIND.api_version, item.metadata.generation or 0)
        refused = refusal(ref, standing.owner, result)
        verdict = kind.verdict(subject, found, generated, refused)
        if ref in shares.closed:
            verdict = structs.replace(verdict, served=False)
        if standing.owner and standing.owner != ref:
            verdict = structs.replace(verdict, owner=standing.owner)
        occasion = Occasion(changed=again, hosts=tuple(shares.hosts.get(ref, ())))
        if again or verdict != self._last.get(ref):
            if self._first and self._first.hides(verdict):
                occasion = structs.replace(occasion, quiet=True)
            self._sinks.events.record(verdict, occasion=occasion)
            self._reported += len(found) + len(generated) + (refused is not None)
        self._last[ref] = verdict
        (self._warned.add if verdict.state is State.WARNING else self._warned.discard)(ref)
        if self._sinks.status:
            self._sinks.status.report(verdict)

    def _shares_of(self, owner: ObjectRef, generation: Generation) -> _Shares:
        if owner not in self._shares:
            self._shares[owner] = _Shares(owner, generation.resources.get(owner))
        return self._shares[owner]

    def _tell_config_map(
        self, ref: ObjectRef, problems: tuple[Problem, ...], result: ApplyResult | None, *, again: bool
    ) -> None:
        """Judge a ConfigMap; say it if it differs from the last time, or if its owner just wrote it.

        *result* is how nginx took everything, ``None`` if it does not depend on this one.
        """
        found = self._find(ConfigMap, ref)
        subject = Subject(ref, found.metadata.uid if found else "", ConfigMap.KIND.api_version)
        refused = result is not None and not result.ok
        verdicts = for_config_map(subject, problems, Refusal(result.error) if result and refused else None)
        if again or verdicts != self._last_of_config_maps.get(ref, ()):
            self._sinks.events.record(*verdicts, occasion=Occasion(changed=again))
            self._reported += len(problems) + refused
        self._last_of_config_maps[ref] = verdicts

    def _tell_special(self, secret: ObjectRef, problems: tuple[Problem, ...]) -> None:
        """Say what became of a Secret of a flag; each renewal is news, though the words are the same."""
        bad = [problem for problem in problems if problem.code]
        if not bad:
            verdict = secret_updated(self.pod, secret)
        elif self._find(Secret, secret) is None:
            verdict = secret_deleted(self.pod, secret)
        else:
            verdict = secret_rejected(self.pod, secret, bad)
        self._sinks.events.record(verdict)
        self._reported += len(bad)

    def _forget(self, ref: ObjectRef, why: str) -> None:
        self._last.pop(ref, None)
        self._warned.discard(ref)
        self._standings.pop(ref, None)
        self._ownerless.discard(ref)
        self._sinks.events.forget(ref, why)
        if self._sinks.status:
            self._sinks.status.forget(ref)


class _Shares:
    """What a resource says about each object in it, looked up once for all of them.

    Attributes:
        hosts: the host names at which an object answers requests; those of the resource itself are all.
        closed: the objects whose hosts have no listener.
        found: Problems of an object from when the resource was lowered; ``generated`` those from when it was generated.
    """

    def __init__(self, ref: ObjectRef, resource: Generated | None) -> None:
        self.hosts: defaultdict[ObjectRef, list[str]] = defaultdict(list)
        self.closed: set[ObjectRef] = set()
        for host in resource.wanted.table.hosts if resource else ():
            for origin in {ref, *(route.origin for route in host.routes)}:
                if resource and resource.is_open(host.name):
                    self.hosts[origin].append(host.name)
                else:
                    self.closed.add(origin)
        self.closed -= self.hosts.keys()
        self.found = _by_origin(resource.wanted.problems if resource else ())
        self.generated = _by_origin(resource.problems if resource else ())


def _by_origin(problems: Iterable[Problem]) -> Mapping[ObjectRef, list[Problem]]:
    found: defaultdict[ObjectRef, list[Problem]] = defaultdict(list)
    for problem in problems:
        found[problem.origin].append(problem)
    return found


_NOTHING = _Shares(ObjectRef("", "", ""), None)
"""Of an object that no resource has."""


def _about(ref: ObjectRef, resources: Iterable[Generated], *, generated: bool) -> Iterator[Problem]:
    """Yield the Problems of *ref* in *resources*, once: found when these were lowered, or when they were generated."""
    every = (problem for found in resources for problem in (found.problems if generated else found.wanted.problems))
    yield from dict.fromkeys(problem for problem in every if problem.origin == ref)
