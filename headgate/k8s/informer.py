"""Keeps a Store equal to one collection, wherever that collection lives."""

from __future__ import annotations

import asyncio
import enum
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Generic, Protocol, TypeVar

import msgspec

from headgate.api import TopLevel, Undecodable
from headgate.backoff import retry_delay
from headgate.k8s.errors import Forbidden, Gone, K8sError, NotFound, Unreachable
from headgate.k8s.failure_log import FailureLog
from headgate.k8s.jitter import jittered
from headgate.k8s.store import Store
from headgate.problems import ObjectRef

log = logging.getLogger(__name__)

M = TypeVar("M", bound=TopLevel)


class ChangeType(enum.Enum):
    """What a watch says about an object (Kubernetes API concepts, "Efficient detection of changes")."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"
    """Nothing changed up to ``version``; there is no object."""
    OPENED = "OPENED"
    """The watch was accepted. Headgate's own: nothing else tells a quiet collection from one that is not watched."""


class Change(msgspec.Struct, Generic[M], frozen=True):
    """One event of a watch.

    Attributes:
        type: what happened.
        version: resource version to resume from after this event.
        ref: the object; ``None`` for a bookmark.
        object: its new state; ``None`` if deleted, a bookmark, or not decodable.
        undecodable: why there is no object, though it is there.
    """

    type: ChangeType
    version: str
    ref: ObjectRef | None = None
    object: M | None = None
    undecodable: Undecodable[M] | None = None


class Listing(msgspec.Struct, Generic[M], frozen=True):
    """A whole collection at one moment.

    Attributes:
        version: resource version to watch from.
        objects: everything that decodes.
        undecodable: why each of the others does not.
    """

    version: str
    objects: Mapping[ObjectRef, M]
    undecodable: Mapping[ObjectRef, Undecodable[M]] = {}


class Source(Protocol[M]):
    """Where a collection comes from: an API server (``Resources``) or a folder (``Folder.source``)."""

    async def list(self) -> Listing[M]:
        """Return the collection as it is.

        Raises:
            Forbidden: the role may not list.
            NotFound: the kind does not exist there.
            K8sError: anything else; asking again may help.
        """
        ...

    def watch(self, version: str) -> AsyncIterator[Change[M]]:
        """Yield what changed since *version*, and that the watch opened where it can fail to.

        It may end at any time, to be resumed from the last change.

        Raises:
            Gone: *version* is too old; list again.
            K8sError: anything else; asking again may help.
        """
        ...


class Informer(Generic[M]):
    """Lists, then watches, for ever.

    The Store holds the latest state of the source; an unreachable source leaves it as it was. ``changed`` is
    called with the key of every object that is new, differs, is gone, or ceases or begins to decode. One that
    does not decode is taken out of the Store, as an invalid object is withdrawn; ``store.undecodable`` says why.
    """

    RETRY_FIRST = 0.5
    RETRY_LONGEST = 10.0
    """Seconds between attempts, the first and the longest: so old is what is served when the API server is back."""
    BRIEF = 1.0
    """A watch that ends sooner than this (seconds), without an event, counts as a failure; one that lasts longer has
    recovered, though a collection may be quiet for a minute and more."""

    synced: asyncio.Event
    """Set once the whole is in the Store, or may not be listed; ``tried`` also when the first attempt fails."""

    def __init__(
        self,
        source: Source[M],
        changed: Callable[[ObjectRef], None],
        *,
        name: str,
        absent: Callable[..., None] | None = None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Prepare; nothing is asked before ``run``.

        Args:
            source: the collection.
            changed: called from the event loop; must not block.
            name: for log lines, for example ``ingresses in default``.
            absent: for a kind that the source need not have: called with the keyword ``absent`` when the kind is
                missing, and when it is there. That it is missing is no failure then.
            pause: how to wait; tests put their own here.
        """
        self.store: Store[M] = Store()
        self.synced = asyncio.Event()
        self.tried = asyncio.Event()
        self.name = name
        self.changed = changed
        self._source = source
        self._optional = absent
        self._pause = pause
        self._version = ""
        self._failures = 0
        self._absences = 0
        self._failure_log = FailureLog(log, "informer failed", "informer recovered", {"informer": name})

    @property
    def error(self) -> str:
        """What fails at present, empty if nothing does."""
        return self._failure_log.error

    async def run(self) -> None:
        """Keep the Store current; ends only by cancellation, which leaves the Store as it is."""
        while True:
            began = time.monotonic()
            try:
                await self._advance()
            except Gone as error:
                self._version = ""
                log.debug("listing again", extra={"fields": {"informer": self.name, "why": str(error)}})
            except K8sError as error:
                await self._recover(error)
                continue
            await self._rest(began)

    async def _advance(self) -> None:
        """List if that is needed, then follow one watch to its end."""
        if not self._version:
            await self._relist()
        lasting: asyncio.TimerHandle | None = None
        try:
            async for change in self._source.watch(self._version):
                if change.type is ChangeType.OPENED:
                    lasting = asyncio.get_running_loop().call_later(self.BRIEF, self._recovered)
                    continue
                self._recovered()
                self._record(change)
        finally:
            if lasting:
                lasting.cancel()

    async def _relist(self) -> None:
        try:
            listing = await self._source.list()
        except NotFound:
            self._absent()
            raise
        self._absences = 0
        self._recovered()
        if self._optional:
            self._optional(absent=False)
        self._take(listing)
        self._version = listing.version

    def _absent(self) -> None:
        """Drop the objects of a kind that is gone (its CRD was deleted); one odd 404 proves nothing yet."""
        self._absences += 1
        if self._optional and (self._absences > 1 or not self.synced.is_set()):
            self._optional(absent=True)
        if self._absences > 1:
            self._take(Listing("", {}))

    def _recovered(self) -> None:
        """End the back-off, and log it if the failure was logged."""
        self._failures = 0
        self._failure_log.recovered()

    def _take(self, listing: Listing[M]) -> None:
        """Make *listing* the state; name every key that differs."""
        old, new = self.store.undecodable, dict(listing.undecodable)
        self.store.undecodable = new
        differing = set(self.store.replace(listing.objects))
        differing.update(ref for ref in old.keys() | new.keys() if old.get(ref) != new.get(ref))
        for ref in sorted(new):
            self._tell_undecodable(new[ref], old.get(ref))
        for ref in sorted((old.keys() - new.keys()) & listing.objects.keys()):
            _tell_readable(ref)
        for ref in sorted(differing):
            self.changed(ref)
        self.synced.set()
        self.tried.set()

    def _record(self, change: Change[M]) -> None:
        """Apply one event of the watch; an event that changes nothing calls nobody."""
        self._version = change.version or self._version
        if change.ref is None:
            return
        before = self.store.undecodable.get(change.ref)
        if before is not None or change.undecodable is not None:
            rest = {ref: found for ref, found in self.store.undecodable.items() if ref != change.ref}
            self.store.undecodable = {**rest, change.ref: change.undecodable} if change.undecodable else rest
        if change.undecodable is not None:
            self._tell_undecodable(change.undecodable, before)
        elif before is not None and change.object is not None:
            _tell_readable(change.ref)
        if change.object is None or change.type is ChangeType.DELETED:
            differs = self.store.remove(change.ref)
        else:
            differs = self.store.put(change.ref, change.object)
        if differs or before != change.undecodable:
            self.changed(change.ref)

    def _tell_undecodable(self, found: Undecodable[M], before: Undecodable[M] | None) -> None:
        """Log an object that cannot be used, once as long as it fails in the same way."""
        if before is None or before.problem != found.problem:
            fields = {"object": str(found.problem.origin), "problem": str(found.problem)}
            sentence = f"{found.problem.origin}: cannot be read: {found.problem}"
            log.warning("object does not decode", extra={"fields": fields, "sentence": sentence})

    async def _rest(self, began: float) -> None:
        """Resume at once, unless watches end as soon as they begin."""
        if time.monotonic() - began >= self.BRIEF:
            self._recovered()
            return
        self._failures += 1
        if self._failures > 1:
            await self._pause(jittered(self._delay()))

    async def _recover(self, error: K8sError) -> None:
        """Say what is wrong, once per kind of wrong, and wait before asking again."""
        self.tried.set()
        self._failures += 1
        delay = jittered(self._delay())
        if isinstance(error, Unreachable) and error.retry_after is not None:
            delay = error.retry_after
        if isinstance(error, Forbidden | NotFound):
            # The rest must not wait for a role or a CRD that may never come.
            self.synced.set()
        if isinstance(error, NotFound):
            # Only a list can tell whether the kind is gone for good.
            self._version = ""
        if self._optional and isinstance(error, NotFound):
            # That the kind is missing is an answer: what failed before has recovered.
            self._failure_log.recovered()
        else:
            self._failure_log.failed(error, str(error))
        await self._pause(delay)

    def _delay(self) -> float:
        return retry_delay(self._failures, first=self.RETRY_FIRST, longest=self.RETRY_LONGEST)


def _tell_readable(ref: ObjectRef) -> None:
    fields = {"object": str(ref), "change": "decodes again"}
    log.info("object decodes again", extra={"fields": fields, "sentence": f"{ref}: decodes again"})
