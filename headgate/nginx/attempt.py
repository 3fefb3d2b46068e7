"""One attempt to make nginx serve a FileSet, leaving out what it refuses.

The order is: write, ``nginx -t``, reload, verify. Wherever nginx complains, the object at fault gets its last good
files back and the rest is tried again; if nginx does not say who is at fault, halves are tried. An object that is
gone never comes back: if others do not work without it, they are left out.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

import msgspec

from headgate.ir import FileSet, Layout, Release
from headgate.ir.live import LiveObjects
from headgate.nginx.blame import Blame, Cause, blame, unbound
from headgate.nginx.disk import Transaction
from headgate.nginx.holding import composed
from headgate.nginx.isolate import (
    UNDECIDED,
    Hold,
    Holds,
    bisect,
    changed,
    culprits,
    gone,
    is_secret,
    listening_at,
    moves,
    on_shifted_port,
)
from headgate.nginx.plan import plan
from headgate.nginx.ports import unusable
from headgate.nginx.serving import Nginx
from headgate.nginx.verify import ReloadResult, version_file
from headgate.problems import ObjectRef

LEAST_S: Final = 1.0
"""Seconds that a step may take even when the time for all of them is over."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What an Attempt is about.

    Attributes:
        layout: where the files are.
        wanted: what should be served.
        good: what is served now, or was last; empty at the start.
        present: what is on disk now, the version file included.
        lapsed: objects that nginx has refused for a while though their files did not change.
        patience_s: seconds after which no further objects are looked for; those not yet accepted are left out.
        limit_s: seconds after which everything must have ended.
        live: what should be pushed beside it.
        pushed: what is pushed now.
        flags: the flag of each port that a flag sets.
    """

    layout: Layout
    wanted: FileSet
    good: FileSet
    present: FileSet
    lapsed: frozenset[ObjectRef] = frozenset()
    patience_s: float
    limit_s: float
    live: LiveObjects | None = None
    pushed: LiveObjects | None = None
    flags: Mapping[int, str] = {}


class Failure(msgspec.Struct, frozen=True):
    """Why a set is not served.

    Attributes:
        reason: nginx's complaint, taken apart.
        live: ``nginx -t`` passed, the running master refused.
        outside: the fault lies outside the configuration (a port in use, no answer in time).
        pending: nginx may still take it, late.
        addresses: all that nginx could not bind.
    """

    reason: Blame
    live: bool = False
    outside: bool = False
    pending: bool = False
    addresses: tuple[str, ...] = ()


class Attempt:
    """Holds what is tried, what is left out and why; ends in ``served`` or in a Failure."""

    def __init__(self, nginx: Nginx, transaction: Transaction, task: Task, holds: Holds) -> None:
        """Begin with *holds*, the origins known to be refused; nothing is written yet."""
        self._nginx = nginx
        self._transaction = transaction
        self.task = task
        self.holds = dict(holds)
        self._changed = changed(task.wanted, task.good)
        self._suspects = dict.fromkeys(self._changed, Hold.LAST_GOOD)
        """Who may be at fault, and what first stands in for each."""
        self._version = nginx.version
        self._widened = not nginx.alive
        """Whether unchanged objects are among them: nginx may refuse what it accepted before."""
        if self._widened:
            self._suspect_all(task.wanted)
        self.present = task.present
        self.candidate = task.wanted
        self.refused: dict[ObjectRef, Blame] = {}
        self._bare = {origin for origin, hold in holds.items() if hold is Hold.BARE}
        """Objects in whose place nothing can be served, though they keep clients out."""
        self.reloaded = False
        self.warnings = ""
        """What the last ``nginx -t`` warned of."""
        self.test_ms = 0.0
        self.live_ms = 0.0
        self.unchanged: set[ObjectRef] = set()
        """Objects that nginx refuses for something outside of them, though their files did not change."""
        self.out_of_time = False
        """Whether the search timed out without another object to leave out."""
        began = time.monotonic()
        self._search_until = began + min(task.patience_s, task.limit_s / 4)
        self._end = began + task.limit_s

    async def run(self) -> Failure | None:
        """Try until something is served; return ``None``, or why nothing could be.

        Cancellation leaves the disk to the Transaction, and nginx with the last set it took.

        Raises:
            NginxError: the disk or the program failed; the files on disk are as the Transaction knows them.
        """
        while failure := await self._try(self.holds):
            found = await self._at_fault(failure)
            if found is None:
                return failure
            self._hold(found)
        return None

    def explain(self, failure: Failure) -> str:
        """Say in one line why nothing new is served, and what to do if the fault lies outside."""
        reason = failure.reason
        return unusable(reason, failure.addresses, self.task.flags) if reason.address else reason.message

    async def _at_fault(self, failure: Failure) -> Mapping[ObjectRef, Blame] | None:
        """Return what to leave out and why, ``None`` if that is unknown; after the time limit, all not tried."""
        if failure.outside:
            return None
        if time.monotonic() >= self._end:
            self.out_of_time = True
            return None
        if self._expired() and (rest := self._undecided().keys() & self._changed.keys()):
            return dict.fromkeys(sorted(rest), UNDECIDED)
        self._suspect_unchanged(failure.reason)
        blamed = culprits(failure.reason, self.candidate, self._suspects)
        if blamed := [origin for origin in blamed if self.holds.get(origin) not in {Hold.ABSENT, Hold.BARE}]:
            return dict.fromkeys(blamed, failure.reason)
        if self._expired():
            self.out_of_time = True
            return None
        found = await self._bisect(failure)
        if found is None:
            broken = await self._widen()
            return await self._at_fault(broken) if broken else None
        # An object whose files did not change is never left out untried.
        untried = [origin for origin, reason in found.items() if reason is UNDECIDED and origin not in self._changed]
        self.out_of_time = bool(untried)
        return None if untried else found

    def _suspect_unchanged(self, reason: Blame) -> None:
        """Suspect the origin of an unchanged file that nginx refuses for something outside of it.

        A name that does not resolve costs what has a fallback at once. Anything else is left out only if it lasts, for
        nginx serves it still: a moment without a resolver must not take a host away.
        """
        named = self.candidate.get(reason.file) if reason.cause is Cause.SURROUNDINGS else None
        if named is None or named.origin is None or named.origin in self._suspects:
            return
        replaced = reason.unresolved and named.fallback is not None and not named.within
        if replaced or named.origin in self.task.lapsed:
            self._suspects[named.origin] = Hold.ABSENT
        else:
            self.unchanged.add(named.origin)

    def _suspect_unchanged_listeners(self, reason: Blame) -> None:
        """Suspect unchanged origins that listen at an address which this machine no longer has, if that lasts."""
        if culprits(reason, self.candidate, self._suspects):
            return
        for origin in sorted(listening_at(reason.address, self.candidate)):
            if origin in self.task.lapsed:
                self._suspects[origin] = Hold.ABSENT
            else:
                self.unchanged.add(origin)

    def _hold(self, found: Mapping[ObjectRef, Blame]) -> None:
        """Leave origins out; one whose last good files stand in already has none from now on.

        Nor has one that moves to another address of its port, which can be opened once the old one is closed.
        """
        for origin, reason in found.items():
            moving = moves(origin, reason.port, self.task.wanted, self.task.good) if reason.address else False
            hold = Hold.ABSENT if moving or origin in self.holds else self._suspects[origin]
            self.holds[origin] = Hold.BARE if origin in self._bare else hold
            self.refused.setdefault(origin, reason)

    async def _bisect(self, failure: Failure) -> dict[ObjectRef, Blame] | None:
        """Look for the objects at fault by halves; ``None`` if it is none of the suspects."""

        async def probe(holds: Holds) -> Blame | None:
            again = await self._try(holds) if failure.live else await self._test(holds)
            return again.reason if again else None

        undecided = self._undecided()
        return await bisect(undecided, self.holds, probe, self._expired) if undecided else None

    async def _widen(self) -> Failure | None:
        """Suspect the unchanged objects too, if some fail because others are gone; return how.

        Otherwise deleted objects would stay as long as another object depends on a part of them.
        """
        lost = gone(self.task.wanted, self.task.good)
        if self._widened or not lost:
            return None
        self._widened = True
        rest = self._composed({**self.holds, **self._undecided()})
        failure = await self._test_files(rest)
        if failure is None or await self._test_files(FileSet({**lost, **rest}.values())):
            return None
        self._suspect_all(rest)
        self.candidate = rest
        return failure

    def _suspect_all(self, files: FileSet) -> None:
        for file in files.values():
            if file.origin is not None and not is_secret(file.name):
                self._suspects.setdefault(file.origin, Hold.ABSENT)

    def _undecided(self) -> Holds:
        return {origin: hold for origin, hold in self._suspects.items() if origin not in self.holds}

    def _expired(self) -> bool:
        """Whether no further objects are looked for."""
        return time.monotonic() >= self._search_until

    def _left(self) -> float:
        """Seconds that the next step may take."""
        return max(LEAST_S, self._end - time.monotonic())

    async def _try(self, holds: Holds) -> Failure | None:
        """Write, test, make live; if all that was left out leaves nothing to reload, just put the files back."""
        candidate = self._composed(holds)
        unchanged = self._nginx.alive and self._nginx.version == self._version
        if self.refused and unchanged and not plan(self.task.good, candidate).reload:
            await self._write(candidate, self._nginx.version)
            return None
        return await self._test(holds) or await self._go_live()

    def _composed(self, holds: Holds) -> FileSet:
        task = self.task
        holds = {origin: Hold.BARE if origin in self._bare else hold for origin, hold in holds.items()}
        return composed(Release(task.wanted, task.live), task.good, task.pushed, holds)

    async def _test(self, holds: Holds) -> Failure | None:
        """Test what is composed with *holds*; what nginx refuses of Headgate's own in place of a file is left out."""
        while failure := await self._test_files(self._composed(holds)):
            origin = self._replaced(failure.reason.file, holds)
            if origin is None:
                break
            self._bare.add(origin)
            if origin in self.holds:
                self.holds[origin] = Hold.BARE
        return failure

    def _replaced(self, name: str, holds: Holds) -> ObjectRef | None:
        """Return the origin in whose place the file called *name* holds what is ``partial``."""
        wanted, there = self.task.wanted.get(name), self.candidate.get(name)
        if wanted is None or there is None or there.origin is not None or wanted.origin in self._bare:
            return None
        return wanted.origin if wanted.origin in holds and there.data == wanted.partial else None

    async def _test_files(self, candidate: FileSet) -> Failure | None:
        await self._write(candidate, self._nginx.issue())
        began = time.monotonic()
        tested = await self._nginx.test(self._left())
        self.test_ms += (time.monotonic() - began) * 1000
        self.warnings = tested.warnings
        return self._failure(tested.failure, live=False) if tested.failure else None

    async def _write(self, candidate: FileSet, version: int) -> None:
        target = FileSet([*candidate.values(), version_file(self.task.layout, version)])
        await self._transaction.carry_out(plan(self.present, target))
        self.candidate, self.present = candidate, target

    async def _go_live(self) -> Failure | None:
        live = await self._nginx.go_live(self._left())
        self.live_ms = live.ms
        if live.ok:
            self.reloaded = True
            return None
        failure = self._failure(live.log, live=True)
        if failure.reason.message and live.verdict is not ReloadResult.SILENT:
            return failure
        silent = f"nginx did not answer the new version within {live.ms / 1000:.1f} s"
        died = "nginx ended before it answered the new version"
        reason = Blame(message=died if live.verdict is ReloadResult.DIED else silent)
        return Failure(reason, live=True, outside=True, pending=live.verdict is ReloadResult.SILENT)

    def _failure(self, output: str, *, live: bool) -> Failure:
        reason = blame(output, self.task.layout.conf)
        if reason.address:
            self._suspects |= dict.fromkeys(on_shifted_port(reason.port, self.candidate, self.task.good), Hold.ABSENT)
            self._suspect_unchanged_listeners(reason)
        outside = bool(reason.address) and not culprits(reason, self.candidate, self._suspects)
        return Failure(reason, live=live, outside=outside, addresses=unbound(output))
