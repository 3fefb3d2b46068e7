"""What is wrong with a VirtualServerRoute or with references to one, in the words that their owners read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from headgate.api.nginx_org import VirtualServer, VirtualServerRoute
from headgate.validation.delegation import Delegations
from headgate.validation.routepath import RoutePath
from headgate.validation.rules import Rules
from headgate.validation.virtualserver import validate_virtual_server
from headgate.validation.virtualserverroute import validate_virtual_server_route

TEA = "upstreams: [{name: tea, service: tea-svc, port: 80}]"
DO = "action: {return: {body: x}}"
NAME = ("default", "tea")


def faults(*parts: str) -> list[str]:
    """Return the Problems of a VirtualServerRoute whose spec has *parts*, which are YAML."""
    spec: dict[str, Any] = {"host": "cafe.test", "subroutes": [{"path": "/", **yaml.safe_load(DO)}]}
    for part in parts:
        spec |= yaml.safe_load(part)
    item = VirtualServerRoute.convert({"metadata": {"name": "cafe", "namespace": "default"}, "spec": spec})
    valid, problems = validate_virtual_server_route(item, Rules())
    assert (valid is None) == any(problem.refuses for problem in problems)
    return [str(problem).removesuffix(" (the VirtualServerRoute is refused)") for problem in problems]


def faults_of_routes(*routes: str) -> list[str]:
    """Return the Problems of a VirtualServer with *routes*, which are YAML."""
    spec = {"host": "cafe.test", "routes": [yaml.safe_load(f"{{{route}}}") for route in routes]}
    item = VirtualServer.convert({"metadata": {"name": "cafe", "namespace": "default"}, "spec": spec})
    _, problems = validate_virtual_server(item, Rules())
    return [str(problem).removesuffix(" (the VirtualServer is refused)") for problem in problems]


def table() -> list[tuple[str, str]]:
    """Return the rows of the table: a spec, and the beginning of a sentence about it."""
    text = Path(__file__).with_name("virtualserverroute.faults").read_text()
    rows = (row.strip().rpartition("\n=> ") for row in text.partition("\n\n")[2].split("\n\n"))
    return [(spec, words) for spec, _, words in rows]


def placed(*paths: str, routes: list[dict[str, Any]], labels: dict[str, str] | None = None) -> tuple[int, ...] | str:
    """Return where subroutes with *paths* belong, in a VirtualServer with *routes*."""
    spec = {"host": "cafe.test", "routes": routes}
    item = VirtualServer.convert({"metadata": {"name": "cafe", "namespace": "default"}, "spec": spec})
    assert item.spec
    found = Delegations.of(item.spec.routes or (), "default")
    return found.placed(NAME, labels or {}, [RoutePath.of(path) for path in paths])


def named(path: str) -> dict[str, Any]:
    return {"path": path, "route": "tea"}


def selected(path: str, **labels: str) -> dict[str, Any]:
    return {"path": path, "routeSelector": {"matchLabels": labels}}


@pytest.mark.parametrize(("spec", "words"), table())
def test_what_is_wrong_is_one_sentence(spec: str, words: str) -> None:
    found = faults(*spec.replace("TEA", TEA).replace("DO", DO).splitlines())
    assert any(fault.startswith(words) for fault in found), found


def test_a_whole_virtual_server_route_is_valid() -> None:
    split = "splits: [{weight: 90, action: {pass: tea}}, {weight: 10, action: {return: {body: y}}}]"
    assert faults(TEA, f"subroutes: [{{path: /tea, {DO}}}, {{path: /tea/x, {split}}}]") == []


def test_a_virtual_server_route_without_subroutes_is_reported_and_valid() -> None:
    (found,) = faults("subroutes: []")
    assert found == "spec.subroutes: is empty, so that no request reaches this VirtualServerRoute (it has no effect)"


@pytest.mark.parametrize(
    ("route", "words"),
    [
        ("path: /a, route: a/b/c", "spec.routes[0].route: 'a/b/c' is not a DNS label"),
        ("path: /a, route: Tea", "spec.routes[0].route: 'Tea' is not a DNS name"),
        ("path: /a, routeSelector: {}", "spec.routes[0].routeSelector.matchLabels: is missing"),
        ("path: /a, routeSelector: {matchLabels: {}}", "spec.routes[0].routeSelector.matchLabels: is empty"),
        ("path: /a, routeSelector: {matchLabels: {a: ''}}", "spec.routes[0].routeSelector.matchLabels.a: is empty"),
        ("path: /a, routeSelector: {matchLabels: {a: 'x y'}}", "spec.routes[0].routeSelector.matchLabels.a: 'x y'"),
        ("path: /a, routeSelector: {matchLabels: {'a b': x}}", "spec.routes[0].routeSelector.matchLabels: 'a b'"),
        ("path: /a, route: tea, action: {return: {body: x}}", "spec.routes[0]: must have exactly one of action"),
        ("path: /a, route: tea, policies: [{name: a}, {name: a}]", "spec.routes[0].policies[1]: 'default/a' is"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_reference_is_one_sentence(route: str, words: str) -> None:
    found = faults_of_routes(route)
    assert any(fault.startswith(words) for fault in found), found


def test_routes_that_name_one_virtual_server_route_match_in_the_same_way() -> None:
    (found,) = faults_of_routes("path: /a, route: tea", "path: =/b, route: default/tea")
    assert found == (
        "spec.routes[1].route: 'default/tea' is named by spec.routes[0] too, whose path is a prefix, and =/b is an"
        " exact path; all paths of a VirtualServerRoute must match in the same way"
    )


def test_what_does_nothing_beside_a_reference_is_reported() -> None:
    match = "matches: [{conditions: [{header: a, value: b}], action: {return: {body: x}}}]"
    expressions = "matchExpressions: [{key: a, operator: Exists}]"
    found = faults_of_routes(
        f"path: /a, route: tea, {match}", f"path: /b, routeSelector: {{matchLabels: {{a: b}}, {expressions}}}"
    )
    assert [fault.partition(":")[0] for fault in found] == [
        "spec.routes[0].matches", "spec.routes[1].routeSelector.matchExpressions",
    ]  # fmt: skip


def test_two_prefixes_that_are_one_location_of_nginx_are_the_same_path() -> None:
    (found,) = faults_of_routes(f"path: /a, {DO}", f"path: ^~/a, {DO}")
    assert found.startswith("spec.routes[1].path: '^~/a' is the path of spec.routes[0] too")


def test_a_subroute_belongs_to_the_longest_prefix_of_it() -> None:
    routes = [named("/tea"), named("/tea/black"), named("/milk")]
    assert placed("/tea", "/tea/blackish", "/tea/x", "/milk", routes=routes) == (0, 1, 0, 2)


@pytest.mark.parametrize(
    ("paths", "routes", "words"),
    [
        (["/milk"], ["/tea"], "spec.subroutes[0].path: '/milk' does not begin with the path of spec.routes[0] (/tea),"),
        (["^~/tea"], ["/tea"], "spec.subroutes[0].path: '^~ /tea' is a prefix with ^~, and the path of spec.routes[0]"),
        (["=/a", "=/b"], ["=/a"], "spec.subroutes[1].path: '= /b' is not the path of spec.routes[0] (= /a), which"),
        (["=/a"], ["=/a", "=/b"], "spec.subroutes: none has the path '= /b' of spec.routes[1], which names it"),
        (["~ ^/a"], ["~* ^/a"], "spec.subroutes[0].path: '~ ^/a' is not the path of spec.routes[0] (~* ^/a), which"),
        (["~ ^/a"], ["~ ^/a", "~ ^/b"], "spec.subroutes: none has the path '~ ^/b' of spec.routes[1], which names it"),
    ],
)  # fmt: skip
def test_subroutes_that_do_not_belong_to_a_route_are_reported(paths: list[str], routes: list[str], words: str) -> None:
    found = placed(*paths, routes=[named(path) for path in routes])
    assert isinstance(found, str)
    assert found.startswith(words)


def test_an_exact_path_and_a_regular_expression_belong_to_the_same_one() -> None:
    assert placed("=/a", routes=[named("= /a")]) == (0,)
    assert placed("~ ^/b", "~*^/a", routes=[named("~* ^/a"), named("~^/b")]) == (1, 0)


def test_a_selector_needs_all_labels_and_each_object_may_have_a_part_of_its_paths() -> None:
    routes = [selected("=/a", app="tea"), selected("=/b", app="tea", tier="x")]
    assert placed("=/a", routes=routes, labels={"app": "tea"}) == (0,)
    assert placed("=/b", routes=routes, labels={"app": "tea", "tier": "x", "more": "y"}) == (1,)
    assert placed("=/a", routes=routes, labels={"app": "coffee", "tier": "x"}) == ""
