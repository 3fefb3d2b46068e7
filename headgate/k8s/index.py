"""The files of a folder and the objects that they define, updated file by file."""

from __future__ import annotations

import bisect
from collections.abc import Container, Iterator, Mapping
from typing import Any

import msgspec

from headgate.api import TopLevel, Undecodable
from headgate.k8s.objects import FILE, FileContent, file_ref, with_metadata
from headgate.k8s.scan import ReadFile
from headgate.problems import ObjectRef, Problem, Severity

KEPT = "its last good version stays"


class Index:
    """The objects of all files; the cost of an update depends on the changes only."""

    def __init__(self) -> None:
        """Begin without files."""
        self._objects: dict[ObjectRef, TopLevel] = {}
        self._contents: dict[str, FileContent] = {}
        self._broken: dict[str, Problem] = {}
        self._definitions: dict[ObjectRef, list[str]] = {}
        self._refused_in: dict[ObjectRef, str] = {}
        self._contested: set[ObjectRef] = set()
        self._faulty: set[str] = set()
        self._with_unknown_fields: set[str] = set()

    @property
    def objects(self) -> Mapping[ObjectRef, TopLevel]:
        """Every object that is used, each with its own generation."""
        return self._objects

    @property
    def refused(self) -> Mapping[ObjectRef, Undecodable[Any]]:
        """Every object that cannot be decoded, and of which no earlier version is used."""
        return {ref: found for ref in self._refused_in if (found := self.refusal(ref))}

    def refusal(self, ref: ObjectRef) -> Undecodable[Any] | None:
        """Return why an object that no file defines in a form that can be used cannot be decoded."""
        name = self._refused_in.get(ref)
        return self._contents[name].refused.get(ref) if name is not None and ref not in self._objects else None

    def replace(self, name: str, file: ReadFile) -> list[ObjectRef]:
        """Use the new content of file *name*; return the objects that differ."""
        old = self._contents.get(name)
        if isinstance(file.content, Problem):
            self._broken[name] = _broken(file.content, kept=old is not None)
            return []
        self._broken.pop(name, None)
        return self._exchange(name, old or FileContent(), _keep(file.content, old or FileContent()))

    def remove(self, name: str) -> list[ObjectRef]:
        """Remove file *name*; return the objects that differ."""
        self._broken.pop(name, None)
        return self._exchange(name, self._contents.get(name, FileContent()), None)

    def where(self, ref: ObjectRef) -> str:
        """Return the file that defines *ref*, also invalidly; ``""`` if none does."""
        if ref.kind == FILE:
            return ref.name
        names = self._definitions.get(ref)
        return names[0] if names else self._refused_in.get(ref, "")

    def problems(self, missing: Container[str] = ()) -> Iterator[Problem]:
        """Yield the present Problems, by file name.

        Files that are *missing*, for a moment or for good, define nothing again: perhaps one of them was renamed.
        """
        faults: dict[str, list[Problem]] = {name: [problem] for name, problem in self._broken.items()}
        for name in self._faulty:
            faults.setdefault(name, []).extend(self._contents[name].problems)
        for problem in self.unknown_fields():
            faults.setdefault(self.where(problem.origin), []).append(problem)
        for ref in sorted(self._contested):
            first, *others = [name for name in self._definitions[ref] if name not in missing] or ("",)
            for name in others:
                faults.setdefault(name, []).append(_duplicate(ref, name, first))
        for name in sorted(faults):
            yield from faults[name]

    def unknown_fields(self) -> Iterator[Problem]:
        """Yield the Problems about fields that a kind does not have, of the definitions that are used."""
        for name in sorted(self._with_unknown_fields):
            found = self._contents[name].unknown_fields
            yield from (problem for problem in found if self.where(problem.origin) == name)

    def _exchange(self, name: str, old: FileContent, new: FileContent | None) -> list[ObjectRef]:
        """Replace *old* by *new*; ``None`` removes the file."""
        fresh = new or FileContent()
        self._contents[name] = fresh
        self._faulty.discard(name)
        if fresh.problems:
            self._faulty.add(name)
        self._with_unknown_fields.discard(name)
        if fresh.unknown_fields:
            self._with_unknown_fields.add(name)
        for ref in old.refused.keys() - fresh.refused.keys():
            self._refused_in.pop(ref, None)
        self._refused_in.update(dict.fromkeys(fresh.refused, name))
        for ref in old.objects.keys() - fresh.objects.keys():
            self._definitions[ref].remove(name)
        for ref in fresh.objects.keys() - old.objects.keys():
            bisect.insort(self._definitions.setdefault(ref, []), name)
        differing = {ref for ref in old.objects.keys() | fresh.objects.keys() if self._settle(ref)}
        refused = old.refused.keys() | fresh.refused.keys()
        differing.update(ref for ref in refused if old.refused.get(ref) != fresh.refused.get(ref))
        if new is None:
            del self._contents[name]
        return sorted(differing)

    def _settle(self, ref: ObjectRef) -> bool:
        """Use the definition of *ref* in the first file that has one; return whether the object differs."""
        names = self._definitions[ref]
        (self._contested.add if len(names) > 1 else self._contested.discard)(ref)
        before = self._objects.get(ref)
        if not names:
            del self._definitions[ref]
            return self._objects.pop(ref, None) is not None
        now = self._contents[names[0]].objects[ref]
        if before is None:
            self._objects[ref] = now
            return True
        if before.metadata.resource_version == now.metadata.resource_version:
            return False
        self._objects[ref] = with_metadata(now, generation=before.metadata.generation + 1)
        return True


def _keep(new: FileContent, old: FileContent) -> FileContent:
    """Keep objects that can no longer be decoded whole as they were: an API server would have refused the change."""
    broken = new.refused.keys() | new.partial
    kept = {ref: old.objects[ref] for ref in broken if ref in old.objects and ref not in old.partial}
    if not kept:
        return new
    problems = tuple(
        msgspec.structs.replace(problem, effect=KEPT) if problem.origin in kept else problem for problem in new.problems
    )
    return msgspec.structs.replace(
        new, objects={**new.objects, **kept}, problems=problems, partial=new.partial - kept.keys()
    )


def _broken(problem: Problem, *, kept: bool) -> Problem:
    effect = "the last good content of the file stays in use" if kept else "nothing in the file is used"
    return msgspec.structs.replace(problem, effect=effect)


def _duplicate(ref: ObjectRef, name: str, first: str) -> Problem:
    reason = f"{ref} is defined in {first} already; the file whose name sorts first is used"
    return Problem(file_ref(name), "", "", reason, "this definition is ignored", Severity.ERROR)
