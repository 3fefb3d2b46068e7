"""The reference page of the custom resources, from the declarations of their fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args, get_origin

import msgspec

from headgate.api.base import Model
from headgate.api.nginx_org.crds import CUSTOM, Custom
from headgate.api.nginx_org.fields import Codes, Declared, Field, Form, Listed, OneOf, Range, Rule, Shape, declared

INTRODUCTION = """# Custom resources

The fields of the custom resources of `k8s.nginx.org/v1`, which are those of the F5 NGINX Ingress Controller.
`headgate crds` prints their definitions. If a field has another value than *Value* describes, the object is refused (of
a GlobalConfiguration only the listener), with a message that names the field. A field that is not in the tables is
reported as unknown. **Bold** fields are required where the object that has them is given.
What each kind does is described in [VirtualServer](../virtualserver.md).
"""
HEADER = "| Field | Type | Value | Default | |\n|---|---|---|---|---|"
TYPES = {str: "text", int: "number", bool: "true or false", Any: "any"}


def custom_resources_markdown() -> str:
    """Return the page."""
    parts = [INTRODUCTION]
    for custom in CUSTOM:
        parts += ["\n".join(_section(custom))]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _section(custom: Custom) -> Iterator[str]:
    kind = custom.model.KIND
    yield f"## {kind.name}"
    yield ""
    yield f"{' '.join((custom.model.__doc__ or '').split())} `kubectl get {kind.plural}`, or `{custom.short[0]}`."
    yield ""
    yield HEADER
    for entry in msgspec.structs.fields(custom.model):
        if entry.name in {"spec", "status"}:
            model = next(part for part in get_args(entry.type) if part is not type(None))
            yield from _rows(model, entry.name)


def _rows(model: type[Model], path: str) -> Iterator[str]:
    for each in declared(model):
        below, many = _below(each.kind)
        name = f"{path}.{each.name}{'[]' if many else ''}"
        yield _row(name, each)
        if below:
            yield from _rows(below, name)


def _below(kind: Any) -> tuple[type[Model] | None, bool]:
    """Return the model of an object, or of each item of a list, and whether it is a list."""
    many = get_origin(kind) is tuple
    inner = get_args(kind)[0] if many else kind
    return (inner if isinstance(inner, type) and issubclass(inner, Model) else None), many


def _row(name: str, each: Declared) -> str:
    field = each.field
    shown = f"**`{name}`**" if field.required else f"`{name}`"
    cells = (shown, _type(each.kind), _value(field), field.default, field.doc)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _type(kind: Any) -> str:
    if get_origin(kind) is tuple:
        return f"list of {_type(get_args(kind)[0])}"
    if get_origin(kind) is dict:
        return "map of text"
    if isinstance(kind, type) and issubclass(kind, Model):
        return "object"
    return TYPES.get(kind, "number or text")


def _value(field: Field) -> str:
    """Return what the value must be, in words, and which variables may stand in it."""
    words = "" if field.rule is None or field.rule is Form.FREE else _rule(field.rule)
    if field.variables:
        names = ", ".join(f"`${{{name}}}`" for name in field.variables)
        words = f"{words}; variables: {names}".removeprefix("; ")
    return words


def _rule(rule: Rule) -> str:
    match rule:
        case Range(least, None):
            return f"at least {least}"
        case Range(least, most):
            return f"{least} to {most}"
        case OneOf(options, _, prefixes):
            return ", ".join(f"`{option}`" for option in (*options, *(f"{prefix}*" for prefix in prefixes)))
        case Codes(classes):
            return ", ".join(f"{first}xx" for first in classes)
        case Listed(options):
            return f"words of {', '.join(f'`{option}`' for option in options)}"
        case Shape(_, words):
            return words
        case Form():
            return rule.value
