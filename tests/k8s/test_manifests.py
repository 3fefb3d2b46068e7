"""YAML and JSON are read as kubectl reads them."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.k8s import manifests
from headgate.k8s.manifests import ManifestError, read
from tests.examples import examples


def values(text: str) -> list[Any]:
    return [document.value for document in read(text.encode(), json=False)]


def test_documents_know_their_lines() -> None:
    documents = read(b"# first\na: 1\n---\n---\n\nb: 2\n--- # three\n[c]\n", json=False)
    assert [(document.line, document.value) for document in documents] == [
        (2, {"a": 1}),
        (6, {"b": 2}),
        (8, ["c"]),
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("2026-01-01", "2026-01-01"),
        ("12:30", "12:30"),
        ("on", True),
        ("No", False),
        ("y", "y"),
        ("~", None),
        ("null", None),
        ("", None),
        ("80", 80),
        ("-7", -7),
        ("0644", 420),
        ("0o644", 420),
        ("0x1F", 31),
        ("1_000", 1000),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("08", 8.0),
        ("1.2.3", "1.2.3"),
        ("10.0.0.1", "10.0.0.1"),
        ("9" * 60, "9" * 60),
        ("'80'", "80"),
        ('"on"', "on"),
        ("!!str 80", "80"),
        ("!!int '80'", 80),
        ("!!binary aGk=", "aGk="),
        ("- 1", [1]),
        ("=", "="),
        ("|\n  a\n  b", "a\nb\n"),
    ],
)
def test_scalars_are_read_as_by_kubectl(text: str, value: Any) -> None:
    (document,) = values(f"key: {text}\n" if not text.startswith("-  ") and text != "- 1" else f"key:\n{text}\n")
    assert document == {"key": value}
    assert type(document["key"]) is type(value)


def test_keys_are_text() -> None:
    assert values("80: a\ntrue: b\n1.5: c\n") == [{"80": "a", "true": "b", "1.5": "c"}]


def test_aliases_and_merges_work() -> None:
    text = "base: &base {a: 1, b: 2}\none: *base\ntwo: {<<: *base, b: 3}\nthree: {<<: [{a: 9}, *base]}\n"
    (document,) = values(text)
    assert document["one"] == {"a": 1, "b": 2}
    assert document["two"] == {"a": 1, "b": 3}
    assert document["three"] == {"a": 9, "b": 2}


def test_anchors_end_with_their_document() -> None:
    with pytest.raises(ManifestError, match=r"\*a before"):
        values("x: &a 1\n---\ny: *a\n")


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    ("text", "reason", "line"),
    [
        ("a: [1\n", "is not YAML", 2),
        ("a: b: c\n", "is not YAML: mapping values are not allowed", 1),
        ("a:\n\tb: 1\n", "is not YAML", 2),
        ("a: 1\nb: 2\na: 3\n", "has the key 'a' twice", 3),
        ("? [a]\n: b\n", "a key that is not plain text", 1),
        ("a: &a [*a]\n", "before (or inside)", 1),
        ("a: !vault x\n", "has the tag !vault", 1),
        ("a: " + "[" * 200 + "]" * 200, "more than 100 levels", 1),
        (BOMB, "grows by more than 100000 nodes through aliases", 5),
        ("a: {{ .Values.x }}\n", "a key that is not plain text", 1),
        ("a: \x01\n", "is not YAML", 0),
    ],
)
def test_a_syntax_error_names_place_and_reason(text: str, reason: str, line: int) -> None:
    with pytest.raises(ManifestError) as caught:
        values(text)
    assert reason in caught.value.reason
    assert "\n" not in caught.value.reason
    assert caught.value.line == line


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(ManifestError, match="is not YAML"):
        read(b"a: \xff\xfe\n", json=False)


def test_a_file_that_is_too_large_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifests, "MAX_BYTES", 10)
    with pytest.raises(ManifestError, match="at most 10 are read"):
        read(b"[1, 2, 3, 4, 5]", json=True)


def test_json_is_read() -> None:
    (document,) = read(b'\xef\xbb\xbf{"a": [1, null]}', json=True)
    assert document.value == {"a": [1, None]}
    assert read(b" \n", json=True) == []


@pytest.mark.parametrize(("text", "line"), [(b'{"a":\n 1,\n}', 3), (b'{"a": 1', 1), (b"[" * 100_000, 1), (b"\xff", 1)])
def test_a_json_error_names_the_place(text: bytes, line: int) -> None:
    with pytest.raises(ManifestError) as caught:
        read(text, json=True)
    assert caught.value.line in {line, 0}


TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@settings(max_examples=examples(15))
@given(st.dictionaries(st.text(min_size=1), TREES, min_size=1))
def test_what_yaml_writes_is_read_back(tree: dict[str, Any]) -> None:
    assert values(yaml.safe_dump(tree)) == [tree]


@given(st.text())
def test_no_text_raises_an_unexpected_error(text: str) -> None:
    for json in (True, False):
        with contextlib.suppress(ManifestError):
            assert isinstance(read(text.encode("utf-8", "surrogatepass"), json=json), list)
