"""A folder of manifests as a source of objects for the same Informers as an API server."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from headgate.api import ALL, TopLevel, Undecodable
from headgate.k8s.errors import ConfigError, Gone
from headgate.k8s.index import Index
from headgate.k8s.informer import Change, ChangeType, Listing
from headgate.k8s.scan import SETTLED, UNSETTLED, Scan, Signature, scan, young
from headgate.problems import ObjectRef, Problem

log = logging.getLogger(__name__)

M = TypeVar("M", bound=TopLevel)

POLL = 0.25
"""Interval of the scans of the folder, in seconds."""
POLL_SHARE = 20
"""A scan is repeated after at least this many times its own duration: at most 5 % of one core."""
JOURNAL = 10_000
"""Changes that are kept for watches; a watch that is further behind has to list again."""


FRESH = 1.0
"""A file younger than this (seconds) at the start is read a second time."""


class Folder:
    """The objects in every ``*.yaml``, ``*.yml`` and ``*.json`` under a path.

    An invalid file keeps its last good content, as an API server would have kept the objects; so does an object that
    can no longer be decoded. Of two definitions of an object the one in the file whose name sorts first is used.
    """

    def __init__(
        self,
        path: str | Path,
        models: Iterable[type[TopLevel]] = ALL,
        *,
        on_problems: Callable[[tuple[Problem, ...]], None] | None = None,
        poll: float = POLL,
    ) -> None:
        """Prepare; nothing is read before ``load`` or ``run``.

        Args:
            path: the folder, or one file.
            models: the kinds to decode; others are logged once.
            on_problems: called with all current Problems whenever they change.
            poll: interval of the scans in seconds.
        """
        self._root = Path(path)
        self._models = tuple(models)
        self._on_problems = on_problems
        self._poll = poll
        self._index = Index()
        self._signatures: dict[str, Signature] = {}
        self._unknown: set[str] = set()
        self._folder_problem: Problem | None = None
        self._reported: tuple[Problem, ...] = ()
        self._missing: set[str] = set()
        self._loaded = False
        self._journal = _Journal()

    @property
    def path(self) -> Path:
        """The folder, or the file."""
        return self._root

    def load(self) -> tuple[TopLevel, ...]:
        """Read the folder now, in this thread, and return every object, sorted by identity.

        Raises:
            ConfigError: the folder cannot be read.
        """
        self._begin(scan(self._root, {}, self._models, settled=0))
        return tuple(self._index.objects[ref] for ref in sorted(self._index.objects))

    def find(self, ref: ObjectRef) -> TopLevel | None:
        """Return one object as it was last read, after ``load`` or while ``run`` runs."""
        return self._index.objects.get(ref)

    @property
    def refused(self) -> Mapping[ObjectRef, Undecodable[Any]]:
        """The objects that cannot be decoded, as they were last read; see ``find``."""
        return self._index.refused

    def problems(self) -> tuple[Problem, ...]:
        """Return the present Problems of the files, by file name."""
        about_folder = (self._folder_problem,) if self._folder_problem else ()
        return (*about_folder, *self._index.problems(self._missing))

    def where(self, ref: ObjectRef) -> str:
        """Return the relative path of the file that defines *ref*, also invalidly, ``""`` if none does."""
        return self._index.where(ref)

    def source(self, model: type[M]) -> FolderSource[M]:
        """Return the objects of one kind as a Source for an Informer.

        Raises:
            ValueError: *model* is not among the models of this Folder.
        """
        if model not in self._models:
            raise ValueError(f"{model.__name__} is not among the kinds of this Folder")
        return FolderSource(self, model)

    async def run(self) -> None:
        """Scan the folder until cancelled, which leaves the objects as they are.

        Raises:
            ConfigError: the folder cannot be read at the start.
        """
        if not self._loaded:
            self._begin(await asyncio.to_thread(scan, self._root, {}, self._models, settled=0))
        while True:
            began = time.monotonic()
            found = await asyncio.to_thread(scan, self._root, self._signatures.copy(), self._models)
            self._apply(found)
            took = time.monotonic() - began
            hurry = found.pending or self._missing
            await asyncio.sleep(max(SETTLED if hurry else self._poll, took * POLL_SHARE))

    async def listing(self, model: type[M]) -> Listing[M]:
        """Return the objects of one kind, after the folder was read."""
        await self._journal.begun.wait()
        objects = {ref: item for ref, item in self._index.objects.items() if isinstance(item, model)}
        refused = {ref: found for ref, found in self._index.refused.items() if model.KIND.includes(ref)}
        return Listing(str(self._journal.version), objects, refused)

    async def changes(self, model: type[M], version: str) -> AsyncIterator[Change[M]]:
        """Yield the changes of one kind since *version*, without end.

        Raises:
            Gone: the changes since *version* are no longer known.
        """
        seen = int(version)
        while True:
            for change in self._journal.since(seen):
                seen = int(change.version)
                if change.ref is not None and model.KIND.includes(change.ref):
                    yield change
            await self._journal.after(seen)

    def _begin(self, found: Scan) -> None:
        if found.problem is not None:
            where = self._root / found.problem.origin.name
            raise ConfigError(f"{where} {found.problem.reason}; name a folder or a file that this user may read")
        self._apply(found)
        self._loaded = True
        # This look did not wait for files to settle, so those just written are read again at the next.
        self._signatures = {name: UNSETTLED if young(at, FRESH) else at for name, at in self._signatures.items()}
        self._journal.begun.set()

    def _apply(self, found: Scan) -> None:
        """Use the result of a scan as the state; report changes to the watches, and the Problems if they differ."""
        differing: list[ObjectRef] = []
        # Some editors move the old file away before they write the new one: a file is gone after two scans without it.
        gone = self._missing.intersection(found.removed)
        self._missing = set(found.removed) - gone
        for name in sorted(gone):
            del self._signatures[name]
            differing += self._index.remove(name)
        for name, file in found.read.items():
            self._signatures[name] = file.signature
            differing += self._index.replace(name, file)
        self._folder_problem = found.problem
        self._note_unknown(found)
        self._journal.add(self._change(ref) for ref in dict.fromkeys(differing))
        self._report()

    def _change(self, ref: ObjectRef) -> Change[Any]:
        item = self._index.objects.get(ref)
        refused = self._index.refusal(ref)
        kind = ChangeType.DELETED if item is None and refused is None else ChangeType.MODIFIED
        return Change(kind, "", ref, item, refused)

    def _note_unknown(self, found: Scan) -> None:
        """Log each kind in the folder that Headgate does not read once."""
        kinds = {
            kind
            for file in found.read.values()
            if not isinstance(file.content, Problem)
            for kind in file.content.unknown
        }
        if fresh := kinds - self._unknown:
            self._unknown |= fresh
            log.info("kinds that are not read", extra={"fields": {"kinds": sorted(fresh)}})

    def _report(self) -> None:
        problems = self.problems()
        if problems != self._reported and self._on_problems is not None:
            self._on_problems(problems)
        self._reported = problems


class FolderSource(Generic[M]):
    """One kind of a Folder as a Source; the ``run`` of the Folder must be running."""

    def __init__(self, folder: Folder, model: type[M]) -> None:
        """Provide the objects of *model* in *folder*."""
        self._folder = folder
        self._model = model

    async def list(self) -> Listing[M]:
        """Return the objects, after the folder was read."""
        return await self._folder.listing(self._model)

    def watch(self, version: str) -> AsyncIterator[Change[M]]:
        """Yield the changes since *version*, without end.

        Raises:
            Gone: the changes since *version* are no longer known.
        """
        return self._folder.changes(self._model, version)


class _Journal:
    """The latest changes, numbered; wakes waiting watches."""

    def __init__(self) -> None:
        self.version = 1
        self.begun = asyncio.Event()
        self._changes: list[Change[Any]] = []
        self._news = asyncio.Event()

    def add(self, changes: Iterable[Change[Any]]) -> None:
        for change in changes:
            self.version += 1
            self._changes.append(msgspec.structs.replace(change, version=str(self.version)))
        del self._changes[:-JOURNAL]
        # Waiting watches have the old event; later ones wait for the next.
        self._news.set()
        self._news = asyncio.Event()

    def since(self, version: int) -> list[Change[Any]]:
        missing = self.version - version
        if missing > len(self._changes):
            raise Gone(f"the changes of the folder since version {version} are no longer known")
        return self._changes[len(self._changes) - missing :] if missing else []

    async def after(self, version: int) -> None:
        """Return once there is a change later than *version*."""
        while self.version <= version:
            await self._news.wait()
