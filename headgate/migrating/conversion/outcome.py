"""What a conversion yields: objects, and what could not be carried over."""

from __future__ import annotations

import enum
import itertools
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from headgate.problems import ObjectRef, Problem

Json = Mapping[str, Any]
ORG: Final = "k8s.nginx.org/v1"
CLOSED_SUFFIX: Final = "closed"


class Loss(enum.Enum):
    """What becomes of something that has no equal in the other dialect."""

    DIFFERS = "differs"
    """It works in another way."""
    LOST = "lost"
    """It has no effect any more."""
    CLOSED = "closed"
    """Requests are answered 403 in its place, because they would be served unguarded."""


class Note(msgspec.Struct, frozen=True, order=True):
    """One thing that was not carried over.

    Attributes:
        origin: the object that asks for it.
        what: the annotation or field, and perhaps the path.
        why: why not, and what happens now.
        loss: how bad that is, as the value of a Loss.
    """

    origin: ObjectRef
    what: str
    why: str
    loss: str

    def __str__(self) -> str:
        return f"{self.origin.key}: {self.what} {self.why}"


class Document(msgspec.Struct, frozen=True):
    """An object to write, and what its reader should know."""

    item: Json
    notes: Sequence[Note] = ()

    @property
    def ref(self) -> tuple[str, str, str]:
        """Kind, namespace and name."""
        metadata = self.item["metadata"]
        return str(self.item["kind"]), str(metadata.get("namespace", "")), str(metadata["name"])


class Names:
    """Names of objects that are made of others; no two of a kind and namespace are the same."""

    def __init__(self) -> None:
        """Begin without any."""
        self._used: set[tuple[str, str, str]] = set()

    def of(self, kind: str, namespace: str, name: str) -> str:
        """Return *name*, or what is nearest to it and not used yet."""
        numbered = (name if i == 1 else f"{name}-{i}" for i in itertools.count(1))
        found = next(each for each in numbered if (kind, namespace, each) not in self._used)
        self._used.add((kind, namespace, found))
        return found


class Conversion(msgspec.Struct, frozen=True):
    """Everything that was written.

    Attributes:
        documents: the objects in the order in which they are applied.
        whole: Ingresses that were carried over as they are.
        noted: those of which something was not, or works in another way.
        closed: those with a guard that was not; ``unconverted`` those that are in no document, and why.
        general: what holds for all of them.
    """

    documents: Sequence[Document]
    whole: Sequence[str]
    noted: Sequence[str]
    closed: Sequence[str]
    unconverted: Mapping[str, str]
    general: Sequence[str] = ()

    @property
    def lossy(self) -> bool:
        """Whether something is lost, closed or not converted."""
        lost = any(note.loss != Loss.DIFFERS.value for each in self.documents for note in each.notes)
        return lost or bool(self.closed or self.unconverted)

    def with_problems(self, problems: Iterable[Problem], known: Container[str] = ()) -> Conversion:
        """Return it with what is wrong with its objects themselves, at these; *known* reasons are those of before."""
        found: dict[tuple[str, str, str], list[Note]] = {}
        refused = dict(self.unconverted)
        for each in problems:
            if each.reason in known:
                continue
            if each.refuses:
                refused[each.origin.key] = f"what is written is refused: {each}"
            ref = (each.origin.kind, each.origin.namespace, each.origin.name)
            what = f"{each.field}:" if each.field else ""
            effect = f" ({each.effect})" if each.effect else ""
            found.setdefault(ref, []).append(Note(each.origin, what, f"{each.reason}{effect}", Loss.LOST.value))
        documents = [Document(each.item, (*each.notes, *found.get(each.ref, ()))) for each in self.documents]
        whole = [key for key in self.whole if key not in refused]
        return msgspec.structs.replace(self, documents=documents, whole=whole, unconverted=refused)


def custom(kind: str, namespace: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object of the group k8s.nginx.org."""
    return {"apiVersion": ORG, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}
