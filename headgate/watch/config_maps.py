"""Which ConfigMaps Ingresses name, and the ConfigMap of ingress-nginx."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from headgate.api import ConfigMap, Ingress
from headgate.configuration import ClassRule
from headgate.configuration.ingress import ingress_class
from headgate.problems import ObjectRef
from headgate.settings.community.references import ANNOTATIONS, KEYS, referred
from headgate.settings.dialect import COMMUNITY


def config_maps_named(objects: Iterable[object], main: ObjectRef | None, rule: ClassRule) -> frozenset[ObjectRef]:
    """Return the ConfigMaps that *objects* name: Ingresses by annotations, the ConfigMap *main* by its keys.

    Only Ingresses count that are served in the dialect of ingress-nginx, as *rule* says: for others no ConfigMap is
    read, and Headgate need not be permitted to.
    """
    return frozenset(ref for item in objects for ref in _named(item, main, rule))


def _named(item: object, main: ObjectRef | None, rule: ClassRule) -> Iterator[ObjectRef]:
    if isinstance(item, Ingress) and item.metadata.annotations:
        if not rule.serves_community(ingress_class(item)):
            return
        texts = (item.metadata.annotations.get(f"{COMMUNITY.prefix}{name}") for name in ANNOTATIONS)
    elif isinstance(item, ConfigMap) and item.ref == main and item.data:
        texts = (item.data.get(key) for key in KEYS)
    else:
        return
    for text in texts:
        if text and (found := referred(text, item.metadata.namespace)):
            yield ConfigMap.KIND.ref(*found)
