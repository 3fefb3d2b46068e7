"""Decodes documents to models; a field of the wrong type becomes a Problem."""

from __future__ import annotations

import difflib
import hashlib
import uuid
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any

import msgspec

from headgate.api import Ingress, Kind, ObjectMeta, TopLevel, Undecodable, VirtualServer
from headgate.api.fields import unknown_fields
from headgate.k8s.entries import without_unread
from headgate.k8s.manifests import Document
from headgate.k8s.undecodable import remains, undecodable
from headgate.k8s.unread import unread
from headgate.problems import ObjectRef, Problem, Severity

FILE = "File"
"""The kind of the origin of Problems about a file."""


class FileContent(msgspec.Struct, frozen=True):
    """The content of a file.

    Attributes:
        objects: the decoded objects, in the order of the file.
        problems: what cannot be used, and why.
        refused: the objects that cannot be decoded.
        partial: the objects of which parts are left out that cannot be decoded.
        unknown_fields: the fields that an object has and its kind has not, which are ignored.
        unknown: ``apiVersion/Kind`` of documents that Headgate does not read, and that do not concern it.
    """

    objects: Mapping[ObjectRef, TopLevel] = {}
    problems: tuple[Problem, ...] = ()
    refused: Mapping[ObjectRef, Undecodable[Any]] = {}
    partial: frozenset[ObjectRef] = frozenset()
    unknown: frozenset[str] = frozenset()
    unknown_fields: tuple[Problem, ...] = ()


UNUSED = "it is ignored here, and the API server may refuse the object"
_OLD_INGRESS = (
    f"is an API version that Kubernetes has removed; an Ingress is read as {Ingress.KIND.api_version} only: "
    "convert it, with a pathType for each path and backends as service.name and service.port"
)

_BUILT_IN = frozenset({"", "apps", "batch", "discovery.k8s.io", "extensions", "networking.k8s.io"})
"""Groups of Kubernetes in which a kind that is not known may be one that is read, with a mistake."""
_CUSTOM = VirtualServer.KIND.group
"""The group of the custom resources, of which every kind is read."""


class _RefusedError(Exception):
    """A document that cannot be used; contains the Problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def file_ref(name: str) -> ObjectRef:
    """Return the origin of the Problems of a file; *name* is relative to the folder."""
    return ObjectRef(FILE, "", name)


class Written(msgspec.Struct, frozen=True):
    """An object as it stands in a file: the line of its document, its path there in a List, and all its fields."""

    model: type[TopLevel]
    ref: ObjectRef
    line: int
    path: str
    value: Mapping[str, Any]


def read_objects(name: str, documents: Iterable[Document], models: Iterable[type[TopLevel]]) -> FileContent:
    """Decode the documents of file *name* whose kind is among *models*; others are Problems or noted as unknown."""
    by_kind = {model.KIND.name: model for model in models}
    reader = _Reader(name, by_kind)
    for document in documents:
        for _, value in _expand(document.value):
            reader.take(document.line, value)
    return reader.content()


def written(documents: Iterable[Document], models: Iterable[type[TopLevel]]) -> Iterator[Written]:
    """Yield every object that ``read_objects`` tries to decode, also if that fails."""
    by_version = {(model.KIND.api_version, model.KIND.name): model for model in models}
    for document in documents:
        for path, value in _expand(document.value):
            model = by_version.get((_text_at(value, "apiVersion"), _text_at(value, "kind")))
            if model is not None and (ref := _identity(model, value)).name:
                yield Written(model, ref, document.line, path, value)


def _text_at(value: Any, key: str) -> str:
    text = value.get(key) if isinstance(value, dict) else None
    return text if isinstance(text, str) else ""


class _Reader:
    """Collects the objects and Problems of one file."""

    def __init__(self, name: str, models: Mapping[str, type[TopLevel]]) -> None:
        self._file = name
        self._models = models
        self._objects: dict[ObjectRef, TopLevel] = {}
        self._problems: list[Problem] = []
        self._refused: dict[ObjectRef, Undecodable[Any]] = {}
        self._partial: set[ObjectRef] = set()
        self._unknown: set[str] = set()
        self._unread: dict[tuple[str, str], list[int]] = {}
        self._unknown_fields: dict[ObjectRef, tuple[Problem, ...]] = {}

    def content(self) -> FileContent:
        problems = (*self._problems, *self._unread_kinds())
        unknown_fields = tuple(problem for found in self._unknown_fields.values() for problem in found)
        partial, unknown = frozenset(self._partial), frozenset(self._unknown)
        return FileContent(self._objects, problems, self._refused, partial, unknown, unknown_fields)

    def take(self, line: int, value: Any) -> None:
        try:
            model = self._model(line, value)
            if model is not None:
                self._add(line, self._decode(line, model, value))
        except _RefusedError as refused:
            self._problems.append(refused.problem)

    def _model(self, line: int, value: Any) -> type[TopLevel] | None:
        """Return the model of a document, ``None`` if Headgate does not read that kind."""
        if not isinstance(value, dict):
            raise _RefusedError(self._warn(line, "is not a Kubernetes object (a mapping with apiVersion and kind)"))
        kind, version = value.get("kind"), value.get("apiVersion")
        if not isinstance(kind, str) or not isinstance(version, str):
            raise _RefusedError(self._warn(line, "has no apiVersion and kind, so it is not a Kubernetes object"))
        model = self._models.get(kind)
        if model is not None and model.KIND.api_version == version:
            return model
        if model is Ingress and _group(version) in {model.KIND.group, "extensions"}:
            raise _RefusedError(self._refuse(line, _OLD_INGRESS, version))
        if model is not None and _group(version) in {model.KIND.group, "extensions"}:
            reason = f"{kind} is read as {model.KIND.api_version} only; change its apiVersion"
            raise _RefusedError(self._warn(line, reason, version))
        if unread(_group(version), kind):
            self._unread.setdefault((kind, version), []).append(line)
            return None
        if reason := self._mistaken(_group(version), kind):
            raise _RefusedError(self._warn(line, f"{kind} {version} is not a kind of {reason}"))
        self._unknown.add(f"{version} {kind}")
        return None

    def _mistaken(self, group: str, kind: str) -> str:
        """Return what *kind* is not a kind of, and what to write; ``""`` if it may be one that is not read."""
        if group not in _BUILT_IN | {_CUSTOM}:
            return ""
        owner = _CUSTOM if group == _CUSTOM else "Kubernetes"
        if meant := self._meant(group, kind):
            return f"{owner}; did you mean {meant.name} {meant.api_version}?"
        kinds = sorted(model.KIND.name for model in self._models.values() if model.KIND.group == _CUSTOM)
        return f"{owner}, which has {', '.join(kinds)}" if owner == _CUSTOM else ""

    def _meant(self, group: str, kind: str) -> Kind | None:
        """Return the kind that is read and that *kind* of *group* seems to be a mistake for: a letter, or the group."""
        if kind in self._models:
            return self._models[kind].KIND
        known = {name.lower(): model.KIND for name, model in self._models.items() if model.KIND.group == group}
        near = difflib.get_close_matches(kind.lower(), known, n=1, cutoff=0.8)
        return known[near[0]] if near else None

    def _decode(self, line: int, model: type[TopLevel], value: dict[str, Any]) -> TopLevel:
        ref = _identity(model, value)
        if not ref.name:
            raise _RefusedError(self._refuse(line, f"{model.KIND.name} has no metadata.name"))
        if ref not in self._unknown_fields:
            self._unknown_fields[ref] = tuple(_not_fields(model, ref, value))
        try:
            return complete(self._convert(model, ref, value))
        except msgspec.ValidationError as error:
            problem = undecodable(model, ref, value, error)
            rest = remains(model, deepcopy(value))
            self._refused[ref] = Undecodable(problem, rest and complete(rest))
            raise _RefusedError(problem) from None

    def _convert(self, model: type[TopLevel], ref: ObjectRef, value: dict[str, Any]) -> TopLevel:
        try:
            return model.convert(value)
        except msgspec.ValidationError as error:
            item, problems = without_unread(model, ref, value, error)
        self._problems += problems
        self._partial.add(ref)
        return item

    def _add(self, line: int, item: TopLevel) -> None:
        if item.ref in self._objects:
            raise _RefusedError(self._refuse(line, f"{item.ref} is in this file already; its first definition is used"))
        self._objects[item.ref] = item

    def _unread_kinds(self) -> Iterator[Problem]:
        """Yield one Problem for each kind that concerns an ingress controller, at its first line."""
        for (kind, version), lines in self._unread.items():
            count = f" ({len(lines)} in this file)" if len(lines) > 1 else ""
            reason = f"{kind} {version}{count} {unread(_group(version), kind)}"
            yield Problem(file_ref(self._file), f"line {lines[0]}", "", reason, "it has no effect")

    def _warn(self, line: int, reason: str, value: str = "") -> Problem:
        effect = "the document is skipped"
        return Problem(file_ref(self._file), f"line {line}", value, reason, effect)

    def _refuse(self, line: int, reason: str, value: str = "") -> Problem:
        effect = "the document is skipped"
        return Problem(file_ref(self._file), f"line {line}", value, reason, effect, Severity.ERROR)


def _not_fields(model: type[TopLevel], ref: ObjectRef, value: Mapping[str, Any]) -> Iterator[Problem]:
    for field in unknown_fields(model, value):
        advice = f"; did you mean {field.meant}?" if field.meant else ""
        if field.elsewhere:
            advice = f", but of {field.elsewhere}; check the indentation"
        yield Problem(ref, field.path, "", f"is not a field of {ref.kind}{advice}", UNUSED)


def _expand(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield path and value of the items of a List (of any kind; items may omit theirs), or the object itself."""
    kind = value.get("kind") if isinstance(value, dict) else None
    if not isinstance(kind, str) or not kind.endswith("List") or not isinstance(value.get("items") or [], list):
        yield path, value
        return
    defaults = {} if kind == "List" else {"apiVersion": value.get("apiVersion"), "kind": kind.removesuffix("List")}
    for place, item in enumerate(value.get("items") or []):
        inner = f"{path}.items[{place}]".removeprefix(".")
        yield from _expand(defaults | item if isinstance(item, dict) else item, inner)


def _group(api_version: str) -> str:
    return api_version.rpartition("/")[0]


def _identity(model: type[TopLevel], value: Mapping[str, Any]) -> ObjectRef:
    """Return name and namespace, also if the rest cannot be decoded."""
    metadata = value.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    name, namespace = metadata.get("name"), metadata.get("namespace")
    space = namespace if isinstance(namespace, str) and namespace else "default"
    return model.KIND.ref(space if model.KIND.namespaced else "", name if isinstance(name, str) else "")


def complete(item: TopLevel) -> TopLevel:
    """Add namespace, UID and resource version as an API server would; they depend on the content only."""
    metadata = item.metadata
    namespace = (metadata.namespace or "default") if item.KIND.namespaced else ""
    ref = item.KIND.ref(namespace, metadata.name)
    given = msgspec.structs.replace(metadata, namespace=namespace, resource_version="", generation=0)
    item = msgspec.structs.replace(item, metadata=given)
    return with_metadata(
        item,
        uid=metadata.uid or str(uuid.uuid5(uuid.NAMESPACE_OID, str(ref))),
        resource_version=_digest(item),
        generation=1,
    )


def with_metadata(item: TopLevel, **fields: Any) -> TopLevel:
    """Return *item* with some fields of its metadata replaced."""
    metadata: ObjectMeta = msgspec.structs.replace(item.metadata, **fields)
    return msgspec.structs.replace(item, metadata=metadata)


def _digest(item: TopLevel) -> str:
    return str(int.from_bytes(hashlib.blake2b(msgspec.json.encode(item), digest_size=8).digest()))
