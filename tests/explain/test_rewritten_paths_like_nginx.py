"""Paths that ``rewritePath`` replaces: the backend is asked for what ``explain`` says, also for a query in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from headgate.explain import Question, explain
from tests.explain.test_like_nginx import MarkedNginx, marked_nginx, surroundings
from tests.explain.test_virtual_server_paths import HOST, custom


def proxied(path: str) -> dict[str, Any]:
    return {"proxy": {"upstream": "tea", "rewritePath": path}}


def objects(ports: dict[str, int]) -> Iterator[dict[str, Any]]:
    met = [{"conditions": [{"header": "X-Other", "value": "yes"}], "action": proxied("/other?x=1")}]
    routes = [
        {"path": "=/exact", "action": proxied("/one?x=1")},
        {"path": "=/bare", "action": proxied("/one?")},
        {"path": "/prefix", "action": proxied("/two?x=1")},
        {"path": "~ ^/reg/(.*)$", "action": proxied("/three/$1?x=1")},
        {"path": "/plain", "action": proxied("/four")},
        {"path": "/met", "matches": met, "action": proxied("/five?x=1")},
        {"path": "=/half", "splits": [{"weight": 100, "action": proxied("/six?x=1")},
                                      {"weight": 0, "action": {"pass": "tea"}}]},
    ]  # fmt: skip
    yield custom("VirtualServer", "cafe", "tea", host=HOST, routes=routes)
    yield from surroundings(ports)


@pytest.fixture(scope="module")
def nginx() -> Iterator[MarkedNginx]:
    yield from marked_nginx(objects)


@pytest.mark.parametrize(
    ("target", "headers", "path"),
    [
        ("/exact", (), "/one?x=1"),
        ("/exact?b=2", (), "/one?x=1&b=2"),
        ("/exact?", (), "/one?x=1"),
        ("/bare?b=2", (), "/one"),
        ("/prefix/a%20b?b=2", (), "/two/a%20b?x=1&b=2"),
        ("/reg/a?b=2", (), "/three/a?x=1&b=2"),
        ("/plain/a%20b?b=2", (), "/four/a%20b?b=2"),
        ("/met/a?b=2", (), "/five/a?x=1&b=2"),
        ("/met/a?b=2", ("X-Other: yes",), "/other/a?x=1&b=2"),
        ("/half?b=2", (), "/six?x=1&b=2"),
    ],
)
def test_the_query_of_a_client_joins_that_of_the_new_path(
    nginx: MarkedNginx, target: str, headers: tuple[str, ...], path: str
) -> None:
    answer = explain(nginx.view, Question.of(f"http://{HOST}{target}", headers))
    sent = {"Host": HOST, **dict(header.split(": ") for header in headers)}
    response = nginx.ask(nginx.ports["http"], target, sent, None)
    assert (answer.upstream and answer.upstream.path, response and response.body) == (path, f"tea {path}")
