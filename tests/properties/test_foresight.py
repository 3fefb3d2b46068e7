"""What the webhook says would become of an object is what becomes of it when it is applied."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from headgate.api import Ingress, TopLevel
from headgate.api.nginx_org import TransportServer, VirtualServer, VirtualServerRoute
from headgate.configuration import ClassRule, Configuration, Standing
from headgate.controller.kinds import CLAIMANTS
from headgate.validation.rules import Rules
from tests.properties.cluster_objects import (
    HOSTS,
    KINDS,
    NAMESPACES,
    PATHS,
    TIMES,
    fewer_examples,
    ingresses,
    object_in,
)

COMMUNITY = "nginx.ingress.kubernetes.io/"
NAMES = st.sampled_from(["x", "y", "z"])
RULES = Rules(allow_empty_host=True, gates=frozenset(), ports={})
NAMED = st.sampled_from(["a.test", "b.test"])


@st.composite
def shared(draw: st.DrawFn) -> TopLevel:
    """Draw an Ingress of ingress-nginx."""
    backend = {"service": {"name": "tea", "port": {"number": 80}}}
    path = st.fixed_dictionaries({"path": PATHS, "pathType": KINDS, "backend": st.just(backend)})
    rules = draw(st.lists(st.tuples(HOSTS, st.lists(path, max_size=3)), min_size=1, max_size=2))
    notes = draw(
        st.sampled_from(
            [
                {}, {}, {f"{COMMUNITY}canary": "true", f"{COMMUNITY}canary-weight": "10"},
                {f"{COMMUNITY}server-alias": "b.test"}, {f"{COMMUNITY}from-to-www-redirect": "true"},
            ]
        )
    )  # fmt: skip
    return object_in(
        Ingress, draw(NAMESPACES), draw(NAMES),
        metadata={"annotations": notes, "creationTimestamp": draw(TIMES), "uid": draw(NAMES)},
        spec={
            "ingressClassName": "community",
            "rules": [{"host": host, "http": {"paths": paths}} for host, paths in rules],
        },
    )  # fmt: skip


@st.composite
def customs(draw: st.DrawFn) -> TopLevel:
    """Draw a VirtualServer, a route of one, or a TransportServer."""
    namespace, name, host = draw(NAMESPACES), draw(NAMES), draw(NAMED)
    metadata = {"creationTimestamp": draw(TIMES), "uid": draw(NAMES)}
    spec: dict[str, Any]
    route = {"path": "/a", "action": {"return": {"body": "x"}}}
    kind = draw(st.sampled_from([VirtualServer, VirtualServerRoute, TransportServer]))
    if kind is VirtualServerRoute:
        spec = {"host": host, "subroutes": [route]}
    elif kind is VirtualServer:
        delegated = {"path": "/a", "route": f"{draw(NAMESPACES)}/{draw(NAMES)}"}
        spec = {"host": host, "routes": [draw(st.sampled_from([route, delegated]))]}
    else:
        spec = {
            "listener": {"name": draw(st.sampled_from(["one", "two"])), "protocol": "TCP"},
            "upstreams": [{"name": "u", "service": "tea", "port": 80}], "action": {"pass": "u"},
        }  # fmt: skip
    return object_in(kind, namespace, name, metadata=metadata, spec=spec)


ITEMS = st.one_of(shared(), shared(), ingresses(), customs())


@fewer_examples
@given(st.lists(ITEMS, max_size=8), ITEMS)
def test_foresight(objects: list[TopLevel], item: TopLevel) -> None:
    configuration = Configuration(CLAIMANTS, RULES, ClassRule(others=frozenset({"community"})))
    configuration.update(list({each.ref: each for each in objects}.values()), [])
    examined = configuration.examine(item)
    before = dict(configuration.resources)
    foreseen = configuration.foresee(examined.candidate) if examined.candidate else None
    assert configuration.resources == before
    if item in objects:  # then an update says nothing of it
        configuration.update([], [item.ref])
    update = configuration.update([item], [])
    if examined.ignored:
        assert update.ignored[item.ref] == examined.ignored
        return
    found = update.standings[item.ref]
    count = len(examined.problems)
    assert found.problems[:count] == examined.problems
    if foreseen:
        assert Standing(found.problems[count:], found.owner) == foreseen
    else:
        assert len(found.problems) == count
