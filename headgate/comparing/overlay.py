"""What was there before: the objects once files are applied to a cluster, and the age of objects of two folders."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

import msgspec
from msgspec.structs import replace

from headgate.api import EndpointSlice, Service, TopLevel
from headgate.configuration.arbiter import ADDED_LATER
from headgate.problems import ObjectRef


class Scope(msgspec.Struct, frozen=True):
    """What a controller of the cluster reads.

    Attributes:
        kinds: each kind with its namespaces; none are all.
        special: objects that flags name, which are read anyhow.
    """

    kinds: Mapping[type[TopLevel], tuple[str, ...]]
    special: frozenset[ObjectRef] = frozenset()

    def covers(self, item: TopLevel) -> bool:
        """Whether *item* is read."""
        if item.ref in self.special:
            return True
        namespaces = self.kinds.get(type(item))
        return namespaces is not None and (not namespaces or item.ref.namespace in namespaces)


def applied(
    live: Iterable[TopLevel],
    files: Iterable[TopLevel],
    scope: Scope,
    pruned: Collection[type[TopLevel]] = (),
) -> tuple[TopLevel, ...]:
    """Return the objects of the cluster after the files are applied to it.

    What a cluster adds is kept: creation time, cluster IPs, and the EndpointSlices of Services with a selector.

    Args:
        live: the objects of the cluster.
        files: the objects of the files.
        scope: what is read of the cluster, and so of the files.
        pruned: kinds whose objects are deleted if they are in no file, in the namespaces of the files.
    """
    known = {item.ref: item for item in live}
    wanted = {item.ref: item for item in files if scope.covers(item)}
    namespaces = {ref.namespace for ref in wanted}
    kept = {
        ref: item
        for ref, item in known.items()
        if not (isinstance(item, tuple(pruned)) and ref.namespace in namespaces and ref not in wanted)
    }
    services = {ref: item for ref, item in {**kept, **wanted}.items() if isinstance(item, Service)}
    for item in _without_generated(wanted.values(), services):
        kept[item.ref] = _completed(item, known.get(item.ref))
    return tuple(kept[ref] for ref in sorted(kept))


def aged(old: Iterable[TopLevel], new: Iterable[TopLevel]) -> tuple[TopLevel, ...]:
    """Return *new* with the age that its objects have if it is applied after *old*.

    An object without a creation time is as old as it is in *old*, or younger than those that are there.
    """
    known = {item.ref: item for item in old}
    return tuple(item if item.metadata.creation_timestamp else _aged(item, known.get(item.ref)) for item in new)


def _aged(item: TopLevel, old: TopLevel | None) -> TopLevel:
    if old is None:
        metadata = replace(item.metadata, uid=f"{ADDED_LATER}{item.metadata.uid}")
    else:
        metadata = replace(item.metadata, uid=old.metadata.uid, creation_timestamp=old.metadata.creation_timestamp)
    return replace(item, metadata=metadata)


def _service(item: EndpointSlice) -> ObjectRef:
    return Service.KIND.ref(item.ref.namespace, item.service)


def _without_generated(items: Iterable[TopLevel], services: dict[ObjectRef, Service]) -> Iterator[TopLevel]:
    """Leave out the EndpointSlices that the cluster generates from the selector of a Service."""
    for item in items:
        service = services.get(_service(item)) if isinstance(item, EndpointSlice) else None
        if not (service and service.spec and service.spec.selector):
            yield item


def _completed(item: TopLevel, live: TopLevel | None) -> TopLevel:
    """Return *item* as the API server would store it over *live*."""
    if live is None:
        return item
    old = live.metadata
    metadata = replace(item.metadata, uid=old.uid, creation_timestamp=old.creation_timestamp)
    item = replace(item, metadata=metadata)
    if not isinstance(item, Service) or not isinstance(live, Service) or not item.spec or not live.spec:
        return item
    if item.spec.cluster_ip or item.spec.external_name:
        return item
    spec = replace(item.spec, cluster_ip=live.spec.cluster_ip, cluster_ips=live.spec.cluster_ips)
    return replace(item, spec=spec)
