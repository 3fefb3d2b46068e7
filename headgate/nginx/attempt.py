"""One attempt to make nginx serve a FileSet, leaving out what it refuses.

The order is: write, ``nginx -t``, reload, verify. Wherever nginx complains, the object at fault gets its last good
files back and the rest is tried again; if nginx does not say who is at fault, halves are tried.
"""

from __future__ import annotations

import time
from typing import Final

import msgspec

from headgate.ir import FileSet, Layout
from headgate.ir.apply import NOT_TRIED
from headgate.nginx.blame import Blame, blame
from headgate.nginx.disk import Transaction
from headgate.nginx.isolate import Hold, Holds, bisect, changed, compose, culprits
from headgate.nginx.plan import plan
from headgate.nginx.serving import Nginx
from headgate.nginx.verify import Verdict, version_file
from headgate.problems import ObjectRef

LATE: Final = f"{NOT_TRIED}: leaving out other objects took too long; it is tried again with the next change"

_PORT_ADVICE: Final = "end the process that has it, or choose another port; it is tried again"


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What an Attempt is about.

    Attributes:
        layout: where the files are.
        wanted: what should be served.
        good: what is served now, or was last; empty at the start.
        present: what is on disk now, the version file included.
        patience_s: seconds after which no further objects are looked for; those not yet let in are left out.
    """

    layout: Layout
    wanted: FileSet
    good: FileSet
    present: FileSet
    patience_s: float


class Failure(msgspec.Struct, frozen=True):
    """Why a set is not served.

    Attributes:
        reason: nginx's complaint, taken apart.
        live: ``nginx -t`` passed, the running master refused.
        outside: the fault lies outside the configuration (a port in use, no answer in time).
        pending: nginx may still take it, late.
    """

    reason: Blame
    live: bool = False
    outside: bool = False
    pending: bool = False


class Attempt:
    """Holds what is tried, what is left out and why; ends in ``served`` or in a Failure."""

    def __init__(self, nginx: Nginx, transaction: Transaction, task: Task, holds: Holds) -> None:
        """Begin with *holds*, the origins known to be refused; nothing is written yet."""
        self._nginx = nginx
        self._transaction = transaction
        self.task = task
        self.holds = dict(holds)
        self._suspects = changed(task.wanted, task.good)
        self.present = task.present
        self.candidate = task.wanted
        self.refused: dict[ObjectRef, str] = {}
        self.late: set[ObjectRef] = set()
        """Origins among the refused that were never tried."""
        self.reloaded = False
        self.test_ms = 0.0
        self.live_ms = 0.0

    async def run(self) -> Failure | None:
        """Try until something is served; return ``None``, or why nothing could be.

        Cancellation leaves the disk to the Transaction, and nginx with the last set it took.

        Raises:
            NginxError: the disk or the program failed; the files on disk are as the Transaction knows them.
        """
        deadline = time.monotonic() + self.task.patience_s
        while failure := await self._try(self.holds):
            if failure.outside:
                return failure
            if time.monotonic() > deadline:
                return await self._leave_out(dict.fromkeys(self._undecided(), LATE))
            if not self._hold(failure.reason):
                return await self._bisect(failure)
        return None

    def explain(self, failure: Failure) -> str:
        """Say in one line why nothing new is served, and what to do if the fault lies outside."""
        reason = failure.reason
        if not reason.address:
            return reason.message
        what = f"port {reason.port}" if reason.port else reason.address
        advice = "use another port or grant CAP_NET_BIND_SERVICE" if "denied" in reason.message else _PORT_ADVICE
        return f"{what} cannot be used: {reason.message}; {advice}"

    def _hold(self, reason: Blame) -> bool:
        """Leave out whom *reason* blames; return whether that changes anything."""
        progress = False
        for origin in culprits(reason, self.candidate, self._suspects):
            held = self.holds.get(origin)
            if held is Hold.ABSENT:
                continue
            self.holds[origin] = Hold.ABSENT if held else Hold.LAST_GOOD
            self.refused.setdefault(origin, reason.message)
            progress = True
        return progress

    async def _bisect(self, failure: Failure) -> Failure | None:
        async def probe(holds: Holds) -> str:
            again = await self._try(holds) if failure.live else await self._test(holds)
            return again.reason.message if again else ""

        found = await bisect(self._undecided(), self.holds, probe) if self._undecided() else None
        return failure if found is None else await self._leave_out(found)

    async def _leave_out(self, found: dict[ObjectRef, str]) -> Failure | None:
        self.holds.update(dict.fromkeys(found, Hold.LAST_GOOD))
        self.refused.update(found)
        self.late.update(origin for origin, message in found.items() if message.startswith(NOT_TRIED))
        return await self._try(self.holds)

    def _undecided(self) -> list[ObjectRef]:
        return [origin for origin in self._suspects if origin not in self.holds]

    async def _try(self, holds: Holds) -> Failure | None:
        """Write, test, make live; if all that was left out leaves nothing to reload, just put the files back."""
        candidate = compose(self.task.wanted, self.task.good, holds)
        if self.refused and self._nginx.alive and not plan(self.task.good, candidate).reload:
            await self._write(candidate, self._nginx.version)
            return None
        return await self._test(holds) or await self._go_live()

    async def _test(self, holds: Holds) -> Failure | None:
        await self._write(compose(self.task.wanted, self.task.good, holds), self._nginx.issue())
        began = time.monotonic()
        complaint = await self._nginx.test()
        self.test_ms += (time.monotonic() - began) * 1000
        return self._failure(complaint, live=False) if complaint else None

    async def _write(self, candidate: FileSet, version: int) -> None:
        target = FileSet([*candidate.values(), version_file(self.task.layout, version)])
        await self._transaction.carry_out(plan(self.present, target))
        self.candidate, self.present = candidate, target

    async def _go_live(self) -> Failure | None:
        live = await self._nginx.go_live()
        self.live_ms = live.ms
        if live.ok:
            self.reloaded = True
            return None
        failure = self._failure(live.log, live=True)
        if failure.reason.message and live.verdict is not Verdict.SILENT:
            return failure
        silent = f"nginx did not answer the new version within {live.ms / 1000:.1f} s"
        died = "nginx ended before it answered the new version"
        reason = Blame(message=died if live.verdict is Verdict.DIED else silent)
        return Failure(reason, live=True, outside=True, pending=live.verdict is Verdict.SILENT)

    def _failure(self, output: str, *, live: bool) -> Failure:
        reason = blame(output, self.task.layout.conf)
        outside = bool(reason.address) and not culprits(reason, self.candidate, self._suspects)
        return Failure(reason, live=live, outside=outside)
