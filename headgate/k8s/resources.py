"""One collection of an API server as a Source: pages, watches, bookmarks."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Generic, TypeVar

import msgspec

from headgate.api import TopLevel, Undecodable
from headgate.k8s.client import Client, status_refusal
from headgate.k8s.errors import BadAnswer, Forbidden, Gone, NotFound
from headgate.k8s.informer import Change, ChangeType, Listing
from headgate.k8s.lines import Lines
from headgate.k8s.undecodable import remains, undecodable
from headgate.problems import ObjectRef

log = logging.getLogger(__name__)

M = TypeVar("M", bound=TopLevel)

PAGE = 500
"""Objects per page, as client-go's informers ask."""
WATCH_SECONDS = (300, 600)
"""A watch asks to be ended after a random time between these, so that watches of many clients do not end together."""
POLL_SECONDS = 30.0
"""How often a collection is listed that may not be watched."""


class _ListMeta(msgspec.Struct, rename="camel"):
    """The metadata of a page."""

    resource_version: str | None = None
    continue_: str | None = msgspec.field(default=None, name="continue")


class _Page(msgspec.Struct, Generic[M]):
    """A page whose objects are models."""

    metadata: _ListMeta = msgspec.field(default_factory=_ListMeta)
    items: tuple[M, ...] | None = None


class _RawPage(msgspec.Struct):
    """A page whose objects are still text."""

    metadata: _ListMeta = msgspec.field(default_factory=_ListMeta)
    items: tuple[msgspec.Raw, ...] | None = None


class _Event(msgspec.Struct):
    """A line of a watch."""

    type: str
    object: msgspec.Raw


class _HeadMeta(msgspec.Struct, rename="camel"):
    """As much metadata as tells which object this is; a bookmark has the version only."""

    name: str | None = None
    namespace: str | None = None
    resource_version: str | None = None


class _Head(msgspec.Struct):
    """The part of an object that is decoded first."""

    metadata: _HeadMeta = msgspec.field(default_factory=_HeadMeta)


class Resources(Generic[M]):
    """The objects of one kind at an API server, in one namespace or in all, perhaps selected."""

    def __init__(  # noqa: PLR0913 - what a request for a collection can say
        self,
        client: Client,
        model: type[M],
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        watchable: bool = True,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        """Prepare; nothing is sent before ``list`` or ``watch``.

        Args:
            client: the API server.
            model: the kind.
            namespace: empty for all.
            label_selector: as in the API.
            field_selector: as in the API.
            watchable: whether a watch is tried at all; where it is not, or is forbidden, the collection is
                listed every *poll_seconds*.
            poll_seconds: see *watchable*.
        """
        self._client = client
        self._model = model
        self._namespace = namespace if model.KIND.namespaced else ""
        self._path = model.KIND.path(self._namespace)
        selectors = {"labelSelector": label_selector, "fieldSelector": field_selector}
        self._params = {name: value for name, value in selectors.items() if value}
        self._watchable = watchable
        self._poll_seconds = poll_seconds
        self._told_polling = False
        self._refusals = 0
        self._pages = msgspec.json.Decoder(_Page[model])  # type: ignore[valid-type]

    @property
    def name(self) -> str:
        """``ingresses in shop``, or ``ingresses``."""
        return f"{self._model.KIND.plural} in {self._namespace}" if self._namespace else self._model.KIND.plural

    async def list(self) -> Listing[M]:
        """Return the collection, read by pages; cancellation leaves nothing behind.

        Raises:
            Forbidden: the role may not list; the message names the rule that is missing.
            NotFound: the kind does not exist.
            K8sError: as ``Client.request``.
        """
        try:
            return await self._list({"limit": str(PAGE)})
        except Gone:
            # The pages were compacted away meanwhile; in one piece they cannot be.
            return await self._list({})
        except Forbidden as error:
            raise Forbidden(error.status, error.reason, self._missing_rule("list", error.message)) from None
        except NotFound as error:
            message = f"the API server does not know {self._resource} ({error.message})"
            raise NotFound(error.status, error.reason, message) from None

    async def watch(self, version: str) -> AsyncIterator[Change[M]]:
        """Yield what changed since *version*, until the server ends the watch.

        Raises:
            Gone: *version* is too old, or it is time to list again because watching is not possible.
            K8sError: as ``Client.request``, also for an error that comes inside the watch.
        """
        if self._watchable:
            try:
                async for change in self._watch(version):
                    self._tell_watching()
                    yield change
            except Forbidden as error:
                self._refusals += 1
                if self._refusals == 1:
                    # An API server that just started refuses everything for a moment, and who may not list is better
                    # told so: only after a list that worked is this about watching.
                    raise Gone("watch refused; listed again") from None
                self._tell_polling(error)
            else:
                self._tell_watching()
                return
        await asyncio.sleep(self._poll_seconds)
        raise Gone("not watched; listed again")

    async def _list(self, params: Mapping[str, str]) -> Listing[M]:
        objects: dict[ObjectRef, M] = {}
        broken: dict[ObjectRef, Undecodable[M]] = {}
        token = ""
        while True:
            more = {"continue": token} if token else {}
            meta = self._read_page(
                await self._client.request("GET", self._path, params={**self._params, **params, **more}),
                objects,
                broken,
            )
            token = meta.continue_ or ""
            if not token:
                return Listing(meta.resource_version or "", objects, broken)

    def _read_page(
        self, data: bytes, objects: dict[ObjectRef, M], broken: dict[ObjectRef, Undecodable[M]]
    ) -> _ListMeta:
        """Decode a page in one go; only if that fails, object by object."""
        try:
            page: _Page[M] = self._pages.decode(data)
        except msgspec.ValidationError:
            return self._read_page_slowly(data, objects, broken)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _garbage("a list", data, error) from None
        objects.update((item.ref, item) for item in page.items or ())
        return page.metadata

    def _read_page_slowly(
        self, data: bytes, objects: dict[ObjectRef, M], broken: dict[ObjectRef, Undecodable[M]]
    ) -> _ListMeta:
        try:
            page = msgspec.json.decode(data, type=_RawPage)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _garbage("a list", data, error) from None
        for raw in page.items or ():
            change = self._decode(ChangeType.ADDED, raw)
            if change.ref is None:
                continue
            if change.object is not None:
                objects[change.ref] = change.object
            elif change.undecodable is not None:
                broken[change.ref] = change.undecodable
        return page.metadata

    async def _watch(self, version: str) -> AsyncIterator[Change[M]]:
        seconds = random.randint(*WATCH_SECONDS)  # noqa: S311 - spreads load, guards nothing
        params = {
            **self._params,
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(seconds),
        }
        lines = Lines()
        async for piece in self._client.stream(self._path, params, seconds=seconds):
            if not piece:
                yield Change(ChangeType.OPENED, "")
            for line in lines.feed(piece):
                for change in self._read_event(line):
                    yield change

    def _read_event(self, line: bytes) -> Iterator[Change[M]]:
        """Yield the change that a line tells; nothing for a type that a later API may bring.

        Raises:
            K8sError: the line tells an error, or is no event.
        """
        try:
            event = msgspec.json.decode(line, type=_Event)
            if event.type == "ERROR":
                raise status_refusal(bytes(event.object))
            if event.type in _TYPES:
                yield self._decode(_TYPES[event.type], event.object)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise _garbage("an event of a watch", line, error) from None

    def _decode(self, kind: ChangeType, raw: msgspec.Raw) -> Change[M]:
        """Decode the metadata first, then the object; neither need succeed, and the stream goes on."""
        try:
            head = msgspec.json.decode(raw, type=_Head).metadata
        except msgspec.ValidationError as error:
            log.warning("object without readable metadata", extra={"fields": {"kind": self.name, "error": str(error)}})
            return Change(ChangeType.BOOKMARK, "")
        version = head.resource_version or ""
        if kind is ChangeType.BOOKMARK or not head.name:
            return Change(ChangeType.BOOKMARK, version)
        ref = self._model.KIND.ref(head.namespace or "", head.name)
        if kind is ChangeType.DELETED:
            return Change(kind, version, ref)
        try:
            return Change(kind, version, ref, self._model.decode(bytes(raw)))
        except msgspec.ValidationError as error:
            value = msgspec.json.decode(raw)
            why = undecodable(self._model, ref, value, error)
            return Change(kind, version, ref, None, Undecodable(why, remains(self._model, value)))

    def _tell_polling(self, error: Forbidden) -> None:
        if self._told_polling:
            return
        self._told_polling = True
        fields = {"rule": self._missing_rule("watch", error.message), "poll_seconds": self._poll_seconds}
        log.warning("watch refused, listing instead", extra={"fields": fields})

    def _tell_watching(self) -> None:
        self._refusals = 0
        if self._told_polling:
            self._told_polling = False
            log.info("watched again", extra={"fields": {"resource": self._resource}})

    def _missing_rule(self, verb: str, message: str) -> str:
        where = f"namespace {self._namespace}" if self._namespace else "the whole cluster"
        return f"the role lacks the verb {verb} on {self._resource} in {where}; grant get, list, watch ({message})"

    @property
    def _resource(self) -> str:
        kind = self._model.KIND
        return f"{kind.plural}.{kind.group}" if kind.group else kind.plural


_TYPES = {kind.value: kind for kind in ChangeType}


def _garbage(what: str, data: bytes, error: Any) -> BadAnswer:
    excerpt = " ".join(data[:120].decode(errors="replace").split())
    return BadAnswer(f"the API server sent something that is not {what} ({error}): {excerpt}")
