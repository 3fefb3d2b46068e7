"""Endpoints that an operator takes out of service: the pipeline sees them as those of Pods that terminate."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from headgate.api import EndpointSlice, TopLevel, Undecodable
from headgate.api.discovery import Endpoint, EndpointConditions
from headgate.k8s import WorkQueue
from headgate.problems import ObjectRef
from headgate.watch.watches import Watches

NODE: Final = "node/"
"""What the name of a node begins with, among names of endpoints."""
log = logging.getLogger(__name__)

_DRAINING: Final = EndpointConditions(ready=False, serving=True, terminating=True)


class Drained:
    """The objects of *watches*, in which drained endpoints serve only while no other is ready.

    An endpoint is named by its address, by its Pod (``default/tea-1``), or by its node (``node/worker-2``). A name is
    known until the controller ends; that of an endpoint until no endpoint has it, as another Pod may get it later.
    """

    def __init__(self, watches: Watches, queue: WorkQueue) -> None:
        """Begin with none; EndpointSlices whose endpoints are drained or not any more go to *queue*."""
        self._watches = watches
        self._queue = queue
        self.names: frozenset[str] = frozenset()

    def read(self, keys: Iterable[ObjectRef]) -> Mapping[ObjectRef, TopLevel | Undecodable[Any] | None]:
        """Return the newest version of each object that *keys* name, ``None`` for those that are gone."""
        found = self._watches.read(keys)
        if not self.names:
            return found
        if any(EndpointSlice.KIND.includes(ref) for ref in found):
            self._forget_gone()
        return {
            ref: drained(each, self.names) if isinstance(each, EndpointSlice) else each for ref, each in found.items()
        }

    async def know(self, objects: Iterable[object]) -> Iterable[ObjectRef]:
        """Return what *objects* need and was not watched yet."""
        return await self._watches.know(objects)

    def slices(self) -> list[EndpointSlice]:
        """Return every EndpointSlice."""
        found = [*self._watches.collections[EndpointSlice].values()]
        return [drained(each, self.names) for each in found] if self.names else found

    def unknown(self, names: Iterable[str]) -> list[str]:
        """Return those of *names* that no endpoint has."""
        known = {name for each in self._watches.collections[EndpointSlice].values() for name in _names(each)}
        return sorted(set(names) - known)

    def _forget_gone(self) -> None:
        gone = [name for name in self.unknown(self.names) if not name.startswith(NODE)]
        if gone:
            self.names -= set(gone)
            sentence = f"no longer drained, as no endpoint has this name any more: {', '.join(gone)}"
            log.info("endpoints gone", extra={"fields": {"names": gone}, "sentence": sentence})

    def change(self, names: frozenset[str]) -> int:
        """Drain the endpoints with *names*, and no others; return how many endpoints become drained or come back."""
        before, self.names = self.names, names
        count = 0
        for ref, each in self._watches.collections[EndpointSlice].items():
            called = [_called(each, one) for one in each.endpoints or ()]
            touched = sum(before.isdisjoint(own) != names.isdisjoint(own) for own in called)
            if touched:
                self._queue.add(ref)
            count += touched
        return count


def drained(slice_: EndpointSlice, names: frozenset[str]) -> EndpointSlice:
    """Return *slice_* with those of its endpoints that *names* name as endpoints that terminate."""
    endpoints = slice_.endpoints or ()
    if not any(names & _called(slice_, each) for each in endpoints):
        return slice_
    fresh = tuple(
        msgspec.structs.replace(each, conditions=_DRAINING) if names & _called(slice_, each) and _serves(each) else each
        for each in endpoints
    )
    return msgspec.structs.replace(slice_, endpoints=fresh)


def _serves(endpoint: Endpoint) -> bool:
    """Whether it is ready, or terminates and still serves; others get no requests anyway."""
    conditions = endpoint.conditions or EndpointConditions()
    return conditions.ready is not False or bool(conditions.serving)


def _names(slice_: EndpointSlice) -> Iterable[str]:
    return (name for each in slice_.endpoints or () for name in _called(slice_, each))


def _called(slice_: EndpointSlice, endpoint: Endpoint) -> frozenset[str]:
    """Return the names of *endpoint*; of its addresses the first is used."""
    found = list((endpoint.addresses or ())[:1])
    target = endpoint.target_ref
    if target and target.name:
        found.append(f"{target.namespace or slice_.metadata.namespace}/{target.name}")
    if endpoint.node_name:
        found.append(f"{NODE}{endpoint.node_name}")
    return frozenset(found)
