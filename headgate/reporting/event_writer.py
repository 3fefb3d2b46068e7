"""One Verdict as one core/v1 Event at the API server: created once, by whichever replica, and counted up after that.

The name of an Event is ``OBJECT.HEX``, as client-go's recorder names them, but HEX is a hash of the content: a replica
that reports the same as another one finds its Event.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import http
from collections import OrderedDict
from typing import Any, TypeVar

import msgspec

from headgate.api.core import Event, EventSource, ObjectMeta, ObjectReference
from headgate.problems import ObjectRef
from headgate.reporting.api import ApiWriter, status_code
from headgate.reporting.verdicts import Verdict

LONGEST_MESSAGE = 1024
"""Bytes of a message; the API server refuses more in events.k8s.io, through which the same objects are read."""
LONGEST_NAME = 253
"""Characters of an object's name (Kubernetes documentation, "Object Names and IDs")."""

_K = TypeVar("_K")
_V = TypeVar("_V")


class _StoredEvent(msgspec.Struct):
    """An Event that the API server has; the count of one that another process made is not known."""

    name: str
    count: int | None


class EventWriter:
    """Writes as *component*; remembers which Events are there."""

    def __init__(self, api: ApiWriter, component: str, instance: str, remembered: int) -> None:
        """Speak for *instance* (the Pod), and remember the names of *remembered* Events."""
        self._api = api
        self._component = component
        self._instance = instance
        self._remembered = remembered
        self._stored: OrderedDict[Verdict, _StoredEvent] = OrderedDict()

    async def write(self, verdict: Verdict, times: int) -> None:
        """Count the Event up by *times*, or create it; 0 only sees to it that it is there.

        Raises:
            api.failure: nothing was written.
        """
        stored = self._stored.get(verdict)
        if stored is not None and await self._count_up(verdict, stored, times):
            self._stored.move_to_end(verdict)
            return
        body = self._event(verdict, max(times, 1))
        stored = _StoredEvent(body["metadata"]["name"], max(times, 1))
        try:
            await self._api.create(Event.KIND, body["metadata"]["namespace"], body)
        except self._api.failure as error:
            if status_code(error) != http.HTTPStatus.CONFLICT:
                raise
            stored.count = None
            await self._count_up(verdict, stored, times)
        remember(self._stored, verdict, stored, self._remembered)

    async def _count_up(self, verdict: Verdict, stored: _StoredEvent, times: int) -> bool:
        """Add *times* to the count; return whether the Event is still there, as far as is known."""
        if not times:
            return True
        try:
            if stored.count is None:  # only a patch is permitted; its answer has the count
                answer = await self._patch(verdict, stored, {"lastTimestamp": _now()})
                stored.count = int(answer.get("count") or 1)
            await self._patch(verdict, stored, {"count": stored.count + times, "lastTimestamp": _now()})
        except self._api.failure as error:
            if status_code(error) != http.HTTPStatus.NOT_FOUND:
                raise
            self._stored.pop(verdict, None)
            return False
        stored.count += times
        return True

    async def _patch(self, verdict: Verdict, stored: _StoredEvent, change: dict[str, Any]) -> dict[str, Any]:
        return await self._api.patch(Event.KIND, namespace(verdict.ref), stored.name, change)

    def _event(self, verdict: Verdict, times: int) -> dict[str, Any]:
        subject, now = verdict.subject, _now()
        event = Event(
            metadata=ObjectMeta(name=_name(verdict, self._component), namespace=namespace(subject.ref)),
            involved_object=ObjectReference(
                kind=subject.ref.kind,
                namespace=subject.ref.namespace,
                name=subject.ref.name,
                uid=subject.uid,
                api_version=subject.api_version,
            ),
            reason=verdict.reason,
            message=_cut(verdict.message),
            type=verdict.type.value,
            count=times,
            first_timestamp=now,
            last_timestamp=now,
            source=EventSource(component=self._component),
            reporting_component=self._component,
            reporting_instance=self._instance,
        )
        return event.builtins()


def remember(kept: OrderedDict[_K, _V], key: _K, value: _V, most: int) -> None:
    """Put *key* last, and forget the oldest beyond *most*."""
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > most:
        kept.popitem(last=False)


def namespace(ref: ObjectRef) -> str:
    """Events of cluster-scoped objects live in ``default``."""
    return ref.namespace or "default"


def _name(verdict: Verdict, component: str) -> str:
    """Return the name of an Event, the same in every replica; a long name of an object is cut."""
    subject = verdict.subject
    content = (component, str(subject.ref), subject.uid, verdict.type.value, verdict.reason, verdict.message)
    number = hashlib.blake2b("\0".join(content).encode(), digest_size=8).hexdigest()
    return f"{subject.ref.name[: LONGEST_NAME - len(number) - 1].rstrip('-.')}.{number}"


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _cut(message: str) -> str:
    data = message.encode()
    if len(data) <= LONGEST_MESSAGE:
        return message
    return data[: LONGEST_MESSAGE - len("…".encode())].decode(errors="ignore") + "…"
