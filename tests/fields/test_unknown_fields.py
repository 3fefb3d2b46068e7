"""A field that a custom resource does not have is reported, at every depth, with the name that was meant."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from headgate.api.fields import UnknownField, unknown_fields
from headgate.api.nginx_org import CUSTOM
from tests.fields.tables import MODELS
from tests.parity.test_crd_fields import here

REPORTED = r"warning: all.yaml:(\d+): (\w+) default/cafe: (\S+): is not a field of \w+; did you mean (\S+)\? \(.*"
PATHS = sorted(key for key in here() if key[1].startswith("spec"))
Json = dict[str, Any]


def document(kind: str, path: str) -> Json:
    """Return an object of *kind* with a field at *path*, and what is around it."""
    value: Any = None
    for step in reversed(path.split(".")):
        inner = [value] if step.endswith("[]") else value
        value = {step.removesuffix("[]"): inner}
    return {"apiVersion": "k8s.nginx.org/v1", "kind": kind, "metadata": {"name": "cafe"}, **value}


def written_wrongly(name: str) -> Iterator[str]:
    """Yield how *name* is written by mistake: a letter too many, in the case of other kinds, without its dashes."""
    words = "".join(f"-{char.lower()}" if char.isupper() else char for char in name).split("-")
    yield name + name[-1]
    yield "_".join(words)
    yield words[0] + "".join(word.capitalize() for word in words[1:])
    yield "-".join(words)
    yield name.lower()
    yield name.capitalize()


@pytest.mark.parametrize("kind", [custom.model.KIND.name for custom in CUSTOM])
def test_every_field_is_recognised_by_its_misspelling_at_every_depth(kind: str) -> None:
    names = [path for owner, path in PATHS if owner == kind]
    known = set(names)
    assert len(names) >= 8
    for path in names:
        around, dot, name = path.rpartition(".")
        for wrong in set(written_wrongly(name)) - {name}:
            if (place := f"{around}{dot}{wrong}") in known:
                continue
            found = list(unknown_fields(MODELS[kind], document(kind, place)))
            assert found == [UnknownField(place.replace("[]", "[0]"), name)], place


@pytest.mark.parametrize("kind", [custom.model.KIND.name for custom in CUSTOM])
def test_no_field_of_a_kind_is_unknown(kind: str) -> None:
    for owner, path in here():
        if owner == kind:
            assert list(unknown_fields(MODELS[kind], document(kind, path))) == [], path


@pytest.mark.parametrize("kind", [custom.model.KIND.name for custom in CUSTOM])
def test_a_field_like_no_other_is_reported_in_every_object(kind: str) -> None:
    objects = {"spec", *(path.rpartition(".")[0] for owner, path in PATHS if owner == kind and "." in path)}
    for place in objects:
        found = list(unknown_fields(MODELS[kind], document(kind, f"{place}.zzzzqqqq")))
        assert found == [UnknownField(f"{place.replace('[]', '[0]')}.zzzzqqqq", "")], place


def test_the_command_reports_it_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(
        "---\n".join(
            yaml.safe_dump(document(kind, path), sort_keys=False)
            for kind, path in (
                ("VirtualServer", "spec.upstreams[].connectTimeout"),
                ("VirtualServerRoute", "spec.subroutes[].matches[].condition"),
                ("TransportServer", "spec.upstreams[].fail-timeout"),
                ("Policy", "spec.rateLimit.zone-size"),
                ("GlobalConfiguration", "spec.listeners[].ip4"),
            )
        )
    )
    command = [sys.executable, "-m", "headgate", "check", "all.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    lines = [re.fullmatch(REPORTED, line) for line in done.stdout.splitlines() if "is not a field" in line]
    assert [line.groups() for line in lines if line] == [
        ("7", "VirtualServer", "spec.upstreams[0].connectTimeout", "connect-timeout"),
        ("16", "VirtualServerRoute", "spec.subroutes[0].matches[0].condition", "conditions"),
        ("24", "TransportServer", "spec.upstreams[0].fail-timeout", "failTimeout"),
        ("32", "Policy", "spec.rateLimit.zone-size", "zoneSize"),
        ("40", "GlobalConfiguration", "spec.listeners[0].ip4", "ipv4"),
    ]
