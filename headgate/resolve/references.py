"""The reverse index: which resources a Service, a Secret or a Pod touches."""

from __future__ import annotations

from collections.abc import Collection

from headgate.problems import ObjectRef

NONE: frozenset[ObjectRef] = frozenset()


class References:
    """Who names what; a question costs as much as its answer is long, a change as much as its own targets.

    Owners are resources, targets the Services, Secrets and Pods that they name, whether those exist or
    not: one that is missing touches its owners when it comes. The Service of an EndpointSlice is
    known to ``SliceIndex``.
    """

    def __init__(self) -> None:
        """Begin without owners."""
        self._targets: dict[ObjectRef, frozenset[ObjectRef]] = {}
        self._owners: dict[ObjectRef, set[ObjectRef]] = {}
        self._all: frozenset[ObjectRef] | None = NONE
        """All targets; ``None`` if one came or went since they were asked for."""

    def set(self, owner: ObjectRef, targets: Collection[ObjectRef]) -> frozenset[ObjectRef]:
        """Say that *owner* names *targets* and nothing else; return what is no longer named."""
        new, old = frozenset(targets), self._targets.get(owner, NONE)
        if new is old:
            return NONE
        self._targets.pop(owner, None)
        if new:
            self._targets[owner] = new
        for target in new - old:
            self._add(owner, target)
        return frozenset(target for target in old - new if self._drop(owner, target))

    def remove(self, owner: ObjectRef) -> frozenset[ObjectRef]:
        """Forget *owner*; return what is no longer named."""
        return self.set(owner, ())

    @property
    def targets(self) -> frozenset[ObjectRef]:
        """All that is named; the same object as long as that is the same."""
        if self._all is None:
            self._all = frozenset(self._owners)
        return self._all

    def touching(self, target: ObjectRef) -> frozenset[ObjectRef]:
        """Return the owners that name *target*."""
        return frozenset(self._owners.get(target, NONE))

    def touched(self, targets: Collection[ObjectRef]) -> frozenset[ObjectRef]:
        """Return the owners that name any of *targets*, of which there may be many more than are named."""
        fewer, more = sorted((targets, self._owners.keys()), key=len)
        return frozenset(owner for target in fewer if target in more for owner in self._owners[target])

    def _add(self, owner: ObjectRef, target: ObjectRef) -> None:
        if target not in self._owners:
            self._owners[target] = set()
            self._all = None
        self._owners[target].add(owner)

    def _drop(self, owner: ObjectRef, target: ObjectRef) -> bool:
        """Take *owner* from *target*; return whether it was the last."""
        owners = self._owners[target]
        owners.discard(owner)
        if not owners:
            del self._owners[target]
            self._all = None
        return not owners
