"""Generation: the pipeline's answer to a batch. Immutable, and read by everything that depends on it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from headgate.configuration import Update
from headgate.ir import FileSet, Release
from headgate.ir.http import Upstream
from headgate.ir.live import LiveObjects
from headgate.pipeline.generator import Bug, Generated
from headgate.problems import ObjectRef, Problem
from headgate.resolve.key_sets import KeySource
from headgate.routes import SecretReference
from headgate.translate import Environment


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a batch, and the whole state after it.

    Attributes:
        files: everything that nginx is to have.
        env: what all translations share.
        update: what the Configuration answered.
        generated: the resources whose files were made again.
        resources: every resource, with its routes and files, and what is wrong with them.
        upstreams: every upstream by name.
        live: what is pushed at run time; ``None`` if files contain everything.
        unrouted: why every host has a server block; empty if that depends on its resource.
        endpoints_only: whether only endpoints changed.
        config_map: the Problems of the ConfigMap, if it was read in this batch.
        special: the Secrets of flags that were read, and what is wrong with each.
        default_certificate: the Secret of the default server, if it can be used.
        bugs: exceptions that were kept to one resource.
        spent: seconds in each stage.
        key_sources: the key sets that are to be fetched.
    """

    files: FileSet
    env: Environment
    update: Update = Update()
    generated: frozenset[ObjectRef] = frozenset()
    resources: Mapping[ObjectRef, Generated] = {}
    upstreams: Mapping[str, Upstream] = {}
    live: LiveObjects | None = None
    unrouted: str = ""
    endpoints_only: bool = False
    config_map: tuple[Problem, ...] | None = None
    special: Mapping[ObjectRef, tuple[Problem, ...]] = {}
    default_certificate: SecretReference | None = None
    bugs: tuple[Bug, ...] = ()
    spent: Mapping[str, float] = {}
    key_sources: Mapping[ObjectRef, KeySource] = {}

    @property
    def release(self) -> Release:
        """What nginx is to have."""
        return Release(self.files, self.live)

    def members(self, ref: ObjectRef) -> tuple[ObjectRef, ...]:
        """Return every object that contributes to the resource *ref*, none if there is no such resource."""
        found = self.resources.get(ref)
        return found.wanted.table.members if found else ()


class Ruling(msgspec.Struct, frozen=True):
    """What follows from nginx's answer to a Generation.

    Attributes:
        again: what to try instead; ``None`` where the answer stands.
        config_map: the Problems of the ConfigMap after all tries, with those of keys that nginx refuses; ``None``
            where those of the Generation stand.
        retry: the ConfigMap, if nginx may accept another time what it refuses of it now; worth a batch after a while.
    """

    again: Generation | None = None
    config_map: tuple[Problem, ...] | None = None
    retry: ObjectRef | None = None
