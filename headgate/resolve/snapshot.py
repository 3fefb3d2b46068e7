"""The cluster as one batch sees it: a read-only view over the Stores and their indexes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime

import msgspec

from headgate.api import ConfigMap, EndpointSlice, Pod, Secret, Service
from headgate.problems import ObjectRef
from headgate.resolve.key_sets import KeySets
from headgate.resolve.listeners import Listeners
from headgate.resolve.members import Members
from headgate.settings.community import CommunityHosts
from headgate.validation.policy import ValidPolicy

ServiceKey = tuple[str, str]
"""Namespace and name of a Service."""


def _no_policy(_: ObjectRef) -> None:
    return None


def missing(ref: ObjectRef) -> str:
    """Return that *ref* is not there."""
    return f"does not exist in namespace {ref.namespace}"


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What resources may point at.

    Nothing is copied: the caller hands in mappings that do not change while the batch is resolved.

    Attributes:
        now: the time of the batch, with a time zone; certificates are held against it.
        services: every watched Service.
        secrets: every watched Secret.
        config_maps: every watched ConfigMap.
        slices_of: the EndpointSlices of each Service; the ``SliceIndex`` of the pipeline.
        listeners: those of the GlobalConfiguration in force.
        pods: the Pods by whose labels endpoints are selected.
        members: what attached objects were lowered to before; grows.
        changed: what *members* may have been lowered from in another version than the present one.
        valid_policy: returns a Policy that may be used, ``None`` for any other.
        policy_fault: returns why any other cannot be used.
        external_names: whether Services of type ExternalName are used.
        foreign_canaries: whether canaries of ingress-nginx count for paths of other namespaces.
        checks_tokens: whether nginx can check JSON Web Tokens: it has Lua, and the live data plane uses it.
        key_sets: those that are fetched; what is wanted grows.
        community: what the ConfigMap of ingress-nginx says of the hosts of its dialect.
    """

    now: datetime
    services: Mapping[ObjectRef, Service] = {}
    secrets: Mapping[ObjectRef, Secret] = {}
    config_maps: Mapping[ObjectRef, ConfigMap] = {}
    slices_of: Mapping[ServiceKey, Collection[EndpointSlice]] = {}
    listeners: Listeners = Listeners()
    pods: Mapping[ObjectRef, Pod] = {}
    valid_policy: Callable[[ObjectRef], ValidPolicy | None] = _no_policy
    policy_fault: Callable[[ObjectRef], str] = missing
    members: Members = msgspec.field(default_factory=Members)
    changed: Collection[ObjectRef] = frozenset()
    external_names: bool = True
    foreign_canaries: bool = False
    community: CommunityHosts = CommunityHosts()
    checks_tokens: bool = True
    key_sets: KeySets = msgspec.field(default_factory=KeySets)


class SliceIndex(Mapping[ServiceKey, Collection[EndpointSlice]]):
    """EndpointSlices by their Service; an update costs the same however many slices there are.

    The pipeline owns it, and updates it with the keys of a batch before that is resolved.
    """

    def __init__(self) -> None:
        """Begin without slices."""
        self._slices: dict[ServiceKey, dict[ObjectRef, EndpointSlice]] = {}
        self._services: dict[ObjectRef, ServiceKey] = {}

    def update(self, ref: ObjectRef, new: EndpointSlice | None) -> frozenset[ObjectRef]:
        """Take the newest version of the slice *ref*, ``None`` once it is deleted.

        Returns:
            the Services whose endpoints it may change, also the one that the slice left; none if
            only bookkeeping of the slice changed.
        """
        old = self._remove(ref)
        if new and new.service:
            key = new.metadata.namespace, new.service
            self._services[ref] = key
            self._slices.setdefault(key, {})[ref] = new
        if old and new and same_endpoints(old, new):
            return frozenset()
        return frozenset(_service_of(slice_) for slice_ in (old, new) if slice_ and slice_.service)

    def _remove(self, ref: ObjectRef) -> EndpointSlice | None:
        key = self._services.pop(ref, None)
        if key is None:
            return None
        slices = self._slices[key]
        old = slices.pop(ref)
        if not slices:
            del self._slices[key]
        return old

    def __getitem__(self, key: ServiceKey) -> Collection[EndpointSlice]:
        """Return the slices of a Service, at least one (KeyError if there is none)."""
        return self._slices[key].values()

    def __iter__(self) -> Iterator[ServiceKey]:
        """Iterate over the Services that have slices."""
        return iter(self._slices)

    def __len__(self) -> int:
        """Count the Services that have slices."""
        return len(self._slices)


def same_endpoints(old: EndpointSlice, new: EndpointSlice) -> bool:
    """Whether two versions of a slice say the same about the same Service."""
    return (
        old.service == new.service
        and old.address_type == new.address_type
        and old.endpoints == new.endpoints
        and old.ports == new.ports
    )


def _service_of(slice_: EndpointSlice) -> ObjectRef:
    return Service.KIND.ref(slice_.metadata.namespace, slice_.service)
