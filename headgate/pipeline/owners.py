"""Which resource has which name in nginx."""

from __future__ import annotations

from headgate.problems import ObjectRef

NONE: frozenset[str] = frozenset()


class Owners:
    """The names of each resource, each of which one resource alone may have."""

    def __init__(self) -> None:
        """Begin without names."""
        self._owners: dict[str, ObjectRef] = {}
        self._names: dict[ObjectRef, frozenset[str]] = {}

    def owner(self, name: str) -> ObjectRef | None:
        """Return the resource that has *name*."""
        return self._owners.get(name)

    def others(self, ref: ObjectRef, names: frozenset[str]) -> bool:
        """Whether another resource than *ref* has one of *names*; those that *ref* has cost nothing."""
        known = self._names.get(ref, NONE)
        return names is not known and any(self._owners.get(name, ref) != ref for name in names - known)

    def set(self, ref: ObjectRef, names: frozenset[str]) -> None:
        """Let *names* be those of *ref*."""
        known = self._names.pop(ref, NONE)
        if names:
            self._names[ref] = names
        if names is known:
            return
        for name in known - names:
            if self._owners.get(name) == ref:
                del self._owners[name]
        self._owners.update(dict.fromkeys(names - known, ref))
