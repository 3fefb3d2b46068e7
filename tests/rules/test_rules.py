"""Every rule about objects, and what a user reads who breaks it (``tests/rules``).

The tables have for each rule objects that break it, or that show where it ends, or the reason why there are none. A row
has a kind and a part of its spec, which replaces that of an ordinary object; ``flags`` are put to those of all rows.
``tests/rules/out`` has what is reported of each row, or what nginx gets if nothing is.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from headgate.api import TopLevel
from headgate.options import Options, parse
from tests.fields.effects import World, differences, normal
from tests.fields.tables import FLAGS, MODELS, Group, groups, made, named

FOLDER = Path(__file__).parent
INVENTORY = FOLDER.parent / "parity" / "nic-validation.csv"
TABLES = sorted((FOLDER / "tables").iterdir())
ALONE = {"ConfigMap", "GlobalConfiguration"}
"""Kinds of which each cluster has one object."""
PATH = {"path": "/tea", "pathType": "Prefix"}

Json = dict[str, Any]


class Row(NamedTuple):
    """A row of a table: the parts of objects by their kind, and flags."""

    rule: str
    parts: Json
    flags: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The row as a line."""
        words = [
            f"{kind}: {json.dumps(part, ensure_ascii=False)}" for kind, part in self.parts.items() if kind != "flags"
        ]
        return " ".join([*words, *self.flags])

    def objects(self, name: str, *, plain: bool = False) -> list[TopLevel]:
        """Return the objects called *name*, all ordinary if *plain*."""
        kinds = {kind: part for kind, part in self.parts.items() if kind in MODELS}
        return [
            item
            for kind, part in kinds.items()
            for item in _made(kind, _plain(kind) if plain else part, name, self.parts)
        ]


def _plain(kind: str) -> Json:
    """Return the part of an ordinary object of *kind*."""
    return plain_group(kind).spec if kind == "Policy" else {}


def _made(kind: str, part: Json, name: str, row: Json) -> Iterator[TopLevel]:
    if kind == "Ingress":
        yield MODELS[kind].convert(named(_ingress(part), name))
    elif kind == "ConfigMap":
        yield MODELS[kind].convert({"metadata": {"name": "config", "namespace": "default"}, "data": part})
    elif kind == "Secret":
        body = part or {"type": "Opaque"}
        yield MODELS[kind].convert({"metadata": {"name": name, "namespace": "default"}, **body})
    else:
        whole = part if kind == "Policy" else {**plain_group(kind).spec, **part}
        spec = {key: value for key, value in whole.items() if value is not None}
        for item in made(plain_group(kind), spec, name):
            yield _on_route(item, row["route"]) if "route" in row and item.KIND.name == "VirtualServer" else item


def _on_route(item: TopLevel, path: str) -> TopLevel:
    """Return a VirtualServer with another path of its route."""
    body = item.builtins()
    body["spec"]["routes"][0]["path"] = path
    return MODELS["VirtualServer"].convert(body)


def _ingress(part: Json) -> Json:
    service = {"service": {"name": "tea", "port": {"number": 80}}}
    path = {**PATH, "backend": service, **{key: part[key] for key in PATH if key in part}}
    rules = [{"host": "NAME.example.com", "http": {"paths": [path]}}]
    said = part.get("annotations", {})
    annotations = {key if "/" in key else f"nginx.org/{key}": str(value) for key, value in said.items()}
    meta = {"name": "NAME", "namespace": "default", "uid": "NAME", "annotations": annotations}
    meta |= {"labels": part["labels"]} if "labels" in part else {}
    return {"metadata": meta, "spec": {"ingressClassName": "nginx", "rules": rules, **part.get("spec", {})}}


@cache
def plain_group(kind: str) -> Group:
    """Return the first table of fields of *kind*, for its ordinary object."""
    return next(group for group in groups() if group.kind == kind)


@cache
def table(path: Path) -> Mapping[str, Mapping[str, Any]]:
    found: Mapping[str, Mapping[str, Any]] = yaml.safe_load(path.read_text())
    return found


def rows(path: Path) -> Iterator[Row]:
    for kind, rules in table(path).items():
        for rule, found in rules.items():
            for parts in found if isinstance(found, list) else ():
                yield Row(f"{kind}: {rule}", parts, tuple(parts.get("flags", ())))


def with_flags(more: tuple[str, ...]) -> tuple[str, ...]:
    names = {flag.partition("=")[0] for flag in more}
    return (*(flag for flag in FLAGS if flag.partition("=")[0] not in names), *more)


def told(path: Path) -> list[tuple[Row, list[str]]]:
    """Return what is reported of each row, or what nginx gets."""
    numbered = {f"f{number:04}x": row for number, row in enumerate(rows(path))}
    alone = {name for name, row in numbered.items() if row.flags or ALONE & row.parts.keys()}
    found: dict[str, list[str]] = {}
    for part in (numbered.keys() - alone, *({name} for name in sorted(alone))):
        chosen = {name: numbered[name] for name in sorted(part)}
        flags = with_flags(next(iter(chosen.values())).flags if part <= alone else ())
        found |= dict(_told(chosen, flags)) if chosen else {}
    return [(row, found[name]) for name, row in numbered.items()]


def _told(chosen: Mapping[str, Row], flags: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
    options = parse(list(flags), {})
    if not isinstance(options, Options):
        yield next(iter(chosen)), [f"! {problem.severity.value}: {problem}" for problem in options]
        return
    worlds = [
        World({name: row.objects(name, plain=plain) for name, row in chosen.items()}, argv=flags)
        for plain in (True, False)
    ]
    for name in chosen:
        problems = [
            f"! {problem.severity.value}: {problem.origin.kind}: {normal(str(problem), name)}"
            for problem in worlds[1].problems[name]
        ]
        yield name, problems or list(differences(*worlds, name)) or ["= as without it"]


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_what_a_user_reads(path: Path, pytestconfig: pytest.Config) -> None:
    lines: list[str] = []
    rule = ""
    for row, found in told(path):
        if row.rule != rule:
            rule = row.rule
            lines += ["", f"## {rule}"]
        lines += ["", row.title, *found]
    text = "\n".join(lines[1:]) + "\n"
    out = FOLDER / "out" / f"{path.stem}.txt"
    if pytestconfig.getoption("--update"):
        out.write_text(text)
    assert out.read_text() == text, f"{out.name} differs; run `make update` and read the diff"


def test_every_rule_has_rows_or_a_reason() -> None:
    with INVENTORY.open() as file:
        wanted = {(row["object"], row["rule"]) for row in csv.DictReader(file)}
    given = {
        (kind, rule): found for path in TABLES for kind, rules in table(path).items() for rule, found in rules.items()
    }
    assert given.keys() == wanted
    assert {key for key, found in given.items() if not found} == set()
