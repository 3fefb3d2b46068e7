"""Folders, files and standard input as a source of objects that is read once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from headgate.api import ALL, TopLevel, Undecodable
from headgate.k8s.errors import ConfigError
from headgate.k8s.index import Index
from headgate.k8s.objects import FileContent, read_objects, written
from headgate.k8s.positions import UNKNOWN, Position, Positions, Spot, spots
from headgate.k8s.scan import UNSETTLED, ReadFile, content_of, documents_of, signatures
from headgate.problems import ObjectRef, Problem

STDIN = "-"
"""The argument that means standard input."""
STDIN_NAME = "<stdin>"
"""The name of standard input in messages."""


class Manifests:
    """The objects in several places, each file read once; a file is called as its argument leads to it.

    Attributes:
        unknown: ``apiVersion Kind`` of what is not read.
        unreadable: the files that cannot be used at all.
        empty: the arguments that lead to no document of Kubernetes.
        refused: the objects that cannot be decoded.
    """

    def __init__(
        self, arguments: Sequence[str], stdin: Callable[[], bytes], models: Iterable[type[TopLevel]] = ALL
    ) -> None:
        """Prepare; nothing is read before ``load``.

        Args:
            arguments: folders, files, and ``-`` for standard input.
            stdin: reads standard input to its end.
            models: the kinds to decode.
        """
        self._arguments = tuple(dict.fromkeys(arguments))
        self._stdin = stdin
        self._models = tuple(models)
        self._index = Index()
        self._read: set[str] = set()
        self._input = b""
        self._spots: dict[str, Mapping[ObjectRef, Spot]] = {}
        self._positions: dict[str, Positions] = {}
        self.unknown: set[str] = set()
        self.unreadable: set[str] = set()
        self.empty: list[str] = []
        self._documents = 0

    def load(self) -> tuple[TopLevel, ...]:
        """Read everything and return every object, sorted by identity.

        Raises:
            ConfigError: an argument cannot be read.
        """
        for argument in self._arguments:
            before = self._documents
            if argument == STDIN:
                self._input = self._stdin()
                self._take(STDIN_NAME, self._input)
            else:
                self._take_files(Path(argument).expanduser())
            if self._documents == before:
                self.empty.append("standard input" if argument == STDIN else argument)
        return tuple(self._index.objects[ref] for ref in sorted(self._index.objects))

    @property
    def refused(self) -> Mapping[ObjectRef, Undecodable[Any]]:
        """The objects that cannot be decoded, and are in no other file."""
        return self._index.refused

    def problems(self) -> tuple[Problem, ...]:
        """Return the Problems of the files, by file name."""
        return tuple(self._index.problems())

    def unknown_fields(self) -> Iterator[Problem]:
        """Return those of ``problems`` that are about a field which its kind does not have in Kubernetes."""
        return self._index.unknown_fields()

    def where(self, ref: ObjectRef) -> str:
        """Return the file that defines *ref*, also invalidly, ``""`` if none does."""
        return self._index.where(ref)

    def position(self, ref: ObjectRef, field: str) -> Position:
        """Return where a field of an object is in the file that defines it, as far as that is known."""
        name = self._index.where(ref)
        if not name or name in self.unreadable:
            return UNKNOWN
        if name not in self._positions:
            data = self._input if name == STDIN_NAME else Path(name).read_bytes()
            self._positions[name] = Positions(data, self._spots[name])
        return self._positions[name].find(ref, field)

    def _take_files(self, root: Path) -> None:
        try:
            names = sorted(name for name, _ in signatures(root))
        except OSError as error:
            reason = f"{error.filename or root} cannot be read: {error.strerror or error}"
            raise ConfigError(f"{reason}; name a folder or a file that this user may read") from None
        for path in (root / name for name in names) if root.is_dir() else (root,):
            if (real := os.path.realpath(path)) in self._read:
                self._documents += 1
                continue
            self._read.add(real)
            data = content_of(path, str(path), named=path == root)
            if isinstance(data, bytes):
                self._take(str(path), data)
            else:
                self._give_up(str(path), data)

    def _take(self, name: str, data: bytes) -> None:
        documents = documents_of(Path(name), name, data)
        self._documents += 1 if isinstance(documents, Problem | FileContent) else len(documents)
        if isinstance(documents, Problem):
            self._give_up(name, documents)
            return
        if isinstance(documents, FileContent):
            self._spots[name] = {}
            self._index.replace(name, ReadFile(UNSETTLED, documents))
            return
        content = read_objects(name, documents, self._models)
        self._index.replace(name, ReadFile(UNSETTLED, content))
        self._spots[name] = spots(written(documents, self._models))
        self.unknown |= content.unknown

    def _give_up(self, name: str, problem: Problem) -> None:
        self.unreadable.add(name)
        self._index.replace(name, ReadFile(UNSETTLED, problem))
