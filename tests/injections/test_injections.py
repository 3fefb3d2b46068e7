"""What becomes of each malicious object: the directives of a harmless one or none, and nginx takes the result."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

import pytest
from msgspec import structs

from headgate.api import TopLevel
from headgate.ir import Capabilities, File, Layout
from headgate.ir.live import LuaModules, NjsModule
from tests.directories import short_directory
from tests.injections.attacks import ATTACKS, Attack, Fate, around, ingress
from tests.nginx_binaries import BINARIES, capabilities, prepare, refusal
from tests.nginx_lexer import directives
from tests.simulated_cluster import CURRENT, SimulatedCluster
from tests.test_cases import FREE

FLAGS = ("--election-id=a", *FREE)
"""Those of an installation of ingress-nginx."""
NJS = NjsModule("/ngx_stream_js_module.so", "/streams.js")
ABLE = {
    "files": CURRENT,
    "live": structs.replace(CURRENT, lua=LuaModules((), "/lua/?.lua", "/lua/?.so"), stream_js=NJS),
}
KEYED = {"map", "geo", "split_clients", "types"}
"""Blocks in which a line begins with a value."""
CODE = re.compile(r"_by_lua_block *\{.*?\n\s*\}\n", re.DOTALL)
NAME = "bad"
UNUSABLE = "! deny ;"
"""A value that no annotation of those that keep clients out takes; in a snippet it would keep them out."""

Structure = Mapping[str, Counter[tuple[tuple[str, ...], str, int]]]


class Served:
    """What became of some objects beside those of ``around``."""

    def __init__(self, objects: Iterable[TopLevel], able: Capabilities, layout: Layout | None = None) -> None:
        """Process *objects* for an nginx that is *able*."""
        cluster = SimulatedCluster(FLAGS, able, layout)
        cluster.put(*around(), *objects)
        generation = cluster.process_batch()
        self.files: Mapping[str, File] = generation.files
        self.told = cluster.reported()

    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield what nginx reads as configuration."""
        for name, file in self.files.items():
            if not name.startswith("secrets/"):
                yield name, file.data.decode()

    def structure(self) -> Structure:
        """Return the directives of each file: the blocks around them, names, numbers of arguments."""
        return {
            name: Counter(
                (each.within, "" if KEYED & set(each.within) else each.name, len(each.arguments))
                for each in directives(text)
            )
            for name, text in self.texts()
            if name.endswith((".conf", ".locations", "_includes", ".servers"))
        }

    def asides(self) -> list[str]:
        """Return comments and code."""
        lines = [line.strip() for _, text in self.texts() for line in text.splitlines()]
        comments = [line for line in lines if line.startswith("#")]
        return [*comments, *(found for _, text in self.texts() for found in CODE.findall(text))]


@lru_cache(maxsize=8)
def alone(plane: str) -> Served:
    """Return what there is without the object."""
    return Served((), ABLE[plane])


def without(attack: Attack, plane: str) -> Served:
    """Return what there is with the object and without the value."""
    found = attack.make("", NAME)
    key = f"nginx.ingress.kubernetes.io/{attack.where}"
    return Served([_without(each, key) for each in found], ABLE[plane])


def _without(item: TopLevel, key: str) -> TopLevel:
    said = {name: text for name, text in (item.metadata.annotations or {}).items() if name != key}
    return structs.replace(item, metadata=structs.replace(item.metadata, annotations=said))


def test_every_advisory_is_here() -> None:
    found = {word for attack in ATTACKS for word in attack.advisories.split(", ")}
    assert found == {
        "2021-25742", "2021-25745", "2021-25746", "2021-25748", "2022-4886", "2023-5043", "2023-5044", "2024-7646",
        "2025-1097", "2025-1098", "2025-24513", "2025-24514", "2025-15566", "2026-1580", "2026-24512", "2026-3288",
        "2026-4342",
    }  # fmt: skip


@pytest.mark.parametrize("plane", ABLE)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.where)
def test_what_becomes_of_it(attack: Attack, plane: str) -> None:
    harmless = Served(attack.make(attack.harmless, NAME), ABLE[plane])
    if attack.harmless:
        assert harmless.told[_key(attack, attack.harmless)].startswith("AddedOrUpdated:"), harmless.told
    for value in attack.values:
        found = Served(attack.make(value, NAME), ABLE[plane])
        told = found.told[_key(attack, value)]
        if attack.fate is Fate.REFUSED:
            assert told.startswith("Rejected"), (value, told)
            assert dict(found.texts()) == dict(alone(plane).texts()), value
        elif attack.fate is Fate.CLOSED:
            assert "answered 500" in told, (value, told)
            assert dict(found.texts()) == dict(Served(attack.make(UNUSABLE, NAME), ABLE[plane]).texts()), value
            assert closed(found, plane), value
        elif attack.fate is Fate.LEFT_OUT:
            assert attack.where in told, (value, told)
            assert dict(found.texts()) == dict(Served(attack.make(UNUSABLE, NAME), ABLE[plane]).texts()), value
        elif attack.fate is Fate.IGNORED:
            assert attack.where in told, (value, told)
            assert dict(found.texts()) == dict(without(attack, plane).texts()), value
        else:
            assert found.structure() == harmless.structure(), value
            assert set(found.files) == set(harmless.files), value
            assert found.asides() == harmless.asides(), value


def closed(served: Served, plane: str) -> bool:
    """Whether the location of ``/`` answers 500; hosts that are pushed to workers are compared only."""
    own = [text for name, text in served.texts() if name == f"conf.d/default-{NAME}.conf"]
    return "return 500;" in "".join(own) or (plane == "live" and not own)


def _key(attack: Attack, value: str) -> str:
    return attack.make(value, NAME)[-1].ref.key


@pytest.mark.parametrize("name", BINARIES)
def test_nginx_takes_all_of_them_together(name: str) -> None:
    objects = [
        item
        for number, attack in enumerate(ATTACKS)
        for which, value in enumerate(attack.values)
        for item in attack.make(value, f"bad-{number}-{which}")
    ]
    with short_directory() as folder:
        layout = Layout.under(str(folder))
        found = Served(objects, capabilities(BINARIES[name]), layout)
        prepare(layout)
        write(found.files.values(), Path(layout.conf))
        assert refusal(BINARIES[name], layout) == ""
    text = "".join(text for file, text in found.texts())
    assert "bad-" in text


def write(files: Iterable[File], folder: Path) -> None:
    for file in files:
        path = folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(file.mode)
        path.write_bytes(file.data)


def test_the_comparison_finds_a_directive() -> None:
    harmless = Served([ingress(NAME)], CURRENT)
    other = Served([ingress(NAME, {"proxy-body-size": "9m", "limit-rps": "1"})], CURRENT)
    assert harmless.structure() != other.structure()
