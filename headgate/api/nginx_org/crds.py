"""CustomResourceDefinitions from the declarations of the fields (apiextensions.k8s.io/v1, structural schemas)."""

from __future__ import annotations

import re
from types import UnionType
from typing import Any, Final, get_args, get_origin

import msgspec

from headgate.api.base import Model, TopLevel
from headgate.api.nginx_org.dnsendpoint import DNSEndpoint
from headgate.api.nginx_org.fields import Codes, Declared, Field, Form, OneOf, Range, Rule, Shape, declared
from headgate.api.nginx_org.policy import Policy
from headgate.api.nginx_org.transportserver import GlobalConfiguration, TransportServer
from headgate.api.nginx_org.virtualserver import VirtualServer, VirtualServerRoute

Json = dict[str, Any]

_PATTERNS: Final = {
    Form.SIZE: r"^\d+[kKmM]?$",
    Form.OFFSET: r"^\d+[kKmMgG]?$",
}
"""The forms that the schema of the incumbent bounds, too; the rest is reported by the controller."""


class Column(msgspec.Struct, frozen=True):
    """A column of ``kubectl get``; with *wide*, of ``-o wide`` only."""

    name: str
    path: str
    doc: str
    kind: str = "string"
    wide: bool = False

    def built(self) -> Json:
        """Return it as a definition has it."""
        column: Json = {"description": self.doc, "jsonPath": self.path, "name": self.name, "type": self.kind}
        return {**column, "priority": 1} if self.wide else column


class Custom(msgspec.Struct, frozen=True):
    """A custom resource: its model, its short names, and its columns before the age."""

    model: type[TopLevel]
    short: tuple[str, ...]
    columns: tuple[Column, ...] = ()


_STATE = Column("State", ".status.state", "Current state; see status.message if it is not Valid.")
_HOST = Column("Host", ".spec.host", "The host.")
_ADDRESSES = (
    Column("IP", ".status.externalEndpoints[*].ip", "IP addresses of the controller."),
    Column("ExternalHostname", ".status.externalEndpoints[*].hostname", "Names of the controller.", wide=True),
    Column("Ports", ".status.externalEndpoints[*].ports", "Ports of the controller."),
)
_AGE = Column("Age", ".metadata.creationTimestamp", "Time since the creation.", "date")

CUSTOM: Final = (
    Custom(GlobalConfiguration, ("gc",)),
    Custom(Policy, ("pol",), (_STATE,)),
    Custom(TransportServer, ("ts",), (_STATE, Column("Reason", ".status.reason", "Reason of the last event."))),
    Custom(VirtualServer, ("vs",), (_STATE, _HOST, *_ADDRESSES)),
    Custom(VirtualServerRoute, ("vsr",), (_STATE, _HOST, *_ADDRESSES)),
)
"""Every custom resource that is served, by name."""
DEFINED: Final = (*CUSTOM, Custom(DNSEndpoint, ()))
"""Every custom resource that Headgate defines: also what it only writes."""


def definition(custom: Custom) -> Json:
    """Return the CustomResourceDefinition of *custom*."""
    kind = custom.model.KIND
    version: Json = {
        "name": kind.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _whole(custom)},
    }
    if custom.columns:
        version["additionalPrinterColumns"] = [column.built() for column in (*custom.columns, _AGE)]
    if has_status(custom.model):
        version["subresources"] = {"status": {}}
    names = {
        "kind": kind.name, "listKind": f"{kind.name}List", "plural": kind.plural, "singular": kind.name.lower(),
        **({"shortNames": list(custom.short)} if custom.short else {}),
    }  # fmt: skip
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{kind.group}"},
        "spec": {"group": kind.group, "scope": "Namespaced", "names": names, "versions": [version]},
    }


def _whole(custom: Custom) -> Json:
    model = custom.model
    properties: Json = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
    for entry in msgspec.structs.fields(model):
        if entry.name in {"spec", "status"}:
            properties[entry.name] = _object(next(kind for kind in get_args(entry.type) if kind is not type(None)))
    return {"type": "object", "description": _doc(model), "properties": properties}


def has_status(model: type[TopLevel]) -> bool:
    """Whether objects of *model* have a status."""
    return any(entry.name == "status" for entry in msgspec.structs.fields(model))


def _doc(model: type[Model]) -> str:
    return " ".join((model.__doc__ or "").split())


def _object(model: type[Model]) -> Json:
    """Return the schema of an object; fields are not required, so that the controller can say what is missing."""
    return {"type": "object", "properties": {each.name: _field(each) for each in declared(model)}}


def _field(each: Declared) -> Json:
    schema = {"description": _description(each.field), **_value(each.kind, each.field.rule), **dict(each.field.schema)}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in schema.items()}


def _description(field: Field) -> str:
    default = f" Default: {field.default}." if field.default else ""
    return f"{field.doc}{default}"


def _value(kind: Any, rule: Rule | None) -> Json:
    """Return the schema of a value of type *kind*, or of each of its items."""
    if get_origin(kind) is tuple:
        return {"type": "array", "items": _value(get_args(kind)[0], rule)}
    if get_origin(kind) is dict:
        return {"type": "object", "additionalProperties": _value(get_args(kind)[1], rule)}
    if isinstance(kind, UnionType):
        return {"x-kubernetes-int-or-string": True}
    if kind is Any:
        return {"x-kubernetes-preserve-unknown-fields": True}
    if isinstance(kind, type) and issubclass(kind, Model):
        return _object(kind)
    return {**_TYPES[kind], **_bounds(rule)}


_TYPES: Final[dict[Any, Json]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
}


def _bounds(rule: Rule | None) -> Json:
    """Return what a schema can say of *rule*; what it cannot, or what is forgiven, the controller checks."""
    match rule:
        case Range(least, most):
            return {"minimum": least} | ({"maximum": most} if most is not None else {})
        case OneOf(words, _, prefixes) if prefixes:
            every = (
                *(re.escape(str(word)) for word in words),
                *(f"{re.escape(prefix)}[A-Za-z0-9_]+" for prefix in prefixes),
            )
            return {"pattern": f"^(?:{'|'.join(every)})$"}
        case OneOf(words, folds) if not folds:
            return {"enum": list(words)}
        case Shape(pattern):
            return {"pattern": f"^(?:{pattern})$"}
        case Codes():
            return {"minimum": 200, "maximum": 599}
        case Form():
            return {"pattern": _PATTERNS[rule]} if rule in _PATTERNS else {}
        case _:
            return {}
