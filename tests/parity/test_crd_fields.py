"""Every field of the incumbent's custom resources is declared, with its type."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

import msgspec

from headgate.api.base import Model
from headgate.api.nginx_org import CUSTOM, definition
from headgate.api.nginx_org.fields import declared

TABLE = Path(__file__).with_name("nic-crd-fields.csv")
WORDS = {str: "string", int: "integer", bool: "boolean"}


def table() -> dict[tuple[str, str], str]:
    with TABLE.open() as file:
        return {(row["kind"], row["path"]): row["type"].split("(")[0] for row in csv.DictReader(file)}


def here() -> dict[tuple[str, str], str]:
    return dict(fields())


def fields() -> Iterator[tuple[tuple[str, str], str]]:
    for custom in CUSTOM:
        kind = custom.model.KIND.name
        for entry in msgspec.structs.fields(custom.model):
            if entry.name in {"spec", "status"}:
                yield (kind, entry.name), "object"
                model = next(each for each in get_args(entry.type) if each is not type(None))
                yield from (((kind, path), words) for path, words in below(model, entry.name))


def below(model: type[Model], prefix: str) -> Iterator[tuple[str, str]]:
    for each in declared(model):
        path, inner = f"{prefix}.{each.name}", each.kind
        yield path, named(each.kind)
        if get_origin(inner) is tuple:
            inner, path = get_args(inner)[0], f"{path}[]"
        if isinstance(inner, type) and issubclass(inner, Model):
            yield from below(inner, path)


def named(kind: Any) -> str:
    if get_origin(kind) is tuple:
        return f"array of {named(get_args(kind)[0])}"
    if get_origin(kind) is dict:
        return f"map[string]{named(get_args(kind)[1])}"
    if isinstance(kind, UnionType):
        return "int-or-string"
    return WORDS.get(kind, "object")


OWN = frozenset(
    {"status.observedGeneration", "spec.jwt.issuer", "spec.jwt.audience", "spec.jwt.leeway", "spec.oidc.issuer"}
)
"""The incumbent has no such fields; its definitions drop them."""


def test_every_field_is_declared_with_its_type() -> None:
    assert {key: kind for key, kind in here().items() if key[1] not in OWN} == table()


def properties(schema: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    for step in path.split("."):
        schema = schema["properties"][step.removesuffix("[]")]
        schema = schema["items"] if step.endswith("[]") else schema
    return schema


def test_the_definitions_have_every_field_and_the_bounds_that_the_incumbents_have() -> None:
    definitions = {custom.model.KIND.name: definition(custom)["spec"]["versions"][0] for custom in CUSTOM}
    with TABLE.open() as file:
        for row in csv.DictReader(file):
            schema = properties(definitions[row["kind"]]["schema"]["openAPIV3Schema"], row["path"])
            bounds = row["validation"].partition("CRD: ")[2]
            if "minimum=" in bounds:
                least = int(bounds.partition("minimum=")[2].split(";")[0])
                assert schema["minimum"] == least, row
            if "maxItems=" in bounds:
                assert schema["maxItems"] == int(bounds.partition("maxItems=")[2].split(";")[0]), row
            if "enum=" in bounds and "case-insensitive" not in row["validation"]:
                wanted = set(bounds.partition("enum=")[2].split(";")[0].split("|"))
                assert set(schema.get("enum", wanted)) == wanted, row
