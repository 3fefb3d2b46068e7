"""What is wanted of a dependent, and how one that is there is compared and changed. Pure.

Only the fields that Headgate decides are compared and written; all others stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from headgate.api import ObjectMeta, TopLevel
from headgate.api.nginx_org import VirtualServer
from headgate.problems import Problem
from headgate.reporting.status_forms import Exposure

Json = dict[str, Any]
MADE_FOR: Final = "headgate/ingress-class"
"""The annotation with the class of the Headgate that writes a dependent."""


class Wanted(msgspec.Struct, frozen=True):
    """A dependent as it should be.

    Attributes:
        name: its name; the namespace is that of its owner.
        spec: the fields of its spec that are decided; those that are not there are removed.
        labels: labels that it has at least.
        annotations: annotations that are decided; ``None`` removes one.
    """

    name: str
    spec: Json
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str | None] = {}


class Answer(msgspec.Struct, frozen=True):
    """What a VirtualServer asks for.

    Attributes:
        wanted: the dependent; ``None`` if there should be none.
        problems: what is wrong with what it asks for.
        keep: whether it is not known what is wanted: what is there stays as it is.
        waiting: what is missing until it is known; empty if nothing is.
    """

    wanted: Wanted | None = None
    problems: tuple[Problem, ...] = ()
    keep: bool = False
    waiting: str = ""


class DependentKind(msgspec.Struct, frozen=True):
    """A kind of dependents.

    Attributes:
        model: the kind.
        decided: the fields of the spec that Headgate decides.
        wanted: what a VirtualServer asks for; without an Exposure the addresses are not known.
        plain: brings specs with the same meaning into the same form.
        tells: whether events are about the dependent, too.
        instead_of: another kind for the same purpose, which goes before this one where the cluster has both.
    """

    model: type[TopLevel]
    decided: tuple[str, ...]
    wanted: Callable[[VirtualServer, Exposure | None], Answer]
    plain: Callable[[Json], Any]
    tells: bool = False
    instead_of: DependentKind | None = None


def body(kind: DependentKind, owner: VirtualServer, wanted: Wanted) -> Json:
    """Return the object to create."""
    annotations = {key: value for key, value in wanted.annotations.items() if value is not None}
    meta: Json = {"name": wanted.name, "namespace": owner.metadata.namespace, "ownerReferences": [_reference(owner)]}
    meta |= {"labels": dict(wanted.labels)} if wanted.labels else {}
    meta |= {"annotations": annotations} if annotations else {}
    return {
        "apiVersion": kind.model.KIND.api_version,
        "kind": kind.model.KIND.name,
        "metadata": meta,
        "spec": dict(wanted.spec),
    }


def _reference(owner: VirtualServer) -> Json:
    """Return the reference to *owner*, without ``blockOwnerDeletion``, which may need rights to its finalizers."""
    kind, meta = owner.KIND, owner.metadata
    return {"apiVersion": kind.api_version, "kind": kind.name, "name": meta.name, "uid": meta.uid, "controller": True}


def controller_of(meta: ObjectMeta) -> tuple[str, str, str] | None:
    """Return kind, name and UID of the object that manages another one with *meta*, ``None`` if there is none."""
    owners = (owner for owner in meta.owner_references or () if owner.controller)
    return next(((owner.kind, owner.name, owner.uid) for owner in owners), None)


def is_owned(meta: ObjectMeta, owner: VirtualServer) -> bool:
    """Whether *owner* manages the object with *meta*; one of the same name that was deleted does not."""
    return controller_of(meta) == (owner.KIND.name, owner.metadata.name, owner.metadata.uid)


def made_for(ingress_class: str, wanted: Wanted) -> Wanted:
    """Return *wanted* with the mark of the Headgate that serves *ingress_class*.

    The reference to the owner is the same whichever controller makes the object. It is no label, for the F5 controller
    takes labels away that the VirtualServer does not have.
    """
    return msgspec.structs.replace(wanted, annotations={**wanted.annotations, MADE_FOR: ingress_class})


def is_made_for(ingress_class: str, meta: ObjectMeta) -> bool:
    """Whether the Headgate that serves *ingress_class* made the object with *meta*, or took it over."""
    return (meta.annotations or {}).get(MADE_FOR) == ingress_class


def differs(kind: DependentKind, found: Json, wanted: Wanted) -> bool:
    """Whether *found*, as JSON, is not as *wanted*."""
    meta = found.get("metadata") or {}
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    spec = {key: value for key, value in (found.get("spec") or {}).items() if key in kind.decided}
    return (
        any(labels.get(key) != value for key, value in wanted.labels.items())
        or any(annotations.get(key) != value for key, value in wanted.annotations.items())
        or kind.plain(spec) != kind.plain(wanted.spec)
    )


def changed(kind: DependentKind, found: Json, wanted: Wanted) -> Json:
    """Return *found*, as JSON, with what is *wanted*."""
    meta = found.get("metadata") or {}
    annotations = {**(meta.get("annotations") or {}), **wanted.annotations}
    meta = {
        **meta,
        "labels": {**(meta.get("labels") or {}), **wanted.labels},
        "annotations": {key: value for key, value in annotations.items() if value is not None},
    }
    kept = {key: value for key, value in (found.get("spec") or {}).items() if key not in kind.decided}
    return {**found, "metadata": meta, "spec": {**kept, **wanted.spec}}


def without_empty(value: Any) -> Any:
    """Return *value* without empty fields, ``None`` if nothing is left: Go's clients leave them out."""
    if isinstance(value, Mapping):
        found = {key: without_empty(each) for key, each in value.items()}
        return {key: each for key, each in found.items() if each is not None} or None
    if isinstance(value, list | tuple):
        return [without_empty(each) for each in value] or None
    return value or None
