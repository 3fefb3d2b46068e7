"""Keeps the dependents of VirtualServers in a cluster as they are wanted: creates, updates and deletes them.

Only the leader writes. What somebody else manages is never changed; a dependent that is wanted under such a name is
reported, and made as soon as the name is free.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import msgspec

from headgate.api import Kind, TopLevel
from headgate.api.nginx_org import VirtualServer
from headgate.configuration.classes import spec_class
from headgate.dependents.forms import (
    Answer,
    DependentKind,
    Json,
    Wanted,
    body,
    changed,
    controller_of,
    differs,
    is_made_for,
    is_owned,
    made_for,
)
from headgate.k8s import ApiError, Conflict, K8sError, NotFound, WorkQueue
from headgate.k8s.errors import is_news
from headgate.problems import ObjectRef
from headgate.reporting.api import Denials
from headgate.reporting.status_forms import Exposure
from headgate.reporting.verdicts import EventType, State, Subject, Verdict

log = logging.getLogger(__name__)

AT_ONCE = 10
"""VirtualServers whose dependents are written at the same time."""


def done(subject: Subject, verb: str, kind: str, message: str) -> Verdict:
    """Return the report of what was done, with the reasons of the F5 controller: CreateCertificate, for example."""
    return Verdict(subject, State.VALID, f"{verb}{kind}", EventType.NORMAL, message)


def bad(subject: Subject, message: str) -> Verdict:
    """Return the report of why a dependent is not as it should be."""
    return Verdict(subject, State.WARNING, "BadConfig", EventType.WARNING, message)


class Writer(Protocol):
    """Writes to the API server; errors are those of ``headgate.k8s``."""

    async def create(self, kind: Kind, namespace: str, body: Json, /) -> Json:
        """POST *body* and return the object as stored."""
        ...

    async def update(
        self, kind: Kind, namespace: str, name: str, change: Callable[[Json], Json | None], /
    ) -> Json | None:
        """GET the object and PUT what *change* makes of it; return it as stored, ``None`` if nothing was written."""
        ...

    async def delete(self, kind: Kind, namespace: str, name: str, /, *, uid: str, version: str) -> None:
        """Delete the object if it is still this version."""
        ...


class Objects(Protocol):
    """What is known of the cluster."""

    def find(self, model: type[TopLevel], ref: ObjectRef, /) -> TopLevel | None:
        """Look one object up."""
        ...

    def listed(self, model: type[TopLevel], ref: ObjectRef, /) -> bool:
        """Whether *ref* would be known if it were there."""
        ...

    def lacks(self, kind: Kind, /) -> bool:
        """Whether the cluster does not have *kind*."""
        ...


class _ResistedError(Exception):
    """Something in the cluster changes what was written at once."""


def _always() -> bool:
    """Return true: leadership does not end by itself."""
    return True


class DependentsKeeper:
    """Writes dependents of the *kinds* for VirtualServers with a verdict.

    ``run`` writes; the other methods do not block. One cancellation leaves at most one write undone; the next leader
    does it.
    """

    def __init__(
        self,
        api: Writer,
        objects: Objects,
        kinds: Sequence[DependentKind],
        note: Callable[[Verdict], None],
        ingress_class: str,
    ) -> None:
        """Write through *api* for the VirtualServers of *ingress_class*; *note* takes what is reported as an event."""
        self._api = api
        self._class = ingress_class
        self._objects = objects
        self._kinds = {kind.model.KIND: kind for kind in kinds}
        self._note = note
        self._leading = False
        self._still = _always
        self._exposure: Exposure | None = None
        self._verdicts: dict[ObjectRef, Verdict] = {}
        self._left: set[ObjectRef] = set()
        """VirtualServers that are no longer served here, whose dependents are still to be deleted."""
        self._owners: dict[ObjectRef, ObjectRef] = {}
        """The VirtualServer of each dependent that is there."""
        self._owned: defaultdict[ObjectRef, set[ObjectRef]] = defaultdict(set)
        self._blocked: defaultdict[ObjectRef, set[ObjectRef]] = defaultdict(set)
        """The VirtualServers that wait for a name that somebody else's object has."""
        self._told: dict[tuple[ObjectRef, Kind], tuple[int, str]] = {}
        """The last BadConfig of a VirtualServer and kind, and the generation that it was about."""
        self._waited: set[str] = set()
        """What was logged to be missing since the addresses last changed."""
        self._denials = Denials()
        self._queue = WorkQueue()

    def report(self, verdict: Verdict) -> None:
        """Note that a VirtualServer was judged; one that is refused keeps its dependents as they are."""
        if VirtualServer.KIND.includes(verdict.ref):
            self._verdicts[verdict.ref] = verdict
            self._left.discard(verdict.ref)
            self._mark(verdict.ref)

    def look_at(self, keys: Iterable[ObjectRef]) -> None:
        """Compare the dependents of the VirtualServers among *keys*: no verdict is about labels, which are copied."""
        for ref in keys:
            if ref in self._verdicts:
                self._mark(ref)

    def forget(self, ref: ObjectRef) -> None:
        """Note that an object was deleted, which deletes its dependents, or went to another class: they are deleted."""
        if self._verdicts.pop(ref, None) is None:
            return
        for kind in self._kinds:
            self._told.pop((ref, kind), None)
        if self._leading and self._objects.find(VirtualServer, ref):
            self._left.add(ref)
            self._mark(ref)

    def set_exposure(self, exposure: Exposure) -> None:
        """Change the addresses that records lead to."""
        if exposure != self._exposure:
            self._exposure = exposure
            self._waited.clear()
            self._mark_all()

    def changed(self, ref: ObjectRef) -> None:
        """Note that a dependent is new, differs, or is gone."""
        kind = next(kind for kind in self._kinds.values() if kind.model.KIND.includes(ref))
        found = self._objects.find(kind.model, ref)
        owner = controller_of(found.metadata) if found else None
        before = self._owners.pop(ref, None)
        if before:
            self._owned[before].discard(ref)
            self._mark(before)
        if owner and owner[0] == VirtualServer.KIND.name:
            self._owners[ref] = now = VirtualServer.KIND.ref(ref.namespace, owner[1])
            self._owned[now].add(ref)
            self._mark(now)
        for waiting in self._blocked.pop(ref, ()):
            self._mark(waiting)

    def present(self, _: Kind) -> None:
        """Note that dependents of a kind were listed, perhaps for the first time, or that the kind is missing now."""
        self._mark_all()

    def lead(self, still: Callable[[], bool] = _always) -> None:
        """Begin to write; everything is compared again. *still* is asked before each write."""
        self._leading, self._still = True, still
        self._mark_all()

    def follow(self) -> None:
        """Stop writing: another replica leads."""
        self._leading = False
        self._left.clear()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            batch = await self._queue.take()
            for start in range(0, len(batch.keys), AT_ONCE):
                await asyncio.gather(*(self._settle(ref) for ref in batch.keys[start : start + AT_ONCE]))

    def _mark_all(self) -> None:
        for ref in self._verdicts.keys() | self._owned.keys():
            self._mark(ref)

    def _mark(self, ref: ObjectRef) -> None:
        if self._leading:
            self._queue.add(ref)

    async def _settle(self, ref: ObjectRef) -> None:
        """Make the dependents of one VirtualServer what they should be; after a failure it is tried again later."""
        failed = False
        for kind in self._kinds.values():
            item = self._current(ref)
            if item is None:
                if self._objects.find(VirtualServer, ref) is None:
                    self._left.discard(ref)
                return
            try:
                await self._bring(kind, item)
            except (K8sError, _ResistedError) as error:
                failed = True
                self._failed(kind, item, error)
            except Exception:  # kept to this object; others must not wait
                log.exception("internal error", extra={"fields": {"object": str(ref), "doing": kind.model.KIND.name}})
        if failed:
            self._queue.retry(ref)
        else:
            self._queue.forget(ref)
            self._left.discard(ref)

    def _current(self, ref: ObjectRef) -> VirtualServer | None:
        """Return the VirtualServer if its dependents are to be looked at: it was judged as it is, and accepted.

        A newer generation has a verdict of its own soon.
        """
        if not (self._leading and self._still()):
            return None
        item = self._objects.find(VirtualServer, ref)
        if not isinstance(item, VirtualServer) or item.metadata.deletion_timestamp:
            return None
        if self._went(item):
            return item
        verdict = self._verdicts.get(ref)
        if verdict is None or verdict.subject != _subject(item):
            return None
        return item if verdict.served and verdict.state is not State.INVALID else None

    def _went(self, item: VirtualServer) -> bool:
        """Whether *item* is of another class now: what was made for it here is deleted, also by an earlier leader."""
        return item.ref in self._left or spec_class(item) not in {None, self._class}

    async def _bring(self, kind: DependentKind, item: VirtualServer) -> None:
        """Make the dependents of one kind what *item* asks for."""
        model = kind.model
        if self._objects.lacks(model.KIND) or not self._objects.listed(
            model, model.KIND.ref(item.metadata.namespace, "")
        ):
            return
        answer = Answer() if self._went(item) else self._answer(kind, item)
        self._tell_waiting(kind, item, answer.waiting)
        faults = "; ".join(dict.fromkeys(map(str, answer.problems)))
        if answer.keep:
            self._bad(kind, item, faults)
            return
        if answer.wanted:
            faults = await self._have(kind, item, made_for(self._class, answer.wanted)) or faults
        for ref in self._superfluous(kind, item, answer.wanted):
            await self._delete(kind, item, ref)
        self._bad(kind, item, faults)

    def _answer(self, kind: DependentKind, item: VirtualServer) -> Answer:
        """Return what *item* asks for; with another kind for the same purpose, nothing once it has that one."""
        answer, other = kind.wanted(item, self._exposure), kind.instead_of
        if other is None or self._objects.lacks(other.model.KIND):
            return answer
        ref = other.model.KIND.ref(item.metadata.namespace, answer.wanted.name if answer.wanted else "")
        if not self._objects.listed(other.model, ref):
            return Answer(keep=True)  # it is not known yet which of the two the cluster has
        there = self._objects.find(other.model, ref) if answer.wanted else None
        instead = there is not None and is_owned(there.metadata, item)
        return Answer(keep=not instead and (answer.wanted is not None or answer.keep))

    async def _have(self, kind: DependentKind, item: VirtualServer, wanted: Wanted) -> str:
        """Create or update the dependent; return why it cannot be, or ``""``."""
        name, namespace = kind.model.KIND.name, item.metadata.namespace
        ref = kind.model.KIND.ref(namespace, wanted.name)
        found = self._objects.find(kind.model, ref)
        if found is None:
            stored = await self._api.create(kind.model.KIND, namespace, body(kind, item, wanted))
            self._done(kind, item, "Create", ref, stored)
        elif not is_owned(found.metadata, item):
            self._blocked[ref].add(item.ref)
            owner = controller_of(found.metadata)
            belongs = f"belongs to {owner[0]} {owner[1]}" if owner else "was not made by Headgate"
            return f"{name} {ref.key} {belongs}: it stays as it is; delete it, or choose another name"
        elif differs(kind, found.builtins(), wanted):
            await self._update(kind, item, ref, wanted)
        return ""

    async def _update(self, kind: DependentKind, item: VirtualServer, ref: ObjectRef, wanted: Wanted) -> None:
        def change(found: Json) -> Json | None:
            meta = msgspec.convert(found, kind.model).metadata
            mine = self._current(item.ref) is not None and is_owned(meta, item)
            return changed(kind, found, wanted) if mine and differs(kind, found, wanted) else None

        stored = await self._api.update(kind.model.KIND, ref.namespace, ref.name, change)
        if stored is None:
            return
        if differs(kind, stored, wanted):
            raise _ResistedError(f"the cluster changes {ref} when it is written")
        self._done(kind, item, "Update", ref, stored)

    async def _delete(self, kind: DependentKind, item: VirtualServer, ref: ObjectRef) -> None:
        found = self._objects.find(kind.model, ref)
        if found is None:
            return
        meta = found.metadata
        try:
            await self._api.delete(
                kind.model.KIND, ref.namespace, ref.name, uid=meta.uid, version=meta.resource_version
            )
        except NotFound:
            return
        self._done(kind, item, "Delete", ref, None)

    def _superfluous(self, kind: DependentKind, item: VirtualServer, wanted: Wanted | None) -> Iterator[ObjectRef]:
        """Yield the dependents of *item* other than the *wanted* one."""
        for ref in sorted(self._owned.get(item.ref, ())):
            found = self._objects.find(kind.model, ref) if kind.model.KIND.includes(ref) else None
            if found is None or not is_owned(found.metadata, item) or (wanted and ref.name == wanted.name):
                continue
            if not self._went(item) or is_made_for(self._class, found.metadata):
                yield ref

    # --- reports ----------------------------------------------------------------------------------------

    def _done(self, kind: DependentKind, item: VirtualServer, verb: str, ref: ObjectRef, stored: Any) -> None:
        """Report what was done."""
        self._denials.over(ref.namespace)
        name, what = kind.model.KIND.name, f"{verb.lower()}d"
        self._note(done(_subject(item), verb, name, f"{ref} was {what}"))
        if kind.tells and stored:
            uid = (stored.get("metadata") or {}).get("uid", "")
            subject = Subject(ref, uid, kind.model.KIND.api_version)
            self._note(done(subject, verb, name, f"was {what} for {item.ref}"))

    def _bad(self, kind: DependentKind, item: VirtualServer, message: str) -> None:
        """Report why a dependent is not as it should be, once for each version of its owner."""
        key, news = (item.ref, kind.model.KIND), (item.metadata.generation, message)
        if not message:
            self._told.pop(key, None)
        elif self._told.get(key) != news:
            self._told[key] = news
            self._note(bad(_subject(item), message))

    def _tell_waiting(self, kind: DependentKind, item: VirtualServer, waiting: str) -> None:
        """Log once what is missing; it is the same for all VirtualServers."""
        if waiting and waiting not in self._waited:
            self._waited.add(waiting)
            name = kind.model.KIND.name
            fields = {"object": str(item.ref), "kind": name, "waits": waiting}
            sentence = f"{item.ref}: {name} not written yet: {waiting}"
            log.info("dependent waits", extra={"fields": fields, "sentence": sentence})

    def _failed(self, kind: DependentKind, item: VirtualServer, error: Exception) -> None:
        """Log a failure, and report it on *item* if the API server refuses for good."""
        name = kind.model.KIND.name
        level = self._denials.level(item.metadata.namespace, error)
        passing = isinstance(error, Conflict | NotFound)  # the Store does not have it yet, or the kind is going
        if passing or not is_news(error):
            level = logging.DEBUG
        fields = {"object": str(item.ref), "kind": name, "error": str(error)}
        sentence = f"{item.ref}: {name} not written: {error}"
        log.log(level, "dependent not written", extra={"fields": fields, "sentence": sentence})
        if isinstance(error, ApiError) and not passing:
            self._bad(kind, item, f"{name} not written: {error}")


def _subject(item: VirtualServer) -> Subject:
    return Subject(item.ref, item.metadata.uid, item.KIND.api_version, item.metadata.generation or 0)
