"""The fields of Kubernetes' own kinds, and what is none of them."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from headgate.api import ALL, Ingress, Lease, Service, TopLevel
from headgate.api.base import Model
from headgate.api.fields import KINDS, Fields, UnknownField, fields_of, unknown_fields

LISTED = [model for model in ALL if model.KIND in KINDS]


def modelled(model: type[Model], fields: Fields, path: str) -> Iterator[str]:
    """Yield the path of each field of *model* that *fields* does not have."""
    hints = typing.get_type_hints(model)
    for field in msgspec.structs.fields(model):
        if field.encode_name not in fields:
            yield f"{path}.{field.encode_name}"
        elif below := fields[field.encode_name]:
            for inner in models_in(hints[field.name]):
                yield from modelled(inner, below, f"{path}.{field.encode_name}")


def models_in(hint: Any) -> Iterator[type[Model]]:
    if isinstance(hint, type) and issubclass(hint, Model):
        yield hint
    for inner in typing.get_args(hint):
        yield from models_in(inner)


@pytest.mark.parametrize("model", LISTED, ids=lambda model: model.__name__)
def test_every_field_of_a_model_is_a_field_of_the_kind(model: type[TopLevel]) -> None:
    assert list(modelled(model, fields_of(model.KIND) or {}, model.__name__)) == []


def test_kinds_whose_objects_people_write_are_listed() -> None:
    assert {model.__name__ for model in LISTED} == {
        "ConfigMap", "EndpointSlice", "GlobalConfiguration", "Ingress", "IngressClass", "Policy", "Secret", "Service",
        "TransportServer", "VirtualServer", "VirtualServerRoute",
    }  # fmt: skip


def test_items_of_lists_are_looked_into() -> None:
    value = {"spec": {"rules": [{"host": "a"}, {"http": {"paths": [{"pathtype": "Exact"}]}}]}}
    assert list(unknown_fields(Ingress, value)) == [UnknownField("spec.rules[1].http.paths[0].pathtype", "pathType")]


def test_values_of_the_wrong_type_are_left_to_the_decoder() -> None:
    assert list(unknown_fields(Ingress, {"spec": 1, "metadata": ["x"]})) == []


def test_free_mappings_and_unlisted_kinds_may_have_any_key() -> None:
    assert (
        list(unknown_fields(Service, {"spec": {"selector": {"anything": "x"}}, "metadata": {"labels": {"a": 1}}})) == []
    )
    assert list(unknown_fields(Lease, {"sepc": {}})) == []
