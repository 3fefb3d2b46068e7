"""The fields that objects have in Kubernetes, of which the models keep a part: what is not among them is a mistake.

The names are those of the API of Kubernetes 1.35. A kind or a field that is not listed here is not looked into.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, get_args, get_origin

import msgspec

from headgate.api.base import Kind, Model, TopLevel
from headgate.api.core import ConfigMap, Secret, Service
from headgate.api.discovery import EndpointSlice
from headgate.api.networking import Ingress, IngressClass
from headgate.api.nginx_org import GlobalConfiguration, Policy, TransportServer, VirtualServer, VirtualServerRoute
from headgate.api.nginx_org.fields import declared
from headgate.api.nginx_org.policy import PolicySpec
from headgate.api.nginx_org.transportserver import GlobalConfigurationSpec, TransportServerSpec
from headgate.api.nginx_org.virtualserver import VirtualServerRouteSpec, VirtualServerSpec

Fields = Mapping[str, "Fields | None"]
"""Field → the fields of what is there, or of each item of the list; ``None`` is not looked into."""


def _any(names: str) -> Fields:
    return dict.fromkeys(names.split())


_METADATA = _any(
    "annotations creationTimestamp deletionGracePeriodSeconds deletionTimestamp finalizers generateName generation"
    " labels managedFields name namespace ownerReferences resourceVersion selfLink uid"
)
_OBJECT: Fields = {"apiVersion": None, "kind": None, "metadata": _METADATA}

_BACKEND: Fields = {
    "service": {"name": None, "port": _any("name number")},
    "resource": _any("apiGroup kind name"),
}
_PATHS: Fields = {"path": None, "pathType": None, "backend": _BACKEND}
_INGRESS_SPEC: Fields = {
    "ingressClassName": None,
    "defaultBackend": _BACKEND,
    "tls": _any("hosts secretName"),
    "rules": {"host": None, "http": {"paths": _PATHS}},
}
_SERVICE_SPEC: Fields = {
    **_any(
        "allocateLoadBalancerNodePorts clusterIP clusterIPs externalIPs externalName externalTrafficPolicy"
        " healthCheckNodePort internalTrafficPolicy ipFamilies ipFamilyPolicy loadBalancerClass loadBalancerIP"
        " loadBalancerSourceRanges publishNotReadyAddresses selector sessionAffinity sessionAffinityConfig"
        " trafficDistribution type"
    ),
    "ports": _any("appProtocol name nodePort port protocol targetPort"),
}


def _declared(model: type[Model]) -> Fields:
    """Return the fields that *model* declares, and those of the objects inside."""
    found: dict[str, Fields | None] = {}
    for each in declared(model):
        kind = get_args(each.kind)[0] if get_origin(each.kind) is tuple else each.kind
        found[each.name] = _declared(kind) if isinstance(kind, type) and issubclass(kind, Model) else None
    return found


_FIELDS: Mapping[Kind, Fields] = MappingProxyType(
    {
        ConfigMap.KIND: _any("binaryData data immutable"),
        EndpointSlice.KIND: _any("addressType endpoints ports"),
        Ingress.KIND: {"spec": _INGRESS_SPEC, "status": None},
        IngressClass.KIND: {"spec": _any("controller parameters")},
        Secret.KIND: _any("data immutable stringData type"),
        Service.KIND: {"spec": _SERVICE_SPEC, "status": None},
    }
)
_SPECS: Mapping[Kind, type[Model]] = MappingProxyType(
    {
        GlobalConfiguration.KIND: GlobalConfigurationSpec,
        Policy.KIND: PolicySpec,
        TransportServer.KIND: TransportServerSpec,
        VirtualServer.KIND: VirtualServerSpec,
        VirtualServerRoute.KIND: VirtualServerRouteSpec,
    }
)
KINDS = frozenset((*_FIELDS, *_SPECS))
"""The kinds that are looked into."""


@cache
def fields_of(kind: Kind) -> Fields | None:
    """Return the fields of *kind*, ``None`` if it is not looked into.

    Those of a custom resource are found when they are asked for: it takes 0.1 s for all.
    """
    if spec := _SPECS.get(kind):
        status: Fields = {} if kind == GlobalConfiguration.KIND else {"status": None}
        return {**_OBJECT, "spec": _declared(spec), **status}
    return {**_OBJECT, **_FIELDS[kind]} if kind in _FIELDS else None


_INDEX = re.compile(r"\[[^\]]*\]")
_FORMER: Mapping[str, str] = {"serviceName": "service.name", "servicePort": "service.port"}
"""Fields of Ingresses before networking.k8s.io/v1, and where they are now."""


class UnknownField(msgspec.Struct, frozen=True):
    """A field that the kind does not have there.

    Attributes:
        path: where it is.
        meant: the name that was probably meant, or ``""``.
        elsewhere: the path of the object below the one where it is that has such a field, or ``""``.
    """

    path: str
    meant: str
    elsewhere: str = ""


def unknown_fields(model: type[TopLevel], value: Mapping[str, Any]) -> Iterator[UnknownField]:
    """Yield each field of a decoded document that objects of *model* do not have."""
    if fields := fields_of(model.KIND):
        yield from _unknown(fields, value, "")


def _unknown(fields: Fields, value: Any, path: str) -> Iterator[UnknownField]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unknown(fields, item, f"{path}[{index}]")
    elif isinstance(value, dict):
        for name, item in value.items():
            inner = f"{path}.{name}" if path else name
            if name not in fields:
                yield UnknownField(inner, _meant(name, fields), _below(name, fields, path))
            elif below := fields[name]:
                yield from _unknown(below, item, inner)


def known_fields(model: type[TopLevel], path: str) -> tuple[str, ...]:
    """Return the names of the fields of the object at *path*, none if it is not looked into."""
    fields = fields_of(model.KIND)
    for name in _INDEX.sub("", path).split("."):
        fields = (fields or {}).get(name)
    return tuple(fields or ())


def _below(name: str, fields: Fields, path: str) -> str:
    """Return which object or list right below *path*, which has *fields*, has a field *name*, if it is one alone."""
    found = [known for known, below in fields.items() if below and name in below]
    return f"{path}.{found[0]}".removeprefix(".") if len(found) == 1 else ""


def _meant(name: str, fields: Fields) -> str:
    if name in _FORMER and "service" in fields:
        return _FORMER[name]
    by_letters = {known.lower(): known for known in fields}
    near = difflib.get_close_matches(name.lower(), by_letters, n=1)
    return by_letters[near[0]] if near else ""
