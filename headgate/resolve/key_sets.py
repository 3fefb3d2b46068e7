"""The key sets that are fetched from servers: which ones are wanted, and what came of each.

An edge fetches what is ``wanted``; the pipeline takes what came of it before a batch with the keys of those that
changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import structs

from headgate.problems import ObjectRef

KIND: Final = "KeySet"
"""The kind of what stands for a key set among the references of resources; it is no object of Kubernetes."""


class KeySource(msgspec.Struct, frozen=True, gc=False):
    """Where a key set is.

    Attributes:
        url: its address, ``http`` or ``https``.
        period: seconds after which it is fetched again.
        verify: whether the certificate of the server is verified, at most *depth* certificates below an authority.
        authority: the authorities, in PEM; empty for those of the system.
        server_name: the name that the server is asked for by (SNI) and that its certificate must have, empty for that
            of the URL.
    """

    url: str
    period: float
    verify: bool = False
    depth: int = 1
    authority: bytes = b""
    server_name: str = ""

    def same_keys(self, other: KeySource) -> bool:
        """Whether *other* is the same but for how often it is fetched."""
        return structs.replace(other, period=self.period) == self


class FetchedKeys(msgspec.Struct, frozen=True, gc=False):
    """What came of fetching a set.

    Attributes:
        source: what was fetched.
        data: the last good answer, ``None`` if there is none or it is too old.
        fault: why the last try failed, empty if it did not.
    """

    source: KeySource
    data: bytes | None = None
    fault: str = ""


class KeySets:
    """The sets that resources want, by the Policy that names each; one method at a time."""

    def __init__(self) -> None:
        """Begin without any."""
        self._wanted: dict[ObjectRef, KeySource] = {}
        self._fetched: Mapping[ObjectRef, FetchedKeys] = {}
        self._view: Mapping[ObjectRef, KeySource] | None = {}

    @property
    def wanted(self) -> Mapping[ObjectRef, KeySource]:
        """A copy of what is wanted; the same object as long as nothing changed."""
        if self._view is None:
            self._view = self._wanted.copy()
        return self._view

    def take(self, fetched: Mapping[ObjectRef, FetchedKeys]) -> None:
        """Let *fetched* be what came of all sets so far."""
        self._fetched = fetched

    def want(self, ref: ObjectRef, source: KeySource) -> FetchedKeys | None:
        """Want *source* for *ref*; return what came of it so far, ``None`` if it was not tried yet."""
        if self._wanted.get(ref) != source:
            self._wanted[ref], self._view = source, None
        found = self._fetched.get(ref)
        return found if found and source.same_keys(found.source) else None

    def forget(self, ref: ObjectRef) -> None:
        """Forget a set that nothing wants any more."""
        if self._wanted.pop(ref, None):
            self._view = None


def key_set_ref(policy: ObjectRef) -> ObjectRef:
    """Return what stands for the key set of *policy*."""
    return ObjectRef(KIND, policy.namespace, policy.name)
