"""The nginx that serves: test what is on disk, make it live, know whether it is."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

import msgspec

from headgate.ir import Layout
from headgate.nginx import orphans, procfs, verify
from headgate.nginx.blame import refusal
from headgate.nginx.error_pipe import ErrorPipe
from headgate.nginx.errors import NginxError
from headgate.nginx.process import ErrorLog, Master, Tested, launch, test
from headgate.nginx.verify import Expectation, ReloadResult

log = logging.getLogger(__name__)

ABANDON_S: Final = 1.0
"""Seconds that a start which failed is given to end by itself."""


class Live(msgspec.Struct, frozen=True):
    """What came of making a configuration live.

    Attributes:
        verdict: see ReloadResult.
        log: what nginx wrote to its error log meanwhile.
        ms: milliseconds it took.
    """

    verdict: ReloadResult
    log: str
    ms: float

    @property
    def ok(self) -> bool:
        """Whether nginx serves it."""
        return self.verdict in {ReloadResult.SERVED, ReloadResult.LINGERING}


class Nginx:
    """One nginx under one Layout; at most one master at a time."""

    def __init__(
        self, binary: str, layout: Layout, timeout_s: float, spacing_s: float = 0.0, errors: ErrorPipe | None = None
    ) -> None:
        """Use *binary*; nothing is started yet.

        Args:
            binary: the program.
            layout: its directories.
            timeout_s: seconds after which a reload without an answer has failed.
            spacing_s: seconds from the end of one reload to the signal of the next.
            errors: what reads nginx's standard error, if anything does.
        """
        self._pipe = errors
        self._binary = binary
        self._layout = layout
        self._timeout_s = timeout_s
        self._spacing_s = spacing_s
        self._rested = float("-inf")
        """When the next reload may be signalled."""
        self._errors = ErrorLog(layout.error_log)
        self.master: Master | None = None
        self.version = 0
        """The version that is served; 0 before the first."""
        self._issued = 0
        self._closing = asyncio.Event()

    @property
    def alive(self) -> bool:
        """Whether there is a master."""
        return self.master is not None and self.master.alive

    def issue(self) -> int:
        """Return a version number that no configuration had yet; the next ``go_live`` waits for it."""
        self._issued += 1
        return self._issued

    async def test(self, within_s: float = float("inf")) -> Tested:
        """Return what ``nginx -t`` says against the files on disk.

        Raises:
            NginxError: it took longer than ``timeout_s`` or *within_s*, or cannot be run.
        """
        return await test(self._binary, self._layout, min(self._timeout_s, within_s))

    async def go_live(self, within_s: float = float("inf")) -> Live:
        """Reload, or start, with the files on disk, whose version file says what ``issue`` did last; wait.

        The distance to the reload before is kept here, so that writing and testing fill it. A refused reload
        leaves the earlier configuration serving; a failed start leaves nothing running. Nobody waits longer than
        ``timeout_s`` or *within_s*.

        Raises:
            NginxError: nginx could not even be started, or something of an earlier run is in the way.
        """
        await asyncio.sleep(max(0.0, self._rested - time.monotonic()))
        version = self._issued
        mark, began = self._errors.mark(), time.monotonic()
        fresh = not self.alive
        old = procfs.accepting(procfs.workers(self.master.pid)) if self.master and not fresh else frozenset()
        master = await self._signal()
        expected = Expectation(
            version=version,
            old=old,
            given_up=lambda: not fresh and refusal(self._errors.since(mark), master.pid),
            alive=lambda: master.alive,
        )
        verdict = await verify.wait(self._layout, expected, min(self._timeout_s, within_s))
        live = Live(verdict, self._errors.since(mark), (time.monotonic() - began) * 1000)
        if live.ok:
            self.version = version
            self._rested = time.monotonic() + self._spacing_s
        elif fresh:
            await master.quit(ABANDON_S)
        if verdict is ReloadResult.LINGERING:
            log.warning("old workers still accept connections", extra={"fields": {"version": version}})
        return live

    async def quit(self, drain: float) -> None:
        """Stop nginx for good: QUIT and *drain* seconds, then TERM, then KILL; nothing can start it again."""
        self._closing.set()
        if self.master is not None:
            await self.master.quit(drain)

    @property
    def closing(self) -> bool:
        """Whether ``quit`` was called."""
        return self._closing.is_set()

    def nudge(self) -> None:
        """Ask for a reload of what is on disk now without waiting for it, after a reload that never answered."""
        if self.master is not None:
            self.master.hang_up()

    def generations(self) -> procfs.Generations:
        """Count current workers and those that are still leaving."""
        return procfs.generations(self.master.pid) if self.master and self.alive else procfs.Generations()

    async def _signal(self) -> Master:
        """Make the master read the files: a HUP, or a new master where there is none."""
        if self.closing:
            raise NginxError("nginx is being stopped")
        if self.master is not None and self.master.alive:
            self.master.hang_up()
            return self.master
        await orphans.reap(self._layout)
        orphans.unlink_sockets(self._layout)
        self.master = await launch(self._binary, self._layout, self._pipe.writer if self._pipe else None)
        if self._pipe:
            self._pipe.master = self.master.pid
        if self._closing.is_set():  # quit came while the program was starting and found no master
            await self.master.quit(ABANDON_S)
        return self.master
