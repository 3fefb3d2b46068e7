"""The ground rules of every Kubernetes model: frozen, camelCase on the wire, ``null`` means absent.

Fields that Go marshals without ``omitempty`` arrive as ``null`` when empty, so every such field
is ``X | None`` and readers write ``spec.rules or ()``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar, dataclass_transform

import msgspec

from headgate.problems import ObjectRef, Problem


@dataclass_transform(frozen_default=True, kw_only_default=False, field_specifiers=(msgspec.field,))
class Model(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """A piece of a Kubernetes object as the API server sends it; unknown fields are skipped."""


class Kind(msgspec.Struct, frozen=True):
    """Where a kind lives in the API: ``GET /apis/{group}/{version}/namespaces/{ns}/{plural}``."""

    name: str
    plural: str
    version: str = "v1"
    group: str = ""
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """``networking.k8s.io/v1``, or ``v1`` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def ref(self, namespace: str, name: str) -> ObjectRef:
        """Return the identity of an object of this kind."""
        return ObjectRef(self.name, namespace, name, self.group)

    def includes(self, ref: ObjectRef) -> bool:
        """Whether *ref* is the identity of an object of this kind."""
        return ref.kind == self.name and ref.group == self.group

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Return the URL path of the collection, of one object, or of its subresource."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{namespace}" if namespace and self.namespaced else ""
        return "/".join(part for part in (f"{root}{scope}/{self.plural}", name, subresource) if part)


class ObjectMeta(Model):
    """The metadata that the controller reads; times are RFC 3339 text, which sorts as time."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: tuple[OwnerReference, ...] | None = None


class OwnerReference(Model):
    """Who owns an object."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


class Object(Protocol):
    """Any top-level object: it knows its kind and carries metadata."""

    KIND: ClassVar[Kind]

    @property
    def metadata(self) -> ObjectMeta:
        """Name, namespace and bookkeeping."""
        ...


class TopLevel(Model):
    """Base of the kinds; ``KIND`` says where the API server keeps them."""

    KIND: ClassVar[Kind]

    metadata: ObjectMeta = ObjectMeta()

    @property
    def ref(self) -> ObjectRef:
        """The identity of this object."""
        return self.KIND.ref(self.metadata.namespace, self.metadata.name)

    @property
    def annotations(self) -> dict[str, str]:
        """The annotations, never ``None``."""
        return self.metadata.annotations or {}

    @classmethod
    def decode(cls, data: bytes | str) -> Self:
        """Decode JSON; a ``null`` anywhere counts as an absent field.

        Raises:
            msgspec.ValidationError: a field has the wrong type.
            msgspec.DecodeError: *data* is not JSON.
        """
        try:
            return msgspec.json.decode(data, type=cls)
        except msgspec.ValidationError:
            return msgspec.convert(without_nulls(msgspec.json.decode(data)), cls)

    @classmethod
    def convert(cls, data: Mapping[str, Any]) -> Self:
        """Make a model of decoded JSON or YAML; a ``null`` anywhere counts as an absent field.

        Raises:
            msgspec.ValidationError: a field has the wrong type.
        """
        try:
            return msgspec.convert(data, cls)
        except msgspec.ValidationError:
            return msgspec.convert(without_nulls(data), cls)

    def builtins(self) -> dict[str, Any]:
        """Return the JSON object to send, ``apiVersion`` and ``kind`` included."""
        body: dict[str, Any] = msgspec.to_builtins(self)
        return {"apiVersion": self.KIND.api_version, "kind": self.KIND.name, **body}


M = TypeVar("M", bound=TopLevel)


class Undecodable(msgspec.Struct, Generic[M], frozen=True):
    """An object that is there and cannot be used.

    Attributes:
        problem: the field with the wrong type, what is there, and what to write.
        remains: the object without the fields that do not decode: enough to know whose it is and how to name it in an
            event (its UID, its class), and nothing to serve; ``None`` if not even that.
    """

    problem: Problem
    remains: M | None = None


def without_nulls(value: Any) -> Any:
    """Return *value* without the fields that are ``null``: what Go's decoder makes of them too, its zero value.

    Only asked for when a strict decoding failed, so that no ordinary object pays for it.
    """
    if isinstance(value, Mapping):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value
