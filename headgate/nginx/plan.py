"""The difference between the files that are there and the files that are wanted. Pure."""

from __future__ import annotations

import msgspec

from headgate.ir import File, FileSet
from headgate.ir.layout import MAIN, SECRETS_FOLDER


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What must be done to the disk, in order.

    Attributes:
        writes: files that are new or differ: secrets first, ``nginx.conf`` last, so that no file names another
            that does not exist yet.
        removals: names to delete before the test, since nginx would include them.
        leavings: names to delete after the reload, since until then the old workers read them at each handshake.
        reload: whether nginx must reload to see the change.
    """

    writes: tuple[File, ...] = ()
    removals: tuple[str, ...] = ()
    leavings: tuple[str, ...] = ()
    reload: bool = False

    @property
    def empty(self) -> bool:
        """Whether everything is as wanted."""
        return not (self.writes or self.removals or self.leavings)


def plan(present: FileSet, wanted: FileSet) -> Plan:
    """Return how to turn *present* into *wanted*; equal sets give an empty Plan.

    Two files are equal if name, content and mode are; who caused them does not matter.
    """
    if present is wanted:  # only what is no file changed
        return Plan()
    gone, fresh = wanted.since(present)
    writes = [file for file in fresh if not same(present.get(file.name), file)]
    return Plan(
        writes=tuple(sorted(writes, key=_rank)),
        removals=tuple(file.name for file in gone if file.needs_reload),
        leavings=tuple(file.name for file in gone if not file.needs_reload),
        reload=any(file.needs_reload for file in writes) or any(file.needs_reload for file in gone),
    )


def same(one: File | None, other: File | None) -> bool:
    """Whether nginx would see no difference between *one* and *other*."""
    if one is None or other is None:
        return one is other
    return one is other or (one.data == other.data and one.mode == other.mode)


def _rank(file: File) -> tuple[int, str]:
    if file.name == MAIN:
        return 2, file.name
    return (0 if file.name.startswith(f"{SECRETS_FOLDER}/") else 1), file.name
