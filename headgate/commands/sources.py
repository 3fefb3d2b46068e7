"""Where a command takes objects from: manifests, or with ``--cluster`` the cluster of the kubeconfig."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Protocol, TypeVar

import msgspec

from headgate import flags
from headgate.api import IngressClass, TopLevel
from headgate.k8s import Manifests
from headgate.options import IngressDialect, Options
from headgate.problems import Problem
from headgate.viewing import read as read_cluster
from headgate.watch import WATCHED

CONTROLLER: Final = "k8s.io/ingress-nginx"
OptionsT = TypeVar("OptionsT", bound=Options)
Arguments = Annotated[
    tuple[str, ...],
    flags.Value("DIR|FILE|-", str, each=True),
    flags.Argument("Folders of manifests, files, and - for standard input.", optional=True),
]
"""What is given unless ``--cluster`` is."""


class Source(Protocol):
    """The arguments of a command that reads manifests or a cluster."""

    @property
    def arguments(self) -> tuple[str, ...]:
        """Folders of manifests, files, and ``-``."""
        ...

    @property
    def cluster(self) -> bool:
        """Whether the cluster is read."""
        ...


class Found(msgspec.Struct, frozen=True):
    """Objects; *problems* of files and objects, *unreadable* files as lines, and how many objects were *refused*."""

    objects: Sequence[TopLevel]
    problems: Sequence[Problem]
    unreadable: Sequence[str] = ()
    refused: int = 0


def source_fault(source: Source, effect: str) -> tuple[Problem, ...]:
    """Return a Problem unless exactly one of manifests and ``--cluster`` is given."""
    if bool(source.arguments) != source.cluster:
        return ()
    what = "is given beside --cluster; name one of the two" if source.cluster else "is missing; or give --cluster"
    return (flags.problem("DIR|FILE|-", " ".join(source.arguments), what, effect),)


def read(options: Options, source: Source) -> Found:
    """Read the objects (ConfigError, K8sError: the cluster cannot be read)."""
    if source.cluster:
        return Found(*read_cluster(options))
    manifests = Manifests(source.arguments, sys.stdin.buffer.read, [row.model for row in WATCHED])
    objects, problems = manifests.load(), manifests.problems()
    unreadable = [f"{each.origin.name} {each}" for each in problems if each.origin.name in manifests.unreadable]
    return Found(objects, problems, unreadable, len(manifests.refused))


def in_dialect(options: OptionsT, objects: Sequence[TopLevel], first: str = "") -> OptionsT:
    """Have all classes of ingress-nginx served; without one, -ingress-class is taken for one.

    *first* is the first argument that names manifests.
    """
    controller = options.controller_class or CONTROLLER
    options = msgspec.structs.replace(options, controller_class=controller)
    if first:
        options = msgspec.structs.replace(options, manifests=Path(first))
    classes = [item.spec for item in objects if isinstance(item, IngressClass) and item.spec]
    if any(spec.controller == controller for spec in classes):
        return options
    return msgspec.structs.replace(options, ingress_dialect=IngressDialect.INGRESS_NGINX)
