"""What the Configuration hands on: resources that hold something, and how they changed."""

from __future__ import annotations

import enum
from collections.abc import Mapping

import msgspec

from headgate.api import Ingress
from headgate.problems import ObjectRef, Problem
from headgate.settings import Role, Said


class MinionConfiguration(msgspec.Struct, frozen=True):
    """A minion under its master; ``paths`` are the indexes of the paths that it holds."""

    ingress: Ingress
    said: Said
    paths: frozenset[int]


class IngressConfiguration(msgspec.Struct, frozen=True):
    """An Ingress that holds at least one host; a master carries its minions in order of their keys."""

    ingress: Ingress
    said: Said
    role: Role
    hosts: tuple[str, ...]
    minions: tuple[MinionConfiguration, ...] = ()

    @property
    def ref(self) -> ObjectRef:
        """The identity of the Ingress."""
        return self.ingress.ref

    @property
    def members(self) -> tuple[ObjectRef, ...]:
        """Every object that this resource is made of."""
        return (self.ref, *(minion.ingress.ref for minion in self.minions))


Resource = IngressConfiguration
"""Anything that is generated into a file of its own; VirtualServer and TransportServer will join."""


class Operation(enum.Enum):
    """What to do with a resource."""

    DELETE = "delete"
    ADD_OR_UPDATE = "add-or-update"


class ResourceChange(msgspec.Struct, frozen=True):
    """A resource whose files must go or be made anew."""

    operation: Operation
    resource: Resource


class Update(msgspec.Struct, frozen=True):
    """The answer to one batch.

    Attributes:
        changes: deletes first, so that a host can move from one file to another.
        problems: for every object whose standing was looked at again, all that is wrong with it now (perhaps nothing).
        ignored: objects that are not ours, and why.
        gone: objects that were known and are no longer there or no longer ours.
    """

    changes: tuple[ResourceChange, ...] = ()
    problems: Mapping[ObjectRef, tuple[Problem, ...]] = {}
    ignored: Mapping[ObjectRef, str] = {}
    gone: frozenset[ObjectRef] = frozenset()
