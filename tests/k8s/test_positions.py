"""Positions of fields, compared with those of the YAML library's own nodes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from headgate.api import ALL, ConfigMap, Ingress
from headgate.k8s.manifests import ManifestError, read
from headgate.k8s.objects import written
from headgate.k8s.positions import UNKNOWN, Position, Positions, spots

CASES = sorted((Path(__file__).parents[1] / "cases").glob("*/*/in.yaml"))
INGRESS = Ingress.KIND.ref("default", "a")


def found(data: bytes, *, json: bool = False) -> Positions:
    return Positions(data, spots(written(read(data, json=json), ALL)))


def fields(node: yaml.Node, path: str = "") -> Iterator[tuple[str, Position]]:
    """Yield path and position of everything below *node*, keys with dots in brackets."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            plain = "." not in key.value and "[" not in key.value
            inner = f"{path}.{key.value}".removeprefix(".") if plain else f"{path}[{key.value}]"
            yield inner, (key.start_mark.line + 1, key.start_mark.column + 1)
            yield from fields(value, inner)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield f"{path}[{index}]", (value.start_mark.line + 1, value.start_mark.column + 1)
            yield from fields(value, f"{path}[{index}]")


def test_every_field_of_every_case_is_found() -> None:
    compared = 0
    for case in CASES:
        data = case.read_bytes()
        try:
            objects = {item.line: item.ref for item in written(read(data, json=False), ALL) if not item.path}
        except ManifestError:
            continue
        first = {ref: line for line, ref in reversed(objects.items())}
        positions = found(data)
        for node in yaml.compose_all(data, yaml.SafeLoader):
            line = node.start_mark.line + 1
            if line not in objects or first[objects[line]] != line or b"<<:" in data or b" *" in data:
                continue
            for path, position in fields(node):
                assert positions.find(objects[line], path) == position, (case, path)
                compared += 1
    assert compared > 5000


def find(text: str, field: str) -> Position:
    return found(text.encode()).find(INGRESS, field)


TEXT = """\
# a comment
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: a
  annotations:
    nginx.org/lb-method: ip_hash
spec:
  rules:
  - host: a.test
"""


@pytest.mark.parametrize(
    ("field", "position"),
    [
        ("", (2, 1)),
        ("nginx.org/lb-method", (7, 5)),
        ("metadata.annotations[nginx.org/lb-method]", (7, 5)),
        ("spec.rules[0].host", (10, 5)),
        ("spec.rules[0].http.paths[3].path", (10, 5)),
        ("spec.rules[7].host", (9, 3)),
        ("spec.tls[0].secretName", (8, 1)),
        ("nginx.org/absent", (2, 1)),
        ("status", (2, 1)),
    ],
)
def test_a_field_that_is_not_there_has_the_position_of_its_nearest_parent(field: str, position: Position) -> None:
    assert find(TEXT, field) == position


def test_of_two_definitions_the_first_counts() -> None:
    assert find(f"{TEXT}---\n{TEXT}", "spec") == (8, 1)


def test_an_object_that_is_not_in_the_file_has_no_position() -> None:
    assert found(TEXT.encode()).find(Ingress.KIND.ref("default", "b"), "spec") == UNKNOWN


def test_keys_of_data_have_dots_and_words_of_paths() -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  a.b: x\n  a: y\n  data: z\n"
    positions = found(text.encode())
    ref = ConfigMap.KIND.ref("default", "a")
    assert [positions.find(ref, field) for field in ("a.b", "a", "data", "data.a.b")] == [
        (5, 3),
        (6, 3),
        (7, 3),
        (5, 3),
    ]


OBJECT = '{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "a"}, %s}'


@pytest.mark.parametrize(
    ("text", "position"),
    [
        (OBJECT % '"spec": {}', (1, 86)),
        ("\n\n" + OBJECT % '"spec": {}', (3, 86)),
        (OBJECT % '"kind": "Ingress",\n"spec": {}', (2, 1)),
        (OBJECT % r'"status": "\ud83d\ude00", "spec": {}', UNKNOWN),
        (OBJECT % f'"status": {"[" * 900}{"]" * 900}, "spec": {{}}', UNKNOWN),
    ],
    ids=["one line", "after empty lines", "a key twice", "a surrogate pair", "nested deeply"],
)
def test_json_has_positions_as_far_as_it_is_yaml(text: str, position: Position) -> None:
    assert found(text.encode(), json=True).find(INGRESS, "spec") == position
