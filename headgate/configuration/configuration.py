"""Configuration: the valid resources and who holds which host; a pure state machine.

The work of an update is proportional to the batch and to the claimants of the hosts it touches,
never to the number of resources.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from headgate.api import Ingress
from headgate.configuration.classes import ClassRule
from headgate.configuration.hosts import Arbiter, Claimant
from headgate.configuration.mergeable import orphan, share_paths
from headgate.configuration.resource import (
    IngressConfiguration,
    MinionConfiguration,
    Operation,
    ResourceChange,
    Update,
)
from headgate.problems import ObjectRef, Problem, Severity
from headgate.settings import Role
from headgate.validation.ingress import Rules, ValidIngress, validate_ingress

Shares = dict[ObjectRef, tuple[MinionConfiguration, list[Problem]]]
"""Each minion of a host with the paths that it holds, and what it lost."""

TAKEN = "All hosts are taken by other resources"
"""The incumbent's words, which operators' scripts look for."""


class Configuration:
    """Holds the newest valid version of every resource and arbitrates hosts between them."""

    def __init__(self, rules: Rules, classes: ClassRule = ClassRule()) -> None:  # noqa: B008 - frozen
        """Begin empty, with what the flags permit and the class that is served."""
        self._rules = rules
        self._classes = classes
        self._valid: dict[ObjectRef, ValidIngress] = {}
        self._complaints: dict[ObjectRef, list[Problem]] = {}
        self._hosts: Arbiter[str] = Arbiter()
        self._minions: dict[str, dict[ObjectRef, ValidIngress]] = {}
        self._active: dict[ObjectRef, IngressConfiguration] = {}
        self._memo: dict[str, Shares] = {}

    @property
    def resources(self) -> Mapping[ObjectRef, IngressConfiguration]:
        """The resources that hold a host, by their own identity."""
        return self._active

    def census(self) -> dict[str, int]:
        """Count the Ingresses that are served, by role."""
        roles = [resource.role for resource in self._active.values()]
        minions = sum(len(resource.minions) for resource in self._active.values())
        return {"regular": roles.count(Role.REGULAR), "master": roles.count(Role.MASTER), "minion": minions}

    def owner(self, ref: ObjectRef) -> ObjectRef | None:
        """Return the resource that serves *ref*: itself, the master of a minion, or nobody."""
        valid = self._valid.get(ref)
        if valid is None:
            return None
        holder = self._hosts.holder(valid.hosts[0]) if valid.role is Role.MINION else ref
        return holder if holder in self._active else None

    def serve(self, classes: ClassRule) -> bool:
        """Serve *classes* from the next update on; return whether that is new, so that every Ingress is sent again."""
        changed = classes != self._classes
        self._classes = classes
        return changed

    def add_or_update_ingress(self, ingress: Ingress) -> Update:
        """Add one Ingress."""
        return self.update([ingress], [])

    def delete_ingress(self, ref: ObjectRef) -> Update:
        """Delete one Ingress."""
        return self.update([], [ref])

    def update(self, upserts: Iterable[Ingress], deletes: Iterable[ObjectRef]) -> Update:
        """Take a batch; an Ingress that becomes invalid is withdrawn (contract line 92)."""
        touched: set[str] = set()
        seen: set[ObjectRef] = set()
        ignored: dict[ObjectRef, str] = {}
        gone: set[ObjectRef] = set()
        for ref in deletes:
            if self._forget(ref, touched):
                gone.add(ref)
        for ingress in upserts:
            if reason := self._classes.ignores(ingress):
                ignored[ingress.ref] = reason
                if self._forget(ingress.ref, touched):
                    gone.add(ingress.ref)
            elif self._accept(ingress, touched):
                seen.add(ingress.ref)
        seen |= {ref for host in touched for ref in self._concerned(host)}
        self._memo.clear()
        changes = list(self._rebuild(seen | gone))
        changes.sort(key=lambda change: (change.operation is Operation.ADD_OR_UPDATE, change.resource.ref))
        problems = {ref: tuple(self._standing(ref)) for ref in seen - gone}
        return Update(tuple(changes), problems, ignored, frozenset(gone))

    def _accept(self, ingress: Ingress, touched: set[str]) -> bool:
        """Validate and let it claim; return whether anything but its status changed."""
        old = self._valid.get(ingress.ref)
        if old and same_input(old.ingress, ingress):
            return False
        self._forget(ingress.ref, touched)
        valid, problems = validate_ingress(ingress, self._rules)
        self._complaints[ingress.ref] = problems
        if valid is None:
            return True
        self._valid[ingress.ref] = valid
        touched.update(valid.hosts)
        if valid.role is Role.MINION:
            self._minions.setdefault(valid.hosts[0], {})[ingress.ref] = valid
        else:
            self._hosts.claim(Claimant.of(ingress.ref, ingress.metadata), valid.hosts)
        return True

    def _forget(self, ref: ObjectRef, touched: set[str]) -> bool:
        """Drop what is known of *ref*; return whether anything was."""
        known = self._complaints.pop(ref, None) is not None
        valid = self._valid.pop(ref, None)
        if valid is None:
            return known
        for host in valid.hosts:
            touched.update((host,))
            minions = self._minions.get(host, {})
            if minions.pop(ref, None) and not minions:
                del self._minions[host]
        self._hosts.withdraw(ref, valid.hosts)
        return True

    def _concerned(self, host: str) -> frozenset[ObjectRef]:
        """Everybody whose standing a change of *host* may alter."""
        return self._hosts.claimants(host) | frozenset(self._minions.get(host, ()))

    def _rebuild(self, refs: Iterable[ObjectRef]) -> Iterator[ResourceChange]:
        for ref in refs:
            old, new = self._active.get(ref), self._resource(ref)
            if new is not None and new != old:
                self._active[ref] = new
                yield ResourceChange(Operation.ADD_OR_UPDATE, new)
            elif new is None and old is not None:
                del self._active[ref]
                yield ResourceChange(Operation.DELETE, old)

    def _resource(self, ref: ObjectRef) -> IngressConfiguration | None:
        valid = self._valid.get(ref)
        if valid is None or valid.role is Role.MINION:
            return None
        held = tuple(host for host in valid.hosts if self._hosts.holder(host) == ref)
        if not held:
            return None
        shares = self._shares(held[0]) if valid.role is Role.MASTER else {}
        minions = tuple(minion for minion, _ in shares.values())
        return IngressConfiguration(valid.ingress, valid.said, valid.role, held, minions)

    def _shares(self, host: str) -> Shares:
        """Share the paths of a mergeable host between its minions, once an update."""
        if host not in self._memo:
            shares = share_paths(self._minions.get(host, {}).values())
            self._memo[host] = {minion.ingress.ref: (minion, lost) for minion, lost in shares}
        return self._memo[host]

    def _standing(self, ref: ObjectRef) -> Iterator[Problem]:
        """Yield all that is wrong with *ref* now: what validation found, then what arbitration took."""
        yield from self._complaints.get(ref, ())
        valid = self._valid.get(ref)
        if valid is None:
            return
        if valid.role is Role.MINION:
            yield from self._minion_standing(ref, valid.hosts[0])
            return
        lost = [host for host in valid.hosts if self._hosts.holder(host) != ref]
        if len(lost) == len(valid.hosts):
            effect = "it is not served; an older resource holds them"
            yield Problem(ref, "", "", TAKEN, effect, Severity.ERROR, code="Rejected")
            return
        for host in lost:
            yield Problem(ref, "spec.rules", "", f"host {host or 'empty host'} is taken by another resource",
                          "that one serves it")  # fmt: skip

    def _minion_standing(self, ref: ObjectRef, host: str) -> Iterator[Problem]:
        holder = self._hosts.holder(host)
        if holder is None or self._valid[holder].role is not Role.MASTER:
            yield orphan(ref)
            return
        yield from self._shares(host)[ref][1]


def same_input(old: Ingress, new: Ingress) -> bool:
    """Whether two versions differ at most in status and bookkeeping."""
    return (
        old.spec == new.spec
        and old.metadata.annotations == new.metadata.annotations
        and old.metadata.uid == new.metadata.uid
        and old.metadata.creation_timestamp == new.metadata.creation_timestamp
    )
