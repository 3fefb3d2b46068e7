"""Whatever is written into a field of a VirtualServer: a Problem, or a configuration that says nothing else.

Each text field meets its own value with hostile pieces in it, and random text. What is not refused is generated without
an exception, passes the guard, has no other directives than before, and is tested with ``nginx -t``. The sample is
fixed; the variables of ``test_registry`` make another one (``make nightly``).
"""

from __future__ import annotations

import copy
import os
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from headgate.api import Secret
from headgate.api.base import Model
from headgate.api.nginx_org import VirtualServer
from headgate.api.nginx_org.fields import Declared, declared
from headgate.api.nginx_org.virtualserver import VirtualServerSpec
from headgate.ir import Layout
from tests.nginx_binaries import capabilities, prepare, refusal
from tests.properties.cluster_objects import SECRETS, fewer_examples
from tests.properties.test_registry import FLAGS, HOSTILE, SEED, WORDS, services, shape
from tests.simulated_cluster import SimulatedCluster, api_object

VALUES = max(4, int(os.environ.get("HEADGATE_SETTING_VALUES", "12")) // 3)
WHOLE = yaml.safe_load(Path(__file__).with_name("whole_virtual_server.yaml").read_text())
VERBATIM = {"http-snippets", "server-snippets", "location-snippets"}
"""Fields that are configuration themselves."""
ELSEWHERE = {
    "policies[].name", "policies[].namespace", "routes[].policies[].name", "routes[].policies[].namespace",
    "listener.http", "listener.https", "routes[].route",
    "routes[].routeSelector.matchLabels", "routes[].routeSelector.matchExpressions[].key",
    "routes[].routeSelector.matchExpressions[].operator", "routes[].routeSelector.matchExpressions[].values",
}  # fmt: skip
"""Fields with which a VirtualServer is not served alone."""
LAST_WORD = re.compile(r"pcre2?_compile|unknown \"\w+\" variable|regex")
"""What only nginx and its libraries know of a well-formed value: regular expressions, and the keys of hashes."""
OTHERS = {
    "upstreams[].lb-method": {f"/upstream/{name}" for name in ("hash", "ip_hash", "least_conn", "random")},
    "tls.secret": {"/server/ssl_reject_handshake"},
}
"""Directives that another good value of a field brings."""
Step = str | int


class Place(NamedTuple):
    """A text in ``WHOLE``: its name with ``[]`` for indexes, and the steps to it."""

    name: str
    steps: tuple[Step, ...]
    text: str


def texts_in(
    model: type[Model], value: dict[str, Any], name: str = "", steps: tuple[Step, ...] = ()
) -> Iterator[Place]:
    """Yield every text of *value*, an object of *model*."""
    for each in declared(model):
        if each.name in value and each.name not in VERBATIM:
            yield from _texts(each.kind, value[each.name], f"{name}.{each.name}".strip("."), (*steps, each.name))


def _texts(kind: Any, value: Any, name: str, steps: tuple[Step, ...]) -> Iterator[Place]:
    if isinstance(value, str):
        yield Place(name, steps, value)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(get_args(kind)[0], item, name if isinstance(item, str) else f"{name}[]", (*steps, index))
    elif isinstance(value, dict) and get_origin(kind) is dict:
        yield from (Place(name, (*steps, key), text) for key, text in value.items())
    elif isinstance(value, dict):
        yield from texts_in(kind, value, name, steps)


PLACES = {place.name: place for place in texts_in(VirtualServerSpec, WHOLE)}


def names_of(model: type[Model], name: str = "") -> Iterator[str]:
    """Yield the names of all text fields below *model*; what splits and matches have alike is looked at in routes."""
    for each in declared(model):
        path = f"{name}.{each.name}".strip(".")
        if each.name not in VERBATIM:
            yield from _names(each, path)


def _names(each: Declared, path: str) -> Iterator[str]:
    kind = each.kind
    if get_origin(kind) is tuple:
        kind, path = get_args(kind)[0], path if get_args(kind)[0] is str else f"{path}[]"
    if kind is str or get_origin(kind) is dict:
        yield path
    elif isinstance(kind, type) and issubclass(kind, Model):
        yield from names_of(kind, path)


def test_the_whole_object_has_every_text_field() -> None:
    inner = re.compile(r"(splits|matches)\[\].*action\.")
    missing = {name for name in names_of(VirtualServerSpec) if not inner.search(name)} - PLACES.keys() - ELSEWHERE
    assert missing == set()


def hostile(place: Place) -> list[str]:
    """Return texts for a field; the same ones every time."""
    source = random.Random(f"{SEED} {place.name}")
    found: dict[str, None] = {}
    while len(found) < VALUES:
        text, kind = place.text, source.random()
        if kind < 0.75:
            at = source.randint(0, len(text))
            text = text[:at] + source.choice(HOSTILE) + text[at + source.randint(0, 1) :]
        else:
            text = "".join(source.choice(WORDS) for _ in range(source.randint(1, 12)))
        found[text] = None
    return list(found)


def with_texts(changes: dict[tuple[Step, ...], str], name: str) -> Any:
    """Return the whole object called *name*, with other texts at some places."""
    spec = copy.deepcopy(WHOLE)
    spec["host"] = f"{name}.test"
    for steps, text in changes.items():
        at = spec
        for step in steps[:-1]:
            at = at[step]
        at[steps[-1]] = text
    return api_object(VirtualServer, metadata={"namespace": "shop", "name": name}, spec=spec)


def cluster_of(objects: list[Any], nginx: str, layout: Layout) -> SimulatedCluster:
    """Return a cluster with *objects* and what they name; an exception in generating one of them fails the test."""
    cluster = SimulatedCluster((*FLAGS, "-disable-ipv6"), capabilities(nginx), layout)
    cluster.put(*services(), *objects)
    cluster.put(
        api_object(Secret, metadata={"namespace": "shop", "name": "cafe"}, type=SECRETS[0][0], data=SECRETS[0][1])
    )
    cluster.process_batch()
    return cluster


def guarded(cluster: SimulatedCluster) -> list[str]:
    """Return what was reported of values that validation passed and the guard did not."""
    return [
        verdict.message for verdict in cluster.statuses.current.values() if "cannot be configured" in verdict.message
    ]


def file_of(name: str) -> str:
    return f"conf.d/vs_shop_{name}.conf"


def test_the_whole_object_is_served(nginx: str, layout: Layout) -> None:
    cluster = cluster_of([with_texts({}, "plain")], nginx, layout)
    assert file_of("plain") in cluster.files


@pytest.mark.parametrize("name", sorted(PLACES))
def test_text_field(name: str, nginx: str, layout: Layout, tmp_path: Path) -> None:
    texts = hostile(PLACES[name])
    objects = [with_texts({PLACES[name].steps: text}, f"text{number}") for number, text in enumerate(texts)]
    cluster = cluster_of([with_texts({}, "plain"), *objects], nginx, layout)
    assert guarded(cluster) == []
    files = cluster.texts()
    harmless = shape(files[file_of("plain")], tmp_path)
    for number, text in enumerate(texts):
        if file_of(f"text{number}") in files:
            found = shape(files[file_of(f"text{number}")], tmp_path)
            more = {path: count for path, count in found.items() if count > harmless[path]}
            assert more.keys() <= OTHERS.get(name, set()), (text, more)
    assert_taken(nginx, layout, cluster)


def assert_taken(nginx: str, layout: Layout, cluster: SimulatedCluster) -> None:
    """Have ``nginx -t`` look at all files."""
    prepare(layout)
    for name, file in cluster.files.items():
        path = Path(layout.conf, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.data)
    reason = refusal(nginx, layout)
    assert not reason or LAST_WORD.search(reason), reason


TEXTS = st.one_of(st.sampled_from(HOSTILE), st.text(WORDS, max_size=8), st.text(max_size=4))


@fewer_examples
@given(st.dictionaries(st.sampled_from(sorted(PLACES)), TEXTS, min_size=1, max_size=4))
def test_texts_in_several_fields_are_refused_or_pass_the_guard(found: dict[str, str]) -> None:
    cluster = SimulatedCluster(FLAGS)
    changes = {
        PLACES[name].steps: PLACES[name].text[: len(text)] + text if len(text) % 2 else text
        for name, text in found.items()
    }
    cluster.put(*services(), with_texts(changes, "cafe"))
    cluster.process_batch()
    assert guarded(cluster) == []
