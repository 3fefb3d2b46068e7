"""What becomes of VirtualServers and their VirtualServerRoutes depends on the objects, never on how they came."""

from __future__ import annotations

from typing import Any

from hypothesis import given, seed, settings
from hypothesis import strategies as st

from headgate.api import Ingress, TopLevel, VirtualServer, VirtualServerRoute
from headgate.validation.challenge import PREFIX, SOLVER
from tests.examples import examples
from tests.nginx_lexer import directives
from tests.properties.batches import assert_same, batches_of, processed_at_once, reported
from tests.properties.cluster_objects import TIMES, fewer_examples, object_in

HOSTS = st.sampled_from(["a.test"] * 7 + ["b.test"])
NAMESPACES = st.sampled_from(["a", "a-b"])
NAMES = st.sampled_from(["x", "b-x"])
"""With the namespaces above, two objects have variables called alike."""
PATHS = ["/tea", "/tea/black", "^~/tea", "^~/tea/black", "=/tea", "= /tea/black", "~ ^/tea", "~* ^/tea"]
LABELS: list[dict[str, str]] = [{}, {"app": "tea"}, {"app": "tea", "tier": "x"}]


def answer(body: str) -> dict[str, Any]:
    return {"return": {"body": body}}


SPLIT = {"splits": [{"weight": 50, "action": answer("one")}, {"weight": 50, "action": answer("two")}]}
ACTIONS: list[dict[str, Any]] = [
    {"action": answer("body")},
    {"action": answer("body"), "errorPages": [{"codes": [404], "return": {"body": "page"}}]},
    {"action": {"pass": "tea"}},
    {"action": {"pass": "milk"}},
    SPLIT,
    {**SPLIT, "matches": [{"conditions": [{"header": "x-a", "value": "b"}], "action": answer("matched")}]},
]
UPSTREAMS = [{"name": "tea", "service": "tea", "port": 80}]


@st.composite
def virtual_servers(draw: st.DrawFn) -> TopLevel:
    references = [{"route": f"{namespace}/{name}"} for namespace in ("a", "a-b") for name in ("x", "b-x")]
    selectors = [{"routeSelector": {"matchLabels": labels}} for labels in LABELS]
    contents = st.sampled_from([*ACTIONS[:3], *references, {"route": "x"}, *selectors, *selectors])
    paths = draw(st.lists(st.sampled_from(PATHS), min_size=2, max_size=4, unique=True))
    routes = [{"path": path, **draw(contents)} for path in paths]
    spec = {"host": draw(HOSTS), "upstreams": UPSTREAMS, "routes": routes}
    metadata = {"creationTimestamp": draw(TIMES)}
    return object_in(VirtualServer, "a", draw(NAMES), spec=spec, metadata=metadata)


@st.composite
def virtual_server_routes(draw: st.DrawFn) -> TopLevel:
    alike = draw(st.sampled_from([PATHS[:2], PATHS[:2], PATHS[2:4], PATHS[4:6], PATHS[6:], PATHS]))
    paths = draw(st.lists(st.sampled_from(alike), max_size=3, unique=True))
    subroutes = [{"path": path, **draw(st.sampled_from(ACTIONS))} for path in paths]
    spec = {"host": draw(HOSTS), "upstreams": UPSTREAMS, "subroutes": subroutes}
    if draw(st.integers(0, 9)) == 0:
        spec["ingressClassName"] = "other"
    metadata = {"creationTimestamp": draw(TIMES), "labels": draw(st.sampled_from(LABELS))}
    return object_in(VirtualServerRoute, draw(NAMESPACES), draw(NAMES), spec=spec, metadata=metadata)


@st.composite
def ingresses(draw: st.DrawFn) -> TopLevel:
    spec = {"ingressClassName": "nginx", "rules": [{"host": draw(HOSTS)}]}
    return object_in(Ingress, "a", "x", spec=spec, metadata={"creationTimestamp": draw(TIMES)})


@st.composite
def solvers(draw: st.DrawFn) -> TopLevel:
    """Solvers of ACME challenges, and Ingresses that look like them."""
    path = f"{PREFIX}{draw(st.sampled_from(['one', 'two', '']))}"
    backend = {"service": {"name": "tea", "port": {"number": 80}}}
    paths = [{"path": path, "pathType": draw(st.sampled_from(["Exact", "ImplementationSpecific"])), "backend": backend}]
    spec = {"ingressClassName": "nginx", "rules": [{"host": draw(HOSTS), "http": {"paths": paths}}]}
    labels = draw(st.sampled_from([{}, {SOLVER: "true"}, {SOLVER: "true"}]))
    metadata = {"creationTimestamp": draw(TIMES), "labels": labels}
    return object_in(Ingress, draw(st.sampled_from(["a", "c"])), draw(NAMES), spec=spec, metadata=metadata)


OBJECTS = st.one_of(virtual_servers(), virtual_server_routes(), virtual_server_routes(), ingresses())
WITH_SOLVERS = st.one_of(OBJECTS, solvers())


Batches = batches_of(WITH_SOLVERS)
Batches.TestCase.settings = settings(max_examples=examples(12), stateful_step_count=8)
TestBatches = Batches.TestCase


@fewer_examples
@given(st.lists(WITH_SOLVERS, max_size=8, unique_by=lambda item: item.ref), st.randoms(use_true_random=False))
def test_order_within_a_batch_makes_no_difference(objects: list[TopLevel], random: Any) -> None:
    assert_same(processed_at_once(objects), processed_at_once(random.sample(objects, len(objects))))


@fewer_examples
@given(st.lists(WITH_SOLVERS, max_size=8, unique_by=lambda item: item.ref))
def test_no_location_variable_or_upstream_is_there_twice(objects: list[TopLevel]) -> None:
    texts = processed_at_once(objects).texts()
    found = {name: directives(text.decode()) for name, text in texts.items() if name.endswith((".conf", ".locations"))}
    whole = [at for name, inside in found.items() if name.endswith(".conf") for at in inside]
    variables = [
        at.arguments[1] for at in whole if at.name in {"map", "split_clients"} and at.arguments[1][:3] == "$vs"
    ]
    upstreams = [at.arguments[0] for at in whole if at.name == "upstream"]
    for names in (variables, upstreams):
        assert len(set(names)) == len(names)
    for host in ("a.test", "b.test"):
        inside = [
            " ".join(at.arguments).removeprefix("^~ ")
            for name, found_ in found.items()
            for at in found_
            if at.name == "location" and (f"attached/{host}/" in name or f"server_name {host};" in texts[name].decode())
        ]
        assert len(set(inside)) == len(inside)


def test_generated_objects_are_served_and_ignored_for_many_reasons() -> None:
    """Otherwise the properties above would say little."""
    reasons: list[str] = []
    served: set[int] = set()

    @seed(1)
    @settings(max_examples=examples(60))
    @given(st.lists(OBJECTS, min_size=6, max_size=14, unique_by=lambda item: item.ref))
    def collect(objects: list[TopLevel]) -> None:
        cluster = processed_at_once(objects)
        reasons.extend(reported(cluster).values())
        served.update(len(found.wanted.table.members) for found in cluster.generation.resources.values())

    collect()
    assert max(served) > 2
    for words in ("NoVirtualServerFound", "Ignored", "does not begin with", "none has the path", "is taken by another",
                  "doesn't exist or invalid", "selects no VirtualServerRoute", "is a prefix, and"):  # fmt: skip
        assert any(words in reason for reason in reasons), words
