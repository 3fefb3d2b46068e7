"""The Manager: makes nginx serve a FileSet, verified, or says why not and keeps the last good one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Collection, Mapping
from typing import Final, Literal, Protocol

import msgspec
from msgspec import structs

from headgate.backoff import retry_delay
from headgate.ir import ApplyResult, File, FileSet, Layout, Outcome, Release
from headgate.ir.apply import APPLY_S
from headgate.ir.layout import MAIN, VERSION_FILE
from headgate.ir.live import LiveObjects, LiveSessionKeys
from headgate.nginx import orphans
from headgate.nginx.attempt import Attempt, Failure, Task
from headgate.nginx.blame import Blame, Cause, warnings
from headgate.nginx.capabilities import Binary
from headgate.nginx.directories import prepare, worker_group, worker_user
from headgate.nginx.disk import Disk
from headgate.nginx.error_pipe import ErrorPipe
from headgate.nginx.errors import NginxError
from headgate.nginx.holding import composed, fitting, held, needing, passed_on, profiles, staying
from headgate.nginx.isolate import Hold, idle
from headgate.nginx.live import Changed, FullError, StateReply
from headgate.nginx.live_states import LiveStates
from headgate.nginx.plan import plan, same
from headgate.nginx.procfs import Generations, readable
from headgate.nginx.repeats import Repeats
from headgate.nginx.serving import Nginx
from headgate.problems import ObjectRef

log = logging.getLogger(__name__)

Reason = Literal["endpoints", "other"]
RESTART_S: Final = 0.05
"""Seconds after the first failed attempt to restart a master that ended; the delay doubles with each attempt."""
LONGEST_RESTART_S: Final = 10.0
LAPSED_S: Final = 5.0
"""Seconds for which nginx must refuse an object whose files did not change before it is left out."""
BACK: Final = 0.75
"""The share of the time for an apply after which it must have ended or failed; the rest is for going back."""


class ManagerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to run nginx.

    Attributes:
        layout: its directories.
        binary: the program, from ``find_binary``.
        reload_timeout_s: seconds after which a reload without an answer has failed; also for each ``nginx -t``.
            ``apply_s`` cuts it short.
        min_spacing_s: seconds from the end of one reload to the signal of the next.
        isolate_s: seconds spent on finding the objects nginx refuses, before all that is new is left out.
        apply_s: seconds after which an apply has ended, that of going back after a failure included.
        flags: the flag of each port that a flag sets, for the message if it cannot be bound.
    """

    layout: Layout
    binary: Binary
    reload_timeout_s: float = 60.0
    min_spacing_s: float = 0.2
    isolate_s: float = 30.0
    apply_s: float = APPLY_S
    flags: Mapping[int, str] = {}


class ReloadStats(msgspec.Struct, frozen=True, kw_only=True):
    """Reloads since the start of the controller; the first start counts as one of ``other``.

    Attributes:
        endpoints: verified reloads because of endpoints only.
        other: verified reloads for any other reason.
        errors: applies and reloads in which nginx refused something or failed.
        pushed: upstreams that were pushed to workers without a reload.
        last_ok: whether the last attempt ended with nginx serving it.
        last_ms: milliseconds that the last verified reload took.
    """

    endpoints: int = 0
    other: int = 0
    errors: int = 0
    pushed: int = 0
    last_ok: bool = False
    last_ms: float = 0.0


class RefusedFiles(msgspec.Struct, frozen=True):
    """What nginx refused of one origin, so that the same bytes are not tried again and again.

    Attributes:
        files: the origin's files then, and those whose servers include them.
        reason: nginx's words.
        hold: what stands in for them.
    """

    files: tuple[File, ...]
    reason: Blame
    hold: Hold


class Manager(Protocol):
    """Five methods between a Release and a serving nginx."""

    @property
    def version(self) -> int:
        """The configuration version that nginx serves; 0 before the first."""

    async def start(self, release: Release) -> ApplyResult:
        """Start nginx with *release*."""

    async def apply(
        self, release: Release, *, reason: Reason = "other", retry: Collection[ObjectRef] = ()
    ) -> ApplyResult:
        """Make nginx serve *release* in place of whatever it serves, trying *retry* again though nginx refused them."""

    async def reload(self) -> ApplyResult:
        """Make nginx read the files that are there again."""

    async def quit(self, drain: float) -> None:
        """Stop nginx, with *drain* seconds for requests in flight."""


class LocalManager:
    """A Manager whose nginx is a child of this process.

    Calls may come from several tasks; they are served one after the other. ``run`` must be running for a
    master that dies to be restarted.
    """

    def __init__(
        self,
        options: ManagerOptions,
        on_restart: Callable[[str], None] | None = None,
        errors: ErrorPipe | None = None,
    ) -> None:
        """Nothing is touched yet.

        *on_restart* gets one line each time a dead master was replaced; *errors* reads nginx's standard error.
        """
        self._options = options
        self._on_restart = on_restart or (lambda _message: None)
        timeout, spacing = options.reload_timeout_s, options.min_spacing_s
        self._nginx = Nginx(options.binary.path, options.layout, timeout, spacing, errors)
        self._disk = Disk(options.layout.conf, worker_group(worker_user(options.layout)))
        self._live = LiveStates(options.layout)
        self._good = FileSet()
        self._pushed: LiveObjects | None = None
        """What the live state should have beside ``_good``; ``None`` where files say everything."""
        self._origins: Mapping[str, ObjectRef] = {}
        """The objects of the hosts that were pushed before."""
        self._passed: Mapping[str, ObjectRef] = {}
        """The hosts that server blocks have now, and that workers which end still know."""
        self._staying: frozenset[str] = frozenset()
        """The profiles of hosts in it whose last routes stay."""
        self._present = FileSet()
        self._refused: Mapping[ObjectRef, RefusedFiles] = {}
        self._warnings: Mapping[ObjectRef | None, tuple[str, ...]] = {}
        self._turn = asyncio.Lock()
        self._started = asyncio.Event()
        self._settled = False
        self._repeats = Repeats()
        self._unchanged: dict[ObjectRef, float] = {}
        """Whether nginx surely serves ``_good``; not after an attempt that was cancelled or never answered."""
        self.stats = ReloadStats()

    @property
    def version(self) -> int:
        """The configuration version that nginx serves; 0 before the first."""
        return self._nginx.version

    @property
    def alive(self) -> bool:
        """Whether there is an nginx master."""
        return self._nginx.alive

    @property
    def live(self) -> StateReply:
        """What nginx last said of its live state; all 0 where there is none."""
        return self._live.last

    @property
    def live_streams(self) -> StateReply:
        """What nginx last said of the servers of TCP and UDP; all 0 where they are in files."""
        return self._live.last_streams

    @property
    def master_pid(self) -> int | None:
        """The pid of the nginx master, if there is one."""
        return self._nginx.master.pid if self._nginx.master and self.alive else None

    def generations(self) -> Generations:
        """Count workers of the current configuration and those that are still leaving."""
        return self._nginx.generations()

    async def start(self, release: Release) -> ApplyResult:
        """End what an earlier run left, write the files of *release* and start nginx with those that it accepts.

        A FAILED result (a port in use) leaves nothing running; call again after a while.

        Raises:
            LayoutError: the directories cannot be used.
            DiskError: what is there cannot be read.
        """
        async with self._turn:
            if self._nginx.alive:
                return await self._bring(release, "other", {})
            await asyncio.to_thread(prepare, self._options.layout)
            if worker_user(self._options.layout) == "root" and not self._repeats.count:
                log.warning("nginx workers stay root: no other user may pass the directories above theirs")
            await orphans.reap(self._options.layout)
            self._disk.sweep()
            self._present = await asyncio.to_thread(self._disk.scan, [*release.files, VERSION_FILE])
            return await self._bring(release, "other", {})

    async def apply(
        self, release: Release, *, reason: Reason = "other", retry: Collection[ObjectRef] = ()
    ) -> ApplyResult:
        """Make nginx serve *release*, leaving out the origins whose files it refuses; never raises for its faults.

        An origin whose very files were refused before is left out without another try, unless it is in *retry* or
        ``nginx.conf`` changed. It has ended after ``apply_s``.
        Cancellation puts the files back; nginx may be serving either set, and a later apply mends that.
        """
        async with self._turn:
            return await self._bring(release, reason, self._known(release.files, retry))

    async def share_session_keys(self, keys: LiveSessionKeys) -> None:
        """Have workers open sessions that were sealed with *keys*, from now on and after each start."""
        async with self._turn:
            self._live.set_session_keys(keys)
            if self._nginx.alive and self._pushed is not None:
                with contextlib.suppress(NginxError):  # they go with the next push, or the next time they are read
                    await self._live.push_keys()

    async def reload(self) -> ApplyResult:
        """Reload nginx with the files it serves."""
        async with self._turn:
            return await self._serve_again()

    async def quit(self, drain: float) -> None:
        """Stop nginx for good: QUIT, *drain* seconds for requests in flight, then TERM, then KILL.

        Applies that are waiting or under way fail.
        """
        await self._nginx.quit(drain)

    async def run(self) -> None:
        """Restart a master that dies, with the last good files; ends by cancellation, or after ``quit``."""
        await self._started.wait()
        while self._nginx.master is not None and not self._nginx.closing:
            ended = await self._nginx.master.wait()
            failures = 0
            while not await self._revive(ended):
                failures += 1
                await asyncio.sleep(retry_delay(failures, first=RESTART_S, longest=LONGEST_RESTART_S))

    async def _revive(self, ended: str) -> bool:
        """Start a master again, unless an apply did so meanwhile; return whether no further try is needed."""
        if self._nginx.closing:
            return True
        log.error("nginx master ended", extra={"fields": {"how": ended}})
        async with self._turn:
            result = None if self._nginx.alive else await self._serve_again()
        if result is not None and not result.ok:
            return self._nginx.closing
        self._on_restart(f"nginx master ended ({ended}) and was restarted with the last good configuration")
        return True

    async def _bring(self, release: Release, reason: Reason, known: Mapping[ObjectRef, RefusedFiles]) -> ApplyResult:
        """Make nginx serve *release*; if workers have no memory for a part of it, the rest, and fail."""
        before = self._pushed
        try:
            return await self._bring_whole(release, reason, known)
        except FullError as full:
            self._pushed, wanted = before, release.live or LiveObjects()
            part = fitting(wanted, before or LiveObjects(), full.lacking)
            blame = Blame(message=str(full), cause=Cause.TIME)
            left_out = {
                origin: RefusedFiles((), blame, Hold.LAST_GOOD) for origin in needing(release.files, wanted, part)
            }
            try:
                result = await self._bring_whole(Release(release.files, part), reason, {**known, **left_out})
            except FullError:
                return self._failed(str(full))
            return self._failed(str(full)) if result.ok else result

    async def _bring_whole(
        self, release: Release, reason: Reason, known: Mapping[ObjectRef, RefusedFiles]
    ) -> ApplyResult:
        """Make nginx serve *release*.

        Raises:
            FullError: workers have no memory for a part of it.
        """
        holds = {origin: refusal.hold for origin, refusal in known.items()}
        candidate = composed(release, self._good, self._pushed, holds)
        steps = plan(self._good, candidate)
        if steps.reload or not (self._nginx.alive and self._settled):
            return await self._attempt(release, reason, known)
        try:
            with self._disk.begin() as transaction:
                if not steps.empty:
                    await transaction.carry_out(steps)  # workers read a certificate when they are told of it
                self._want(release, candidate, holds)
                pushed = await self._push(candidate)
                transaction.seal()
            self.stats = structs.replace(self.stats, pushed=self.stats.pushed + pushed.upstreams)
        except FullError:
            raise
        except NginxError as error:
            return self._failed(str(error))
        self._good = candidate  # perhaps equal bytes of other origins
        if not steps.empty:
            self._present = candidate.changed({VERSION_FILE: self._present[VERSION_FILE]})
        result = self._result(Outcome.UNCHANGED if steps.empty and not pushed else Outcome.APPLIED, known)
        deleted = len(steps.removals) + len(steps.leavings)
        return structs.replace(result, written=len(steps.writes), deleted=deleted, **_counts(pushed))

    async def _serve_again(self, limit_s: float | None = None) -> ApplyResult:
        """Make nginx serve the last good files."""
        try:
            return await self._attempt(Release(self._good, self._pushed), "other", {}, limit_s)
        except FullError as full:
            return self._failed(str(full))

    async def _prepare(self, release: Release) -> None:
        """Tell the workers what the new configuration needs before it is read, and keep it for a master that starts.

        Raises:
            LiveError: nginx or the disk does not take it.
        """
        if release.live is None:
            return
        if self._nginx.alive and self._pushed is not None:
            await self._live.push(release.live, profiles(self._good), reloading=True, older=self._older)
        await self._live.write_snapshot(release.live)

    def _want(self, release: Release, candidate: FileSet, refused: Collection[ObjectRef]) -> None:
        """Want *release* of the live state, and what *candidate* needs; *refused* are the objects that are left out."""
        last, live = self._pushed or LiveObjects(), release.live
        self._origins = last.origins
        self._pushed = None if live is None else held(live, last, release.files, candidate, refused)
        self._staying = staying(self._pushed, live)

    async def _push(self, candidate: FileSet) -> Changed:
        """Tell the workers what is wanted beside *candidate*, and to forget the rest; return how much changed.

        Raises:
            LiveError: nginx does not take it.
            FullError: workers have no memory for a part of it.
        """
        if self._pushed is None:
            self._live.forget()
            return Changed()
        older = self._older
        if self._live.doubled and not older:
            await self._live.forget_earlier()
        found = (
            (name, self._passed.get(name) or self._origins.get(name)) for name in self._live.unwanted(self._pushed)
        )
        self._passed = passed_on({name: origin for name, origin in found if origin}, candidate)
        return await self._live.push(self._pushed, profiles(candidate), self._passed, older=older)

    @property
    def _older(self) -> bool:
        """Whether workers with an earlier configuration may be left."""
        return not readable() or bool(self.generations().leaving)

    async def _take_back(self, live: LiveObjects | None) -> None:
        """Tell the workers their hosts as they were, after *live* could not be brought; new servers stay."""
        if live is None or self._pushed is None or not self._nginx.alive or live.hosts == self._pushed.hosts:
            return
        upstreams = {**self._pushed.upstreams, **live.upstreams}
        with contextlib.suppress(NginxError):  # the next release is pushed regardless of what they have
            await self._live.push(structs.replace(self._pushed, upstreams=upstreams), profiles(self._good))

    async def _attempt(
        self, release: Release, reason: Reason, known: Mapping[ObjectRef, RefusedFiles], limit_s: float | None = None
    ) -> ApplyResult:
        """Write, test, make live; on failure the last good files are back.

        Raises:
            FullError: workers have no memory for what the new files need; nothing is different.
        """
        wanted = release.files
        before = self._nginx.version
        settled, self._settled = self._settled, False
        task = Task(
            layout=self._options.layout,
            wanted=wanted,
            live=release.live,
            pushed=self._pushed,
            good=self._good,
            present=self._present,
            lapsed=self._lapsed(),
            patience_s=self._options.isolate_s,
            limit_s=limit_s or self._options.apply_s * BACK,
            flags=self._options.flags,
        )
        failure: Failure | None = None
        attempt: Attempt | None = None
        passing = True
        try:
            await self._prepare(release)
            with self._disk.begin() as transaction:
                holds = {origin: refusal.hold for origin, refusal in known.items()}
                attempt = Attempt(self._nginx, transaction, task, holds)
                failure = await attempt.run()
                self._note_unchanged(attempt.unchanged)
                if failure is None:
                    transaction.seal()
                    self._want(release, attempt.candidate, attempt.holds)
                    applied = self._applied(attempt, reason, known)
                    self._settled = False
                    if release.live is not None:
                        await self._live.resume(release.live)
                    pushed = await self._push(attempt.candidate)
                    self._settled = True
                    return structs.replace(applied, **_counts(pushed))
            error = attempt.explain(failure)
            passing = failure.outside or attempt.out_of_time
        except FullError as fault:
            if attempt is None:
                self._settled = settled
                raise
            error = str(fault)
        except NginxError as fault:
            error = str(fault)
        if failure is not None and failure.pending:
            self._nginx.nudge()
        elif self._nginx.version != before:
            await self._go_back()
        else:
            self._settled = settled
            await self._take_back(release.live)
        return self._failed(error, failure, passing=passing)

    def _lapsed(self) -> frozenset[ObjectRef]:
        """Return the unchanged objects that nginx has refused for ``LAPSED_S``."""
        until = time.monotonic() - LAPSED_S
        return frozenset(origin for origin, since in self._unchanged.items() if since <= until)

    def _note_unchanged(self, refused: Collection[ObjectRef]) -> None:
        """Remember since when nginx refuses each unchanged object; those that it accepts are forgotten."""
        now = time.monotonic()
        self._unchanged = {origin: self._unchanged.get(origin, now) for origin in refused}

    async def _go_back(self) -> None:
        """Serve the last good files again, after a search during which parts of a refused set were live."""
        if self._good:
            await self._serve_again(self._options.apply_s * (1 - BACK))
        elif self._nginx.master is not None:
            await self._nginx.master.quit(drain=0)

    def _known(self, wanted: FileSet, retry: Collection[ObjectRef]) -> dict[ObjectRef, RefusedFiles]:
        """Return the refusals that still stand: of origins whose files are the same as then, under one main file.

        What an object needs may stand in ``nginx.conf``, or in the server that includes its files: a log format, a
        variable, a zone. A retry of that server's origin is one of the objects that attach to it, too. An object that
        was refused for a port is tried again with all others that were: they open it together (``on_shifted_port``).
        """
        if not same(wanted.get(MAIN), self._good.get(MAIN)):
            return {}
        now = _files_of(self._refused, wanted)
        ports = {self._refused[origin].reason.port for origin in self._refused.keys() & set(retry)} - {""}
        return {
            origin: refusal
            for origin, refusal in self._refused.items()
            if now[origin] == refusal.files
            and refusal.reason.port not in ports
            and not any(file.origin in retry for file in refusal.files)
        }

    def _applied(self, attempt: Attempt, reason: Reason, known: Mapping[ObjectRef, RefusedFiles]) -> ApplyResult:
        files = _files_of(attempt.refused, attempt.task.wanted)
        refusals = dict(known)
        for origin, blame in attempt.refused.items():
            refusals[origin] = RefusedFiles(files[origin], blame, attempt.holds[origin])
        steps = plan(self._present, attempt.present)
        written = sum(file.name != VERSION_FILE for file in steps.writes)
        deleted = len(steps.removals) + len(steps.leavings)
        self._good, self._present = attempt.candidate, attempt.present
        self._settled = True
        self._repeats.end()
        if attempt.reloaded:
            self._take_warnings(attempt)
        self._started.set()
        self._count(attempt, reason)
        outcome = Outcome.APPLIED if attempt.reloaded or written or deleted else Outcome.UNCHANGED
        return structs.replace(
            self._result(outcome, refusals),
            reloaded=attempt.reloaded,
            written=written,
            deleted=deleted,
            test_ms=attempt.test_ms,
            reload_ms=attempt.live_ms if attempt.reloaded else 0.0,
        )

    def _take_warnings(self, attempt: Attempt) -> None:
        """Remember what ``nginx -t`` warned of; log what is new and in no object's files."""
        found: dict[ObjectRef | None, dict[str, None]] = {}
        for warning in warnings(attempt.warnings, self._options.layout.conf):
            file = attempt.candidate.get(warning.file)
            found.setdefault(file.origin if file else None, {})[warning.message] = None
        before, self._warnings = self._warnings, {origin: tuple(texts) for origin, texts in found.items()}
        for text in set(self._warnings.get(None, ())) - set(before.get(None, ())):
            log.warning("nginx warns", extra={"fields": {"message": text}, "sentence": f"nginx -t warns: {text}"})

    def _result(self, outcome: Outcome, refusals: Mapping[ObjectRef, RefusedFiles]) -> ApplyResult:
        """Say what is served now that ``_good`` is; remember what is refused, unless it was not even tried."""
        tried = {origin: refusal for origin, refusal in refusals.items() if refusal.reason.cause is not Cause.TIME}
        self._refused = tried
        return ApplyResult(
            outcome=outcome,
            version=self.version,
            refused={origin: refusal.reason.message for origin, refusal in refusals.items()},
            warnings=self._warnings,
            kept=(_origins(self._good) | self._routed()) & refusals.keys() if refusals else frozenset(),
            closed=_closed(refusals, self._good),
            held=self._staying,
            idle=frozenset(idle(self._good)) if refusals else frozenset(),
            retry=frozenset(o for o, refusal in refusals.items() if refusal.reason.cause is not Cause.OBJECT),
        )

    def _routed(self) -> frozenset[ObjectRef]:
        """Return the objects with hosts that workers know without files."""
        return frozenset(self._pushed.origins.values()) if self._pushed else frozenset()

    def _failed(self, error: str, failure: Failure | None = None, *, passing: bool = True) -> ApplyResult:
        self.stats = structs.replace(self.stats, errors=self.stats.errors + 1, last_ok=False)
        outcome = Outcome.FAILED if passing else Outcome.REFUSED
        self._log_failure(outcome, error)
        return ApplyResult(
            outcome=outcome,
            version=self.version,
            error=error,
            kept=_origins(self._good) | self._routed() if self.alive else frozenset(),
            idle=frozenset(idle(self._good)),
            passing=passing or (failure is not None and failure.reason.cause is not Cause.OBJECT),
        )

    def _log_failure(self, outcome: Outcome, error: str) -> None:
        """Log *error* once, then at DEBUG, and now and then how often it occurred."""
        level = logging.ERROR if self._repeats.is_due(error) else logging.DEBUG
        count, seconds = self._repeats.count, self._repeats.seconds
        sentence = f"not applied: {error}"
        if count > 1:
            sentence = f"still not applied, after {count} attempts in {seconds:.0f} s: {error}"
        fields = {"outcome": outcome.value, "error": error, "attempts": count}
        log.log(level, "configuration not applied", extra={"fields": fields, "sentence": sentence})

    def _count(self, attempt: Attempt, reason: Reason) -> None:
        stats = self.stats
        # What is refused again with the same words, at a later try, is neither news nor another error.
        known = {origin: refusal.reason.message for origin, refusal in self._refused.items()}
        news = {str(o): blame.message for o, blame in attempt.refused.items() if known.get(o) != blame.message}
        if news:
            first, message = next(iter(news.items()))
            fields = {"count": len(news), "first": first, "message": message}
            log.debug("objects left out, nginx refused them", extra={"fields": fields})  # each has an event of its own
            stats = structs.replace(stats, errors=stats.errors + 1)
        if attempt.reloaded:
            count = {reason: getattr(stats, reason) + 1}
            stats = structs.replace(stats, last_ok=True, last_ms=attempt.live_ms, **count)
        self.stats = stats


def _origins(files: FileSet) -> frozenset[ObjectRef]:
    return frozenset(file.origin for file in files.values() if file.origin is not None)


def _closed(refusals: Mapping[ObjectRef, RefusedFiles], good: FileSet) -> frozenset[ObjectRef]:
    """Return the origins of *refusals* in whose place *good* has what answers 500."""
    return frozenset(
        origin
        for origin, refusal in refusals.items()
        if any(file.origin == origin and file.is_closed_by(good.get(file.name)) for file in refusal.files)
    )


def _files_of(origins: Collection[ObjectRef], files: FileSet) -> dict[ObjectRef, tuple[File, ...]]:
    """Return the files of each of *origins*, then those with the servers that include them."""
    found: dict[ObjectRef, list[File]] = {origin: [] for origin in origins}
    for file in files.values() if found else ():
        if file.origin in found:
            found[file.origin].append(file)
    if places := {file.within for own in found.values() for file in own if file.within}:
        around = {claim: file for file in files.values() for claim in places & file.claims}
        for own in found.values():
            own += [around[file.within] for file in own if file.within in around]
    return {origin: tuple(own) for origin, own in found.items()}


def _counts(changed: Changed) -> dict[str, int]:
    return {"pushed": changed.upstreams, "pushed_hosts": changed.hosts, "pushed_guards": changed.guards}
