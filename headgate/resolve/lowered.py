"""Lowered: a resource as routes, with what it points at."""

from __future__ import annotations

import msgspec

from headgate.ir import File
from headgate.problems import ObjectRef, Problem
from headgate.routes import RouteTable


class Lowered(msgspec.Struct, frozen=True, gc=False):
    """A resource with everything it points at.

    Attributes:
        table: its routes, ready for ``translate``.
        problems: what is missing or doubtful; nothing here refuses the resource.
        references: the Services, Secrets, Pods and Policies that it names, there or not, for the reverse index.
        files: the Secrets that its configuration refers to; several resources may carry the same one.
    """

    table: RouteTable
    problems: tuple[Problem, ...] = ()
    references: frozenset[ObjectRef] = frozenset()
    files: tuple[File, ...] = ()
