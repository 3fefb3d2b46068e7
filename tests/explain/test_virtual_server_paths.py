"""Paths of VirtualServers and VirtualServerRoutes: ``explain`` finds the location that nginx does.

The order is that of ngx_http_core_module: an exact path, then the first expression that matches in the order of the
configuration, then the longest prefix; and a redirect to a location that differs by a slash at the end only.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from headgate.explain import Question, explain
from tests.explain.test_like_nginx import MarkedNginx, compare, surroundings
from tests.nginx_binaries import BINARIES

HOST = "cafe.test"
ROUTES = (
    "/", "/a", "/a/", "=/a/b", "/a/b", "/a/b/c", r"~ ^/a/.*\.png$", r"~* \.JPG$", "~ /b/", "~ ^/tea/(green|black)$",
    "/tea", "=/tea/white/", "/a%20b", "=/exact", "~* ^/case",
)  # fmt: skip
"""Paths of the VirtualServer itself; each goes to ``tea``."""
PARTS = {
    "/coffee": ("/coffee", "/coffee/espresso", "/coffee/a", "/coffee/espresso/double"),
    "/a/mine": ("/a/mine", "/a/mine/b/deep"),
    "=/one": ("=/one",),
    "~ ^/two/[0-9]+$": ("~ ^/two/[0-9]+$",),
}
"""Paths of routes that refer to a VirtualServerRoute, and its subroutes; each goes to ``coffee``."""
TABLE = (
    ("/", "/"), ("/nothing", "/"), ("/a", "/a"), ("/ab", "/a"), ("/a/", "/a/"), ("/a/x", "/a/"),
    ("/a/b", "= /a/b"), ("/a/bc", "/a/b"), ("/a/b?x=1", "= /a/b"), ("/a/b/", "~ /b/"), ("/a/b/c", "~ /b/"),
    ("/a/x.png", r"~ ^/a/.*\.png$"), ("/a/b/x.png", r"~ ^/a/.*\.png$"), ("/a/x.PNG", "/a/"),
    ("/a/x.jpg", r"~* \.JPG$"), ("/x.jPg", r"~* \.JPG$"), ("/a/b.png.jpg", r"~* \.JPG$"),
    ("/tea", "/tea"), ("/tea/green", "~ ^/tea/(green|black)$"), ("/tea/white/", "= /tea/white/"),
    ("/tea/white", "= /tea/white/"),
    ("/tea/red", "/tea"), ("/teapot", "/tea"), ("/a%20b", "/a"), ("/a%2520bc", "/a%20b"), ("/exact", "= /exact"),
    ("/exact/", "/"), ("/exac%74", "= /exact"), ("/CASEbook", "~* ^/case"), ("/a/../exact", "= /exact"),
    ("//a/b", "= /a/b"), ("/x/%2e%2e/a/b", "= /a/b"), ("/coffee", "/coffee"), ("/coffee/a", "/coffee/a"),
    ("/coffee/ab", "/coffee/a"), ("/coffee/espresso/double/x", "/coffee/espresso/double"), ("/coffeehouse", "/coffee"),
    ("/coffee/b/x", "~ /b/"), ("/coffee/x.jpg", r"~* \.JPG$"), ("/a/mine", "/a/mine"), ("/a/mine/b/deep", "~ /b/"),
    ("/one", "= /one"), ("/one/", "/"), ("/ONE", "/"), ("/two/12", "~ ^/two/[0-9]+$"), ("/two/x", "/"),
)  # fmt: skip
"""Target of a request, and the location that answers it."""


def objects(ports: dict[str, int], routes: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield a VirtualServer with *routes*, and a VirtualServerRoute for each of ``PARTS``."""
    names = {path: f"part{number}" for number, path in enumerate(PARTS)}
    yield custom("VirtualServer", "cafe", "tea", host=HOST, routes=routes)
    for path, name in names.items():
        subroutes = [{"path": each, "action": {"pass": "coffee"}} for each in PARTS[path]]
        yield custom("VirtualServerRoute", name, "coffee", host=HOST, subroutes=subroutes)
    yield from surroundings(ports)


def custom(kind: str, name: str, upstream: str, **spec: Any) -> dict[str, Any]:
    upstreams = [{"name": upstream, "service": upstream, "port": 80}]
    return {"apiVersion": "k8s.nginx.org/v1", "kind": kind, "metadata": {"name": name, "namespace": "shop"},
            "spec": {"ingressClassName": "nginx", "upstreams": upstreams, **spec}}  # fmt: skip


def routes_in_order() -> list[dict[str, Any]]:
    own = [{"path": path, "action": {"pass": "tea"}} for path in ROUTES]
    return [*own, *({"path": path, "route": f"part{number}"} for number, path in enumerate(PARTS))]


@pytest.mark.skipif(not BINARIES, reason="no nginx here")
@pytest.mark.parametrize("name", sorted(BINARIES))
def test_each_request_reaches_the_path_that_nginx_prefers_and_explain_names_it(name: str) -> None:
    nginx = MarkedNginx(lambda ports: objects(ports, routes_in_order()), BINARIES[name])
    try:
        found = {}
        for target, _ in TABLE:
            answer = explain(nginx.view, Question.of(f"http://{HOST}{target}"))
            compare(nginx, f"http://{HOST}{target}", [], answer)
            found[target] = answer.location.name if answer.location else ""
        assert found == dict(TABLE)
    finally:
        nginx.stop()


@pytest.mark.skipif(not BINARIES, reason="no nginx here")
@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_routes_decides_between_expressions_only(seed: int) -> None:
    chance, binary = random.Random(seed), list(BINARIES.values())[seed % len(BINARIES)]
    routes = routes_in_order()
    chance.shuffle(routes)
    nginx = MarkedNginx(lambda ports: objects(ports, routes), binary)
    try:
        for target, location in TABLE:
            answer = explain(nginx.view, Question.of(f"http://{HOST}{target}"))
            compare(nginx, f"http://{HOST}{target}", [], answer)
            assert answer.location
            if not location.startswith("~"):
                assert answer.location.name == location
    finally:
        nginx.stop()
