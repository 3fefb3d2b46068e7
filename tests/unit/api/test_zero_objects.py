"""``null`` in any field counts as absent: the fields are taken from the structs, so a new kind is covered by itself."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.inspect import (
    ListType,
    StructType,
    Type,
    UnionType,
    VarTupleType,
    type_info,
)

from headgate.api import ALL, Ingress, TopLevel

EVERY_KIND = pytest.mark.parametrize("model", ALL, ids=lambda model: model.__name__)


def _nulls(kind: Type, depth: int) -> Any:
    """Return an object with every field: objects and lists down to *depth*, ``null`` below."""
    if isinstance(kind, UnionType):
        return _nulls(next(part for part in kind.types if not isinstance(part, msgspec.inspect.NoneType)), depth)
    if not depth:
        return None
    if isinstance(kind, StructType):
        return {field.encode_name: _nulls(field.type, depth - 1) for field in kind.fields}
    if isinstance(kind, VarTupleType | ListType) and isinstance(_single(kind.item_type), StructType):
        return [_nulls(kind.item_type, depth)]
    return None


def _single(kind: Type) -> Type:
    return kind.types[0] if isinstance(kind, UnionType) else kind


def _named(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "metadata": {**(document.get("metadata") or {}), "name": "zero"}}


@EVERY_KIND
@pytest.mark.parametrize("depth", range(1, 8))
def test_every_field_may_be_null(model: type[TopLevel], depth: int) -> None:
    document = _nulls(type_info(model), depth)
    assert set(document) >= {field.encode_name for field in msgspec.structs.fields(model)}
    item = model.decode(msgspec.json.encode(document))
    assert item == model.convert(document)
    assert item.ref.name == ""
    assert item.annotations == {}


@EVERY_KIND
def test_nulls_leave_the_rest_alone(model: type[TopLevel]) -> None:
    document = _named(_nulls(type_info(model), 2))
    assert model.decode(msgspec.json.encode(document)).metadata.name == "zero"


@EVERY_KIND
def test_an_empty_object_decodes(model: type[TopLevel]) -> None:
    assert model.decode(b"{}").metadata.name == ""


@EVERY_KIND
def test_a_wrong_type_is_still_an_error(model: type[TopLevel]) -> None:
    with pytest.raises(msgspec.ValidationError):
        model.decode(b'{"metadata": {"name": 7, "labels": null}}')


def test_the_walk_reaches_nested_structs() -> None:
    (rule,) = _nulls(type_info(Ingress), 7)["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert path == {
        "backend": {"service": {"name": None, "port": None}, "resource": None},
        "path": None,
        "pathType": None,
    }
