"""Lines and columns of the fields in a file; found only when asked for, because few files have Problems."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
import yaml

from headgate.k8s.manifests import events
from headgate.k8s.objects import Written
from headgate.problems import ObjectRef

Position = tuple[int, int]
"""Line and column, both from 1; 0 is unknown."""
UNKNOWN: Position = (0, 0)

_ENTRIES = ("metadata.annotations", "data", "stringData", "binaryData")
"""The mappings whose keys are the fields of Problems by themselves, without a path."""
_INDEX = re.compile(r"\[([^\]]*)\]")


_NONE: Mapping[str, Place] = MappingProxyType({})


class Place(msgspec.Struct):
    """A node of a document: where it begins (an entry of a mapping: its key), and what is below it."""

    position: Position
    entries: Mapping[str, Place] = _NONE
    items: tuple[Place, ...] = ()

    def find(self, path: str) -> Place:
        """Return the place of *path* (``spec.rules[0].host``), or of its nearest parent that is there."""
        while path:
            step = self._step(path)
            if step is None:
                break
            self, path = step  # noqa: PLW0642 - walks down
        return self

    def _step(self, path: str) -> tuple[Place, str] | None:
        """Return the next place on *path*, and the rest of the path; keys may have dots and brackets themselves."""
        if found := _INDEX.match(path):
            index, rest = found[1], path[found.end() :].removeprefix(".")
            if index.isdecimal() and int(index) < len(self.items):
                return self.items[int(index)], rest
            if index in self.entries:
                return self.entries[index], rest
        keys = [key for key in self.entries if path.startswith(key) and path[len(key) :][:1] in {"", ".", "["}]
        if not keys:
            return None
        key = max(keys, key=len)
        return self.entries[key], path[len(key) :].removeprefix(".")


class Spot(msgspec.Struct, frozen=True):
    """Where an object is in its file: the line of its document, and its path there in a List."""

    line: int
    path: str


def spots(items: Iterable[Written]) -> dict[ObjectRef, Spot]:
    """Return where each object is; of two definitions the first counts."""
    found: dict[ObjectRef, Spot] = {}
    for item in items:
        found.setdefault(item.ref, Spot(item.line, item.path))
    return found


class Positions:
    """The positions in one file."""

    def __init__(self, data: bytes, places: Mapping[ObjectRef, Spot]) -> None:
        """Find the objects at *places* in *data*, which must be readable; JSON is read as YAML, which includes it."""
        self._objects: dict[ObjectRef, Place] = {}
        try:
            documents = _Placer(events(data)).documents()
        except (yaml.YAMLError, RecursionError):  # JSON that YAML does not include, or that is nested deeper
            return
        by_line = {place.position[0]: place for place in documents}
        for ref, spot in places.items():
            # The document of a JSON file counts from its first line, even if that is empty.
            if found := documents[0] if len(documents) == 1 else by_line.get(spot.line):
                self._objects[ref] = found.find(spot.path)

    def find(self, ref: ObjectRef, field: str) -> Position:
        """Return the position of a field of an object, of its nearest parent, or ``UNKNOWN``.

        Args:
            ref: the object.
            field: as in a Problem: a path, an annotation or a ConfigMap key.
        """
        place = self._objects.get(ref)
        if place is None:
            return UNKNOWN
        for path in _ENTRIES:
            if found := place.find(path).entries.get(field):
                return found.position
        return place.find(field).position


class _Placer:
    """Builds Places from the events of the parser."""

    def __init__(self, following: Callable[[], Any]) -> None:
        self._next = following
        self._anchors: dict[str, Place] = {}

    def documents(self) -> list[Place]:
        found = []
        while not isinstance(event := self._next(), yaml.StreamEndEvent):
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors.clear()
                found.append(self._node(self._next()))
        return found

    def _node(self, event: Any, key: Any = None) -> Place:
        """Return the place of the node that *event* begins; one in a mapping is where its *key* is."""
        mark = (key or event).start_mark
        place = Place((mark.line + 1, mark.column + 1))
        if isinstance(event, yaml.AliasEvent):
            named = self._anchors.get(event.anchor or "")
            return msgspec.structs.replace(named, position=place.position) if named else place
        if isinstance(event, yaml.SequenceStartEvent):
            place.items = tuple(self._items())
        elif isinstance(event, yaml.MappingStartEvent):
            place.entries = self._entries()
        if event.anchor is not None:
            self._anchors[event.anchor] = place
        return place

    def _items(self) -> Iterator[Place]:
        while not isinstance(item := self._next(), yaml.SequenceEndEvent):
            yield self._node(item)

    def _entries(self) -> dict[str, Place]:
        entries: dict[str, Place] = {}
        merged: dict[str, Place] = {}
        while not isinstance(key := self._next(), yaml.MappingEndEvent):
            place = self._node(self._next(), key)
            if key.value == "<<" and key.implicit[0]:
                for other in (place, *place.items):
                    merged = {**other.entries, **merged}
            else:
                entries[key.value] = place
        return merged | entries
