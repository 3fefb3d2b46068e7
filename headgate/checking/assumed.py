"""What files lack before a deployment: what a cluster adds to Services, and the flag that names the ConfigMap."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from headgate.api import ConfigMap, EndpointSlice, Service, TopLevel
from headgate.options import NamespacedName, Options
from headgate.problems import ObjectRef, Problem
from headgate.resolve.endpoints import NO_ADDRESS, no_cluster_ip, no_endpoints

USUAL_NAMES = re.compile(r"nginx-config|(.+-)?nginx-ingress")
"""The names that the manifests and the chart of the F5 NGINX Ingress Controller give to its ConfigMap."""

_SETTING = re.compile(r"\S+/use-cluster-ip(?= )")


class Omission(msgspec.Struct, frozen=True):
    """Something that a cluster adds to Services, and that some of them do not have in the files."""

    services: frozenset[ObjectRef]
    words: str
    rule: str

    def __str__(self) -> str:
        who = "1 Service has" if len(self.services) == 1 else f"{len(self.services)} Services have"
        return f"{who} {self.words}"


def without_omissions(
    problems: Iterable[Problem], objects: Sequence[TopLevel]
) -> tuple[list[Problem], tuple[Omission, ...]]:
    """Separate the Problems of an Ingress that end when a cluster has completed its Services.

    Returns:
        the other Problems, and what the Services lack.
    """
    unsliced, unaddressed = _without_slices(objects), _without_address(objects)
    kept: list[Problem] = []
    slices: set[ObjectRef] = set()
    addresses: set[ObjectRef] = set()
    for problem in problems:
        key = problem.origin.namespace, _SETTING.sub("", problem.reason)
        if key in unsliced:
            slices.add(unsliced[key])
        elif key in unaddressed:
            addresses.add(unaddressed[key])
        else:
            kept.append(problem)
    omissions = (
        Omission(frozenset(slices), "no EndpointSlices in these files; a cluster creates them", "no-endpoint-slices"),
        Omission(frozenset(addresses), "no clusterIP in these files; a cluster assigns it", "no-cluster-ip"),
    )
    return kept, tuple(omission for omission in omissions if omission.services)


def _without_slices(objects: Sequence[TopLevel]) -> Mapping[tuple[str, str], ObjectRef]:
    """Return namespace and reason of the Problems about Services without EndpointSlices → the Service."""
    sliced = {(item.ref.namespace, item.service) for item in objects if isinstance(item, EndpointSlice)}
    refs = (item.ref for item in objects if isinstance(item, Service))
    return {
        (ref.namespace, no_endpoints(ref.name, NO_ADDRESS)): ref
        for ref in refs
        if (ref.namespace, ref.name) not in sliced
    }


def _without_address(objects: Sequence[TopLevel]) -> Mapping[tuple[str, str], ObjectRef]:
    """Return namespace and reason of the Problems about Services without clusterIP → the Service; not headless ones."""
    services = (item for item in objects if isinstance(item, Service))
    refs = (item.ref for item in services if not (item.spec and item.spec.cluster_ip))
    return {(ref.namespace, no_cluster_ip("", ref.name)): ref for ref in refs}


def with_config_map(options: Options, objects: Iterable[TopLevel]) -> tuple[Options, dict[ObjectRef, str]]:
    """Name the ConfigMap by ``-nginx-configmaps`` if no flag does and one of the usual name is among *objects*.

    Returns:
        the options, and what is to be noted about ConfigMaps.
    """
    if options.main_config_map:
        return options, {}
    usual = [item.ref for item in objects if isinstance(item, ConfigMap) and USUAL_NAMES.fullmatch(item.ref.name)]
    if len(usual) != 1:
        reason = "is not checked, because other ConfigMaps have such a name too; name one by -nginx-configmaps"
        return options, dict.fromkeys(usual, reason)
    named = NamespacedName(usual[0].namespace, usual[0].name)
    reason = "is checked as the ConfigMap of -nginx-configmaps because of its name"
    return msgspec.structs.replace(options, nginx_configmaps=named), {usual[0]: reason}
